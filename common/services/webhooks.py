"""claim, drain, record, release: webhook deliveries are rows like messages; a ticket is only a hint.

A lane is one worker thread that posts the deliveries of one endpoint one after another. How many lanes an endpoint has,
and how many deliveries a lane takes, is domain/webhook_health.py. What finds no room is parked: lanes that become free
take it from there. Deliveries are written by services/events.py. Never here: HTTP, or finding what is due
(webhook_due.py).
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from common import clock
from common.config import Settings, current_settings
from common.db.session import as_json, rows, run
from common.domain.errors import Unavailable
from common.domain.ids import encode
from common.domain.webhook_health import SLOW_MS, Health, room
from common.services import webhook_secrets
from common.services.subscriptions import open_headers

LEASE_SECONDS = 30
"""A lane begins no post later than 10 s after its claim, and a post ends within 15 s."""

MOST_SKEW = timedelta(seconds=60)
HEALTH = tuple(Health.__dataclass_fields__)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A webhook as its lanes need it. `room` is what may be taken now."""

    id: UUID
    account_id: UUID
    url: str
    plain: bool
    secrets: tuple[str, ...]
    key: bytes | None
    headers: dict[str, str]


@dataclass(frozen=True, slots=True)
class Posting:
    """One delivery this lane owns: what goes where. `webhook_id` is the event's id, as the header is called."""

    id: UUID
    epoch: int
    attempt: int
    endpoint: Endpoint
    webhook_id: str
    type: str
    body: bytes
    replayed: bool
    traceparent: str | None = None

    @property
    def public_id(self) -> str:
        return encode("whd", self.id)


@dataclass(frozen=True, slots=True)
class Claimed:
    """What a lane took, endpoints whose work belongs to the slow line, and who of `full` was in the way."""

    postings: list[Posting] = field(default_factory=list)
    slow: list[UUID] = field(default_factory=list)
    refused_by: set[UUID] = field(default_factory=set)


_ENDPOINTS = f"""
SELECT w.id, w.account_id, w.url, w.environment, w.state, w.ordering, w.max_in_flight, w.requests_per_second,
       w.headers_sealed, w.signing_key_sealed, h.next_slot_at, h.ticket_at, clock_timestamp() AS moment,
       {", ".join(f"h.{name}" for name in HEALTH)},
       ARRAY(SELECT s.sealed FROM webhook_secrets s WHERE s.webhook_id = w.id
                AND (s.expires_at IS NULL OR s.expires_at > now()) ORDER BY s.id DESC) AS sealed
  FROM webhooks w JOIN webhook_health h ON h.webhook_id = w.id
 WHERE w.id = ANY(%s::uuid[]) ORDER BY w.id FOR UPDATE OF h
"""

_PLAN = """
WITH plan AS MATERIALIZED (
  SELECT p.*, l.lanes < p.lanes AS free, l.replaying < greatest(1, p.lanes / 5) AS replays
    FROM json_to_recordset(%s) AS p(webhook_id uuid, rows integer, lanes integer, hold boolean, ordered boolean)
    CROSS JOIN LATERAL (
      SELECT count(DISTINCT lane) AS lanes, count(DISTINCT lane) FILTER (WHERE replay_id IS NOT NULL) AS replaying
        FROM webhook_deliveries d WHERE d.webhook_id = p.webhook_id AND d.lease_until > now()) l
), """

_BEHIND = """EXISTS (SELECT FROM webhook_deliveries e WHERE p.ordered AND e.message_id = d.message_id
           AND e.webhook_id = d.webhook_id AND e.seq < d.seq AND e.state IN ('waiting', 'held'))"""
"""Another event of the message has to be told first."""

_BY_ID = f"""due AS MATERIALIZED (
  SELECT d.id, d.webhook_id, d.message_id, d.seq, d.lease_until IS NOT NULL AS lost FROM webhook_deliveries d
   WHERE d.id = ANY(%s::uuid[]) AND d.state = 'waiting' AND d.next_attempt_at <= now() + interval '200 ms'
     AND (d.lease_until IS NULL OR d.lease_until < now())
   ORDER BY d.id FOR UPDATE SKIP LOCKED
), open AS (
  SELECT d.*, p.hold, p.rows, p.free AND NOT p.hold AND NOT {_BEHIND} AS able FROM due d JOIN plan p USING (webhook_id)
), ranked AS (
  SELECT o.*, o.able AND row_number() OVER (PARTITION BY o.webhook_id, o.able ORDER BY o.id) <= o.rows AS taken
    FROM open o
)"""

_PARKED = f"""ranked AS MATERIALIZED (
  SELECT d.id, false AS hold, false AS lost, true AS taken FROM plan p CROSS JOIN LATERAL (
    SELECT d.id FROM webhook_deliveries d
     WHERE d.webhook_id = p.webhook_id AND d.parked AND d.state = 'waiting' AND p.free AND NOT p.hold
       AND (d.replay_id IS NULL OR p.replays) AND NOT {_BEHIND}
     ORDER BY (d.replay_id IS NOT NULL), d.id LIMIT p.rows FOR UPDATE SKIP LOCKED) d
)"""

_MOVE = """, moved AS (
  UPDATE webhook_deliveries d SET
         state = CASE WHEN r.hold THEN 'held' ELSE d.state END,
         parked = NOT r.taken AND NOT r.hold,
         lease_until = CASE WHEN r.taken THEN clock_timestamp() + make_interval(secs => %s) END,
         lane = CASE WHEN r.taken THEN %s::uuid END,
         lease_epoch = d.lease_epoch + r.taken::integer,
         attempt_no = d.attempt_no + (r.taken AND NOT r.lost)::integer
    FROM ranked r WHERE d.id = r.id
  RETURNING d.id, d.lease_epoch, d.attempt_no, d.webhook_id, d.event_id, d.type, d.replay_id, r.taken, r.lost,
            CASE WHEN r.taken THEN d.payload END AS payload,
            CASE WHEN r.taken THEN (SELECT c.traceparent FROM message_contents c WHERE c.message_id = d.message_id)
            END AS traceparent
), lost AS (
  UPDATE webhook_attempts a SET ended_at = clock_timestamp(), error = 'interrupted'
    FROM moved m WHERE m.lost AND a.delivery_id = m.id AND a.ended_at IS NULL
), started AS (
  INSERT INTO webhook_attempts (delivery_id, epoch, number, started_at)
  SELECT id, lease_epoch, attempt_no, clock_timestamp() FROM moved WHERE taken
)
SELECT * FROM moved WHERE taken ORDER BY (replay_id IS NOT NULL), id
"""


def group(connection: Connection, ids: Sequence[UUID]) -> dict[UUID, list[UUID]]:
    """Deliveries by their webhook."""
    found: dict[UUID, list[UUID]] = {}
    for row in rows(connection, "SELECT id, webhook_id FROM webhook_deliveries WHERE id = ANY(%s::uuid[])", list(ids)):
        found.setdefault(row.webhook_id, []).append(row.id)
    return found


def claim(
    connection: Connection,
    webhook_id: UUID,
    ids: Sequence[UUID],
    lane: UUID,
    *,
    full: Collection[UUID] = (),
    slow_line: bool = False,
) -> Claimed:
    """Take the due ones of `ids`, deliveries of one webhook, as far as there is room; the rest is parked.

    `full` are webhooks and accounts that have enough lanes in this process. What is missing in the answer is parked,
    held with its webhook, somebody else's, or over. Raises Unavailable when the clocks differ by over a minute.
    """
    return _claim(connection, [webhook_id], list(ids), lane, full, slow_line)


def drain(
    connection: Connection,
    webhook_ids: Sequence[UUID],
    lane: UUID,
    *,
    full: Collection[UUID] = (),
    slow_line: bool = False,
) -> Claimed:
    """Take parked deliveries of webhooks, as far as there is room: live ones first, then replays."""
    return _claim(connection, webhook_ids, None, lane, full, slow_line)


def _claim(
    connection: Connection,
    webhook_ids: Sequence[UUID],
    ids: list[UUID] | None,
    lane: UUID,
    full: Collection[UUID],
    slow_line: bool,
) -> Claimed:
    settings = current_settings()
    found = {row.id: row for row in rows(connection, _ENDPOINTS, list(webhook_ids))}
    plans, changed, slow, refused_by = [], [], [], set[UUID]()
    for row in found.values():
        if abs(row.moment - clock.now()) > MOST_SKEW:
            raise Unavailable("The clock of this machine and that of the database differ by over a minute.")
        owners = {row.id, row.account_id}.intersection(full)
        refused_by |= owners
        plan, change = _plan(row, bool(owners))
        if (row.typical_ms or 0) > SLOW_MS and not slow_line and row.state == "enabled":
            slow.append(row.id)
            plan["lanes"] = 0
        plans.append(plan)
        changed += [change] if change else []
    if changed:
        run(connection, _OPENED, as_json(changed))
    statement = _PLAN + (_PARKED if ids is None else _BY_ID) + _MOVE
    given = [as_json(plans)] + ([] if ids is None else [ids])
    taken = rows(connection, statement, *given, LEASE_SECONDS, lane)
    ends = {each: _endpoint(settings, found[each]) for each in {row.webhook_id for row in taken}}
    return Claimed([_posting(row, ends[row.webhook_id]) for row in taken], slow, refused_by)


_OPENED = """
UPDATE webhook_health h SET breaker = x.breaker, next_slot_at = x.next_slot_at, ticket_at = NULL
  FROM json_to_recordset(%s) AS x(webhook_id uuid, breaker text, next_slot_at timestamptz)
 WHERE h.webhook_id = x.webhook_id
"""


def _plan(row: Any, is_full: bool) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """What may be taken for a webhook, and what that changes in its health."""
    found = room(
        health_of(row),
        row.moment,
        max_in_flight=row.max_in_flight,
        requests_per_second=row.requests_per_second,
        next_slot_at=row.next_slot_at,
    )
    plan = {
        "webhook_id": row.id,
        "rows": found.rows,
        "lanes": 0 if is_full or not found.rows else found.lanes,
        "hold": row.state != "enabled",
        "ordered": row.ordering == "per_message",
    }
    if (found.breaker, found.next_slot_at) == (row.breaker, row.next_slot_at) and row.ticket_at is None:
        return plan, None
    return plan, {"webhook_id": row.id, "breaker": found.breaker, "next_slot_at": found.next_slot_at}


def health_of(row: Any) -> Health:
    """The health in a row that has its columns."""
    return Health(**{name: getattr(row, name) for name in HEALTH})


def _endpoint(settings: Settings, row: Any) -> Endpoint:
    def opened(sealed: Any) -> bytes:
        return webhook_secrets.open_secret(settings, row.id, bytes(sealed))

    return Endpoint(
        row.id,
        row.account_id,
        row.url,
        settings.webhook_http or row.environment == "test",
        tuple(opened(each).decode() for each in row.sealed),
        opened(row.signing_key_sealed) if row.signing_key_sealed else None,
        open_headers(settings, row.id, row.headers_sealed),
    )


def _posting(row: Any, endpoint: Endpoint) -> Posting:
    return Posting(
        row.id,
        row.lease_epoch,
        row.attempt_no,
        endpoint,
        encode("evt", row.event_id),
        row.type,
        row.payload.encode(),
        row.replay_id is not None,
        row.traceparent,
    )


_RELEASE = """
WITH x AS (SELECT * FROM json_to_recordset(%s) AS x(id uuid, epoch integer)),
freed AS (
  UPDATE webhook_deliveries d SET lease_until = NULL, lane = NULL, attempt_no = d.attempt_no - 1,
         parked = d.state = 'waiting'
    FROM x WHERE d.id = x.id AND d.lease_epoch = x.epoch AND d.lease_until IS NOT NULL)
DELETE FROM webhook_attempts a USING x WHERE a.delivery_id = x.id AND a.epoch = x.epoch AND a.ended_at IS NULL
"""


def release(connection: Connection, postings: Sequence[Posting]) -> None:
    """Give back what was claimed and never posted: parked, and without an attempt."""
    if postings:
        run(connection, _RELEASE, as_json([{"id": each.id, "epoch": each.epoch} for each in postings]))
