"""claim, record, sweep: webhook deliveries are rows like messages; the ticket is only a hint.

Deliveries are written by services/lifecycle.py in the transaction of their event. Never here: HTTP.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from common.config import Settings, current_settings
from common.db.session import as_json, rows
from common.domain.ids import encode
from common.queueing import publisher, queues, tasks
from common.sealing import unseal

SCHEDULE = (0.0, 5.0, 300.0, 1800.0, 7200.0, 18000.0, 36000.0, 50400.0, 72000.0, 86400.0, 86400.0, 86400.0)
"""Seconds before each of the 12 attempts."""

LEASE_SECONDS = 20


@dataclass(frozen=True, slots=True)
class Posting:
    """One delivery this worker owns: where, what and with which secret."""

    id: UUID
    epoch: int
    attempt: int
    url: str
    secret: str
    webhook_id: str
    body: bytes

    @property
    def public_id(self) -> str:
        return encode("whd", self.id)


@dataclass(frozen=True, slots=True)
class Posted:
    """What came of it: an HTTP status, or an error word; `response` is an excerpt."""

    ok: bool
    status: int | None = None
    error: str | None = None
    response: str = ""
    retry_after: float = 0.0


_CLAIM = """
WITH due AS (
  SELECT id FROM webhook_deliveries WHERE id = ANY(%s::uuid[]) AND state = 'waiting'
     AND next_attempt_at <= now() + interval '200 ms' AND (lease_until IS NULL OR lease_until < now())
   ORDER BY id FOR UPDATE SKIP LOCKED
), claimed AS (
  UPDATE webhook_deliveries d SET lease_until = clock_timestamp() + make_interval(secs => %s),
         lease_epoch = d.lease_epoch + 1, attempt_no = d.attempt_no + 1
    FROM due WHERE d.id = due.id
  RETURNING d.id, d.lease_epoch, d.attempt_no, d.webhook_id, d.event_id, d.payload
), started AS (
  INSERT INTO webhook_attempts (delivery_id, epoch, number, started_at)
  SELECT id, lease_epoch, attempt_no, clock_timestamp() FROM claimed
)
SELECT c.*, w.url, (SELECT s.sealed FROM webhook_secrets s WHERE s.webhook_id = w.id
                     ORDER BY s.created_at DESC LIMIT 1) AS sealed
  FROM claimed c JOIN webhooks w ON w.id = c.webhook_id ORDER BY c.id
"""


def claim(connection: Connection, ids: Sequence[UUID]) -> list[Posting]:
    """Take the due ones of `ids`; what is missing is somebody else's or has been delivered."""
    settings = current_settings()
    return [
        Posting(
            r.id,
            r.lease_epoch,
            r.attempt_no,
            r.url,
            unseal(settings, bytes(r.sealed), f"webhook {r.webhook_id}").decode(),
            encode("evt", r.event_id),
            r.payload.encode(),
        )
        for r in rows(connection, _CLAIM, list(ids), LEASE_SECONDS)
    ]


_RECORD = """
WITH x AS (SELECT * FROM json_to_recordset(%s) AS x(
    id uuid, epoch integer, state text, delay double precision, status smallint, error text, response text)),
moved AS (
  UPDATE webhook_deliveries d SET state = x.state, lease_until = NULL,
         next_attempt_at = clock_timestamp() + make_interval(secs => x.delay), ticket_at = NULL, ticket_count = 1,
         ended_at = CASE WHEN x.state <> 'waiting' THEN clock_timestamp() END
    FROM x WHERE d.id = x.id AND d.lease_epoch = x.epoch AND d.state = 'waiting'
  RETURNING d.id, d.lease_epoch)
UPDATE webhook_attempts a SET ended_at = clock_timestamp(), status = x.status, error = x.error, response = x.response
  FROM x WHERE a.delivery_id = x.id AND a.epoch = x.epoch
"""


def record(connection: Connection, settings: Settings, results: Sequence[tuple[Posting, Posted]]) -> None:
    """Write what came of attempts, and when the next is due."""
    if results:
        connection.exec_driver_sql(_RECORD, (as_json([_row(settings, *result) for result in results]),))


def _row(settings: Settings, posting: Posting, posted: Posted) -> dict[str, Any]:
    state, delay = "waiting", 0.0
    if posted.ok:
        state = "delivered"
    elif posting.attempt >= len(SCHEDULE):
        state = "exhausted"
    else:
        delay = max(SCHEDULE[posting.attempt], min(posted.retry_after, 86_400.0)) / settings.time_scale
    return {
        "id": posting.id,
        "epoch": posting.epoch,
        "state": state,
        "delay": delay,
        "status": posted.status,
        "error": posted.error,
        "response": posted.response,
    }


_SWEEP = """
WITH lost AS (
  SELECT id FROM webhook_deliveries WHERE state = 'waiting' AND next_attempt_at <= now()
     AND (lease_until IS NULL OR lease_until < now())
     AND (ticket_at IS NULL OR ticket_at <= now() - make_interval(secs => 5 * power(4, least(ticket_count, 4) - 1)))
   ORDER BY next_attempt_at LIMIT 1000 FOR UPDATE SKIP LOCKED)
UPDATE webhook_deliveries d SET ticket_at = clock_timestamp(), ticket_count = least(d.ticket_count + 1, 100)
  FROM lost WHERE d.id = lost.id RETURNING d.id
"""


def sweep(connection: Connection) -> list[UUID]:
    """Due deliveries without a working ticket."""
    return [r.id for r in rows(connection, _SWEEP)]


def leave(ids: Sequence[UUID]) -> None:
    """Tickets for webhook deliveries."""
    if ids:
        publisher.leave(tasks.DISPATCH_DELIVERIES, queues.WEBHOOKS, ids)
