"""The only writer of a message's status: apply(connection, changes), a batch at a time, one statement.

Each change is a compare-and-set on status, lease and epoch; what does not match is left alone and
not returned. Status, event, closed attempt, dead letter, suppression and webhook deliveries are
written together. Never here: deciding which change is due.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from common.db.session import as_json, rows
from common.domain.events import API_VERSION
from common.domain.ids import encode, new_id
from common.domain.lifecycle import DEAD, ENDED, TRANSITIONS
from common.domain.outcomes import Outcome
from common.services.events import fan_out


@dataclass(frozen=True, slots=True)
class Change:
    """One message to move. `epoch` is required by leased transitions and forbidden to the others.

    `delay` is seconds from now to the next attempt; `armed` says that a ticket with that countdown
    is being left. `data` joins the event. `attempt_state` closes the attempt of this epoch.
    `suppress_days`: for how long; 0 is for ever.
    """

    message_id: UUID
    transition: str
    epoch: int | None = None
    data: dict[str, Any] = field(default_factory=dict)
    delay: float | None = None
    armed: bool = False
    counts: bool = False
    unknown: bool = False
    source_id: UUID | None = None
    path: str | None = None
    retry_preset: str | None = None
    attempt_state: str | None = None
    outcome: Outcome | None = None
    cause: str | None = None
    suppress_reason: str | None = None
    suppress_days: int = 0


@dataclass(frozen=True, slots=True)
class Applied:
    """A change that happened: the message, its status and tier, and the webhook deliveries it left."""

    message_id: UUID
    status: str
    tier: int
    path: str | None
    deliveries: tuple[UUID, ...]


_MOVE = """
WITH x AS MATERIALIZED (
  SELECT * FROM json_to_recordset(%s) AS x(
    id uuid, public_id text, event_id uuid, event_public_id text, origins text[], epoch integer,
    to_status text, event text, data jsonb, delay double precision,
    armed boolean, counts boolean, unknown boolean, source_id uuid, path text, retry_preset text, ended boolean,
    attempt_state text, stage text, code smallint, enhanced text, reply text, category text, mx text,
    ip text, tls text, transcript jsonb, provider text, tls_reason text, rule text,
    delivery jsonb, cause text, suppress_reason text, suppress_days integer,
    suppression_id uuid, suppression_public_id text, listed_id uuid, listed_public_id text)
), moved AS (
  UPDATE messages m SET
    status = x.to_status,
    updated_at = clock_timestamp(),
    event_seq = m.event_seq + (x.event IS NOT NULL)::integer,
    next_attempt_at = CASE WHEN x.delay IS NULL THEN m.next_attempt_at
                           ELSE clock_timestamp() + make_interval(secs => x.delay) END,
    ticket_at = CASE WHEN x.delay IS NULL THEN m.ticket_at
                     WHEN x.armed THEN clock_timestamp() + make_interval(secs => x.delay) END,
    ticket_count = CASE WHEN x.delay IS NULL THEN m.ticket_count ELSE 1 END,
    attempt_no = m.attempt_no + coalesce(x.counts, false)::integer,
    unknown_count = m.unknown_count + coalesce(x.unknown, false)::integer,
    lease_until = NULL, lease_owner = NULL, phase = 'idle', paced = NULL,
    held = m.held AND x.ended IS NOT TRUE, hold_id = CASE WHEN x.ended IS NOT TRUE THEN m.hold_id END,
    source_id = coalesce(x.source_id, m.source_id),
    path = coalesce(x.path, m.path),
    retry_preset = coalesce(x.retry_preset, m.retry_preset),
    accepted_at = CASE WHEN x.to_status = 'accepted' THEN clock_timestamp() ELSE m.accepted_at END,
    delivered_at = CASE WHEN x.to_status = 'delivered' THEN clock_timestamp() ELSE m.delivered_at END,
    ended_at = CASE WHEN x.ended THEN clock_timestamp() END,
    delivery = coalesce(x.delivery, m.delivery)
  FROM x
  WHERE m.id = x.id AND m.status = ANY(x.origins)
    AND CASE WHEN x.epoch IS NULL THEN m.lease_until IS NULL
             ELSE m.lease_epoch = x.epoch AND m.lease_until IS NOT NULL END
  RETURNING m.id, m.account_id, m.environment, m.event_seq, m.status, m.tier, m.path, m.recipient,
    m.recipient_key, m.recipient_domain, m.attempt_no, m.next_attempt_at, m.updated_at
)"""

_LIST = """, listed AS (
  INSERT INTO suppressions (id, account_id, environment, recipient, recipient_key, reason, source_message_id,
                            expires_at)
  SELECT DISTINCT ON (d.account_id, d.environment, d.recipient_key)
         x.suppression_id, d.account_id, d.environment, d.recipient, d.recipient_key, x.suppress_reason, d.id,
         d.updated_at + make_interval(days => x.suppress_days)
    FROM moved d JOIN x ON x.id = d.id WHERE x.suppress_reason IS NOT NULL
  ON CONFLICT (account_id, environment, recipient_key, scope) DO UPDATE
     SET id = excluded.id, reason = excluded.reason, source_message_id = excluded.source_message_id,
         expires_at = excluded.expires_at
   WHERE suppressions.expires_at < coalesce(excluded.expires_at, 'infinity')
  RETURNING id, recipient, reason, scope, expires_at
)"""

_TELL = """, told AS (
  INSERT INTO events (id, message_id, account_id, environment, seq, type, timestamp, data)
  SELECT x.event_id, d.id, d.account_id, d.environment, d.event_seq, x.event, d.updated_at,
         jsonb_build_object('recipient', d.recipient, 'status', d.status)
         || CASE WHEN d.status = 'deferred' THEN jsonb_build_object('next_attempt_at',
              to_char(d.next_attempt_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')) ELSE '{}' END
         || coalesce(x.data, '{}')
    FROM moved d JOIN x ON x.id = d.id WHERE x.event IS NOT NULL"""

_TELL_LISTED = """
  UNION ALL
  SELECT x.listed_id, NULL, d.account_id, d.environment, NULL, 'suppression.created', d.updated_at,
         jsonb_build_object('suppression_id', x.suppression_public_id, 'recipient', l.recipient,
                            'reason', l.reason, 'scope', l.scope, 'message_id', x.public_id, 'expires_at',
                            to_char(l.expires_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'))
    FROM listed l JOIN x ON x.suppression_id = l.id JOIN moved d ON d.id = x.id"""

_TOLD = """
  RETURNING id, message_id, account_id, environment, seq, type, timestamp, data
), """

_FAN_OUT, _FAN_OUT_LISTED = (
    fan_out(f"""
      SELECT x.event_public_id, x.public_id AS message_public_id, c.tags, c.metadata,
             split_part(c.sender ->> 'email', '@', 2) AS domain, NULL::uuid AS target,
             t.message_id IS NOT NULL AS armed
        FROM {told} x
        JOIN message_contents c ON c.message_id = x.id WHERE x.event_id = t.id""")
    for told in (
        "x",
        """(SELECT id, public_id, event_id, event_public_id FROM x UNION ALL
              SELECT id, public_id, listed_id, listed_public_id FROM x WHERE listed_id IS NOT NULL)""",
    )
)

_CLOSE = """, closed AS (
  UPDATE attempts a SET state = x.attempt_state, ended_at = clock_timestamp(), stage = x.stage, code = x.code,
    enhanced = x.enhanced, reply = x.reply, category = x.category, mx = x.mx, ip = x.ip, tls = x.tls,
    transcript = x.transcript, provider = x.provider, tls_reason = x.tls_reason, rule = x.rule
  FROM moved d JOIN x ON x.id = d.id
  WHERE a.message_id = d.id AND a.epoch = x.epoch AND x.attempt_state IS NOT NULL
)"""

_BURY = """, buried AS (
  INSERT INTO dead_letters (message_id, account_id, environment, cause, detail, recipient_domain)
  SELECT d.id, d.account_id, d.environment, x.cause, x.reply, d.recipient_domain
    FROM moved d JOIN x ON x.id = d.id WHERE x.cause IS NOT NULL
  ON CONFLICT (message_id) DO NOTHING
)"""

_ANSWER = """
SELECT d.id, d.status, d.tier, d.path,
       (SELECT array_agg(f.id) FROM fanned f WHERE f.message_id = d.id AND f.state = 'waiting') AS deliveries
  FROM moved d
"""


@lru_cache(maxsize=8)
def _statement(lists: bool, closes: bool, buries: bool) -> str:
    """One statement with the parts that its changes need: each part costs even when it finds nothing to do."""
    return "".join(
        (
            _MOVE,
            _LIST if lists else "",
            _TELL,
            _TELL_LISTED if lists else "",
            _TOLD,
            _FAN_OUT_LISTED if lists else _FAN_OUT,
            _CLOSE if closes else "",
            _BURY if buries else "",
            _ANSWER,
        )
    )


def apply(connection: Connection, changes: Sequence[Change]) -> list[Applied]:
    """Move every message whose state still allows it; answer those that moved."""
    if not changes:
        return []
    given = [_without_nothing(_row(change)) for change in changes]
    sql = _statement(
        any("suppress_reason" in row for row in given),
        any("attempt_state" in row for row in given),
        any("cause" in row for row in given),
    )
    found = rows(connection, sql, as_json(given), API_VERSION)
    return [Applied(r.id, r.status, r.tier, r.path, tuple(r.deliveries or ())) for r in found]


def _without_nothing(row: dict[str, Any]) -> dict[str, Any]:
    """What is missing in JSON is NULL in the record, and half of every row is nothing."""
    return {name: value for name, value in row.items() if value is not None and value is not False}


def _row(change: Change) -> dict[str, Any]:
    arrow = TRANSITIONS[change.transition]
    if arrow.leased != (change.epoch is not None):
        raise ValueError(f"transition {change.transition} and a lease do not fit")
    event_id = new_id()
    row: dict[str, Any] = {
        "id": change.message_id,
        "public_id": encode("msg", change.message_id),
        "event_id": event_id,
        "event_public_id": encode("evt", event_id),
        "origins": arrow.origins,
        "epoch": change.epoch,
        "to_status": arrow.to,
        "event": arrow.event,
        "data": change.data,
        "delay": change.delay,
        "armed": change.armed,
        "counts": change.counts,
        "unknown": change.unknown,
        "source_id": change.source_id,
        "path": change.path,
        "retry_preset": change.retry_preset,
        "ended": arrow.to in ENDED,
        "attempt_state": change.attempt_state,
        "suppress_reason": change.suppress_reason,
        "suppress_days": change.suppress_days or None,
        "cause": change.cause if arrow.to in DEAD else None,
    }
    if change.suppress_reason is not None:
        suppression_id, listed_id = new_id(), new_id()
        row |= {
            "suppression_id": suppression_id,
            "suppression_public_id": encode("sup", suppression_id),
            "listed_id": listed_id,
            "listed_public_id": encode("evt", listed_id),
        }
    if change.outcome is not None:
        row |= _outcome_columns(change.outcome, arrow.to == "delivered")
    return row


def _outcome_columns(outcome: Outcome, delivered: bool) -> dict[str, Any]:
    columns: dict[str, Any] = {
        "stage": outcome.stage,
        "code": outcome.code,
        "enhanced": outcome.enhanced,
        "reply": outcome.reply,
        "category": outcome.category,
        "mx": outcome.mx,
        "ip": outcome.ip,
        "tls": outcome.tls,
        "transcript": outcome.transcript,
        "provider": outcome.provider,
        "tls_reason": outcome.tls_reason,
        "rule": outcome.rule,
    }
    if delivered:
        names = ("mx", "ip", "tls", "code", "enhanced", "reply")
        columns["delivery"] = {name: columns[name] for name in names}
    return columns
