"""The statement that makes messages durable, and what it says to repeated keys and to a database that refuses.

Message, content, first event, webhook deliveries and Idempotency-Key are one statement, in the
caller's transaction. Never here: who shares a transaction (accepting.py, batches.py).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson
import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from common.config import Settings
from common.db.session import as_json, rows, run, transaction
from common.domain.errors import DomainError, InFlight, InvalidRequest, KeyReused, Unavailable
from common.domain.events import API_VERSION
from common.queueing import publisher, queues, tasks
from common.services import idempotency, superseding
from common.services.composing import Draft
from common.services.events import fan_out
from common.services.idempotency import Claim

log = structlog.get_logger()

ROUTE = "POST /v1/messages"


@dataclass(frozen=True, slots=True)
class Answer:
    """What the caller gets: status, JSON bytes, and whether an Idempotency-Key replayed them."""

    status: int
    body: bytes
    replayed: bool = False


_GIVEN = """
WITH x AS MATERIALIZED (
  SELECT * FROM json_to_recordset(%s) AS x(
    ord integer, id uuid, public_id text, event_id uuid, event_public_id text, account_id uuid, environment text,
    status text, tier smallint, created_at timestamptz, starts timestamptz, scheduled_time timestamptz,
    expires_at timestamptz, recipient text, recipient_key text, recipient_domain text, recipient_name text,
    sender jsonb, subject text, html text, text text, template_id uuid, template_slug text,
    template_version integer, template_data jsonb, locale text, cc jsonb, bcc jsonb, reply_to jsonb,
    headers jsonb, attachments jsonb, metadata jsonb, tags text[], sensitive boolean, key_id uuid, batch_id uuid,
    original_id uuid, request_id text, stream text, topic text, supersede_key text,
    idempotency_key text, route text, fingerprint text, answer_status integer, answer text, mime text,
    channel text, traceparent text)
)"""

_KEYED = """, keyed AS (
  INSERT INTO idempotency_keys AS k (account_id, environment, route, key, fingerprint, message_id, request_id,
                                     status, response)
  SELECT account_id, environment, route, idempotency_key, decode(fingerprint, 'hex'), id, request_id,
         answer_status, answer
    FROM x WHERE idempotency_key IS NOT NULL ORDER BY account_id, idempotency_key
  ON CONFLICT (account_id, environment, route, key) DO UPDATE
     SET fingerprint = excluded.fingerprint, message_id = excluded.message_id, request_id = excluded.request_id,
         status = excluded.status, response = excluded.response, created_at = now()
   WHERE k.created_at <= now() - make_interval(hours => %s)
  RETURNING message_id
), fresh AS (
  SELECT * FROM x WHERE idempotency_key IS NULL OR id IN (SELECT message_id FROM keyed)
)"""

_UNKEYED = ", fresh AS (SELECT * FROM x)"

_WRITTEN = (
    """, written AS (
  INSERT INTO messages (id, account_id, environment, status, tier, created_at, updated_at, next_attempt_at,
    ticket_at, scheduled_time, expires_at, recipient, recipient_key, recipient_domain, policy_version,
    delivery_guarantee, stream, topic, supersede_key)
  SELECT f.id, f.account_id, f.environment, f.status, f.tier, f.created_at, f.created_at, f.starts,
         CASE WHEN f.scheduled_time IS NULL THEN clock_timestamp() END, f.scheduled_time, f.expires_at,
         f.recipient, f.recipient_key, f.recipient_domain, a.policy_version, a.delivery_guarantee, f.stream,
         f.topic, f.supersede_key
    FROM fresh f JOIN accounts a ON a.id = f.account_id ORDER BY f.ord
  RETURNING id
), filled AS (
  INSERT INTO message_contents (message_id, sender, recipient_name, subject, html, text, template_id,
    template_slug, template_version, template_data, locale, cc, bcc, reply_to, headers, attachments, metadata,
    tags, idempotency_key, key_id, request_id, sensitive, batch_id, original_id, mime, channel,
    traceparent)
  SELECT id, sender, recipient_name, subject, html, text, template_id, template_slug, template_version,
         template_data, locale, cc, bcc, reply_to, headers, attachments, metadata, tags, idempotency_key,
         key_id, request_id, sensitive, batch_id, original_id, decode(mime, 'base64'), channel, traceparent FROM fresh
), told AS (
  INSERT INTO events (id, message_id, account_id, environment, seq, type, timestamp, data)
  SELECT event_id, id, account_id, environment, 1, 'message.queued', created_at,
         jsonb_build_object('recipient', recipient, 'status', status)
         || CASE WHEN scheduled_time IS NULL THEN '{}' ELSE jsonb_build_object('scheduled_time', scheduled_time)
            END FROM fresh
  RETURNING id, message_id, account_id, environment, seq, type, timestamp, data
), """
    + fan_out("""
      SELECT f.event_public_id, f.public_id AS message_public_id, f.tags, f.metadata,
             split_part(f.sender ->> 'email', '@', 2) AS domain, NULL::uuid AS target, true AS armed
        FROM fresh f WHERE f.event_id = t.id""")
    + """
SELECT w.id, (SELECT array_agg(n.id) FROM fanned n WHERE n.message_id = w.id AND n.state = 'waiting') AS deliveries
  FROM written w
"""
)

_ACCEPT, _ACCEPT_KEYED = _GIVEN + _UNKEYED + _WRITTEN, _GIVEN + _KEYED + _WRITTEN
"""The part for keys costs even when there is none."""

_RECALL = """
SELECT k.account_id, k.environment, k.key, encode(k.fingerprint, 'hex') AS fingerprint, k.status, k.response,
       k.request_id
  FROM json_to_recordset(%s) AS x(account_id uuid, environment text, route text, key text)
  JOIN idempotency_keys k USING (account_id, environment, route, key)
"""


LARGE = 1 << 20
"""So many characters of texts and files are written apart from other messages."""

_ATTACH = "UPDATE message_contents SET attachments = %s WHERE message_id = %s"


def write(connection: Connection, settings: Settings, drafts: Sequence[Draft]) -> dict[UUID, list[UUID]]:
    """Write drafts in the caller's transaction; answers the written ones with their webhook deliveries.

    What a draft's supersede key withdraws is withdrawn here, and its webhook deliveries are among the draft's. A draft
    whose Idempotency-Key was taken before is not written and not answered. Large files follow in a statement of
    their own: the first one would read them several times.
    """
    parameter = []
    heavy = [draft for draft in drafts if draft.size > LARGE and draft.row["attachments"]]
    for order, draft in enumerate(drafts):
        row = draft.row | {"attachments": None} if draft in heavy else draft.row
        row["ord"] = order
        if draft.idempotency_key is not None:
            row |= {
                "route": ROUTE,
                "fingerprint": draft.fingerprint,
                "answer_status": settings.accept_status,
                "answer": orjson.dumps(draft.public).decode(),
            }
        parameter.append({name: value for name, value in row.items() if value is not None})
    superseding_ones = superseding.keyed(drafts)
    if superseding_ones:
        superseding.take_turns(connection, superseding_ones)
    keyed = any(draft.idempotency_key is not None for draft in drafts)
    if keyed:
        values: tuple[Any, ...] = (as_json(parameter), settings.idempotency_hours, API_VERSION)
    else:
        values = (as_json(parameter), API_VERSION)
    found = rows(connection, _ACCEPT_KEYED if keyed else _ACCEPT, *values)
    written = {row.id: list(row.deliveries or ()) for row in found}
    for draft in heavy:
        if draft.id in written:
            run(connection, _ATTACH, as_json(draft.row["attachments"]), draft.id)
    winners = [draft.id for draft in superseding_ones if draft.id in written]
    for by, done in superseding.withdraw(connection, winners) if winners else ():
        written[by] += done.deliveries
    return written


def recall(connection: Connection, drafts: Sequence[Draft]) -> dict[tuple[UUID, str, str], Any]:
    """The rows of the keys that were taken before these drafts came."""
    if not drafts:
        return {}
    names = ("account_id", "environment", "key")
    keys = [dict(zip(names, identity_of(each), strict=True)) | {"route": ROUTE} for each in drafts]
    found = rows(connection, _RECALL, as_json(keys))
    return {(row.account_id, row.environment, row.key): row for row in found}


def replayed(draft: Draft, recalled: dict[tuple[UUID, str, str], Any]) -> Answer:
    """The first answer of the draft's key. Raises KeyReused, or Unavailable when the key just expired."""
    row = recalled.get(identity_of(draft))
    if row is None:
        raise Unavailable("The Idempotency-Key just expired; retry.", retry_after=1)
    if row.fingerprint != draft.fingerprint:
        detail = f"This Idempotency-Key was used with another payload by {row.request_id}. Use a new key."
        raise KeyReused(detail, extra={"first_request_id": row.request_id})
    return Answer(row.status, row.response.encode(), replayed=True)


def remembered(settings: Settings, claim: Claim) -> Answer | None:
    """The answer of a request that would be refused by now (a time has passed, a template is gone) but was accepted
    when it came first. Raises KeyReused."""
    with transaction() as connection:
        kept = idempotency.recall(connection, settings, claim)
    return None if kept is None else Answer(kept.status, kept.body, replayed=True)


def identity_of(draft: Draft) -> tuple[UUID, str, str]:
    """Whose key it is: account, environment, key."""
    return draft.row["account_id"], draft.row["environment"], draft.idempotency_key or ""


_PRESENT = "SELECT id FROM messages WHERE id = ANY(%s::uuid[])"


def present(connection: Connection, drafts: Sequence[Draft]) -> set[UUID]:
    """Which drafts were written by a commit whose answer was lost."""
    return {row.id for row in rows(connection, _PRESENT, [draft.id for draft in drafts])}


_OUTAGES = ("OperationalError", "AdminShutdown", "CrashShutdown", "CannotConnectNow", "InterfaceError")


def refusal_of(error: DBAPIError) -> DomainError:
    """What a caller is told when the database refused to write. Nothing was accepted in any case."""
    kind = type(error.orig).__name__
    if error.connection_invalidated or kind in _OUTAGES:
        return unreachable()
    if kind == "LockNotAvailable":
        return InFlight("The first request with this key is still running.", retry_after=1)
    if kind in ("QueryCanceled", "UniqueViolation"):
        # Too slow; or written by a connection that was lost, which only a repeated key can tell.
        return Unavailable("The database was too slow; retry with the same Idempotency-Key.", retry_after=2)
    log.error("accept_refused_by_database", error=kind)
    return InvalidRequest("The request holds a value that cannot be stored, such as a NUL.")


def unreachable() -> Unavailable:
    """The answer while the database is away."""
    return Unavailable("The database cannot be reached; retry with the same Idempotency-Key.", retry_after=2)


def leave_tickets(drafts: Sequence[Draft], written: dict[UUID, list[UUID]]) -> None:
    """Tell the workers of what was committed; a ticket that is lost is swept."""
    by_tier: dict[int, list[UUID]] = {}
    for draft in drafts:
        if not draft.scheduled:
            by_tier.setdefault(draft.tier, []).append(draft.id)
        if written[draft.id]:
            publisher.leave(tasks.DISPATCH_DELIVERIES, queues.WEBHOOKS, written[draft.id])
    for tier, ids in sorted(by_tier.items()):
        publisher.leave(tasks.ROUTE_MESSAGES, queues.routing_queue(tier), ids)
