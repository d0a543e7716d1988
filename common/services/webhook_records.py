"""record: what came of webhook attempts, when the next is due, and what that says about the endpoint.

Health, the deliveries, the events and the mail that tell of them change in one transaction. Never here: claiming
(webhooks.py).
"""

import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from common.config import Settings
from common.db.session import as_json, rows, run
from common.domain.ids import encode
from common.domain.webhook_health import Health, Tried, Verdict, observe
from common.domain.webhook_notices import Letter, write_disabled, write_warning
from common.services import events, notices, webhook_switches
from common.services.events import NewEvent
from common.services.notices import Notice
from common.services.webhooks import HEALTH, Posting, health_of

SCHEDULE = (0.0, 5.0, 300.0, 1800.0, 7200.0, 18000.0, 36000.0, 50400.0, 72000.0, 86400.0, 86400.0, 86400.0)
"""Seconds before each of the 12 attempts; the last is repeated where an endpoint has more."""

LONGEST_WAIT = 86_400.0
JITTER = 0.2


@dataclass(frozen=True, slots=True)
class Posted:
    """What came of one attempt: an HTTP status, or an error word. Times are milliseconds, `retry_after` seconds."""

    ok: bool
    started_at: datetime
    status: int | None = None
    error: str | None = None
    response: str | None = None
    retry_after: float = 0.0
    ip: str | None = None
    dns_ms: float | None = None
    connect_ms: float | None = None
    tls_ms: float | None = None
    first_byte_ms: float | None = None
    total_ms: float | None = None


Result = tuple[Posting, Posted]
_TOLD = tuple(name for name in Posted.__dataclass_fields__ if name not in ("ok", "retry_after"))

_LOCK = f"""
SELECT w.id, w.account_id, w.environment, w.url, w.state, w.max_in_flight, w.max_attempts, w.verified_at,
       clock_timestamp() AS moment, {", ".join(f"h.{name}" for name in HEALTH)}
  FROM webhooks w JOIN webhook_health h ON h.webhook_id = w.id
 WHERE w.id = ANY(%s::uuid[]) ORDER BY w.id FOR UPDATE OF h
"""

_RECORD = """
WITH x AS MATERIALIZED (SELECT * FROM json_to_recordset(%s) AS x(
    id uuid, epoch integer, state text, delay double precision, started_at timestamptz, status smallint, error text,
    response text, ip text, dns_ms real, connect_ms real, tls_ms real, first_byte_ms real, total_ms real)),
moved AS (
  UPDATE webhook_deliveries d SET state = x.state, lease_until = NULL, lane = NULL, parked = false,
         next_attempt_at = clock_timestamp() + make_interval(secs => x.delay), ticket_at = NULL, ticket_count = 1,
         ended_at = CASE WHEN x.state IN ('delivered', 'exhausted') THEN clock_timestamp() END
    FROM x WHERE d.id = x.id AND d.lease_epoch = x.epoch AND d.state = 'waiting'
  RETURNING d.id, d.state, d.message_id),
written AS (
  UPDATE webhook_attempts a SET started_at = x.started_at, ended_at = clock_timestamp(), status = x.status,
         error = x.error, response = x.response, ip = x.ip, dns_ms = x.dns_ms, connect_ms = x.connect_ms,
         tls_ms = x.tls_ms, first_byte_ms = x.first_byte_ms, total_ms = x.total_ms
    FROM x WHERE a.delivery_id = x.id AND a.epoch = x.epoch)
SELECT id FROM moved WHERE state = 'exhausted'
"""

_HEALTH = f"""
UPDATE webhook_health h SET {", ".join(f"{name} = x.{name}" for name in HEALTH)}
  FROM json_populate_recordset(NULL::webhook_health, %s) AS x WHERE h.webhook_id = x.webhook_id
"""
_VERIFY = "UPDATE webhooks SET verified_at = clock_timestamp() WHERE id = ANY(%s::uuid[]) AND verified_at IS NULL"


def record(connection: Connection, settings: Settings, results: Sequence[Result]) -> None:
    """Write what came of attempts. What another lane has taken over meanwhile is left alone."""
    if not results:
        return
    by_webhook: dict[UUID, list[Result]] = {}
    for result in results:
        by_webhook.setdefault(result[0].endpoint.id, []).append(result)
    found = {row.id: row for row in rows(connection, _LOCK, list(by_webhook))}
    observed: dict[UUID, tuple[Health, Verdict]] = {}
    for webhook_id, row in found.items():
        tried = [_tried(*result) for result in by_webhook[webhook_id]]
        observed[webhook_id] = observe(
            health_of(row), tried, row.moment, max_in_flight=row.max_in_flight, time_scale=settings.time_scale
        )
    healths = [{"webhook_id": webhook_id, **asdict(health)} for webhook_id, (health, _) in observed.items()]
    written = [_row(settings, found[result[0].endpoint.id], *result) for result in results if _is_here(found, result)]
    exhausted = {row.id for row in rows(connection, _RECORD, as_json(written))}
    run(connection, _HEALTH, as_json(healths))
    fresh = [posting.endpoint.id for posting, posted in results if posted.ok]
    if any(found[each].verified_at is None for each in fresh if each in found):
        run(connection, _VERIFY, fresh)
    letters = _tell(connection, found, observed, [posting for posting, _ in results if posting.id in exhausted])
    notices.notify(connection, settings, letters)


def _is_here(found: dict[UUID, Any], result: Result) -> bool:
    """Whether the webhook has not been removed meanwhile."""
    return result[0].endpoint.id in found


def _tried(posting: Posting, posted: Posted) -> Tried:
    return Tried(posted.ok, posting.attempt == 1, posted.status, posted.error, posted.total_ms or 0.0)


def _row(settings: Settings, webhook: Any, posting: Posting, posted: Posted) -> dict[str, Any]:
    state, delay = "waiting", 0.0
    if posted.ok:
        state = "delivered"
    elif posting.attempt >= webhook.max_attempts:
        state = "exhausted"
    else:
        state = "waiting" if webhook.state == "enabled" else "held"
        delay = wait_after(posting.attempt, posted.retry_after) / settings.time_scale
    told = {name: getattr(posted, name) for name in _TOLD}
    return told | {"id": posting.id, "epoch": posting.epoch, "state": state, "delay": delay}


def wait_after(attempt: int, retry_after: float = 0.0) -> float:
    """Seconds before the attempt that follows number `attempt`: never early, and at most a fifth late."""
    planned = SCHEDULE[min(attempt, len(SCHEDULE) - 1)]
    return max(planned * (1 + random.random() * JITTER), min(retry_after, LONGEST_WAIT))


def _tell(
    connection: Connection,
    found: dict[UUID, Any],
    observed: dict[UUID, tuple[Health, Verdict]],
    exhausted: Sequence[Posting],
) -> list[Notice]:
    """Switch off what has failed for too long, and tell the account's other webhooks; answers the mail to write."""
    told, letters = [], []
    for webhook_id, (health, verdict) in observed.items():
        webhook, public_id = found[webhook_id], encode("whk", webhook_id)
        if webhook.state != "enabled":
            continue
        if verdict.disable and webhook_switches.disable(connection, [webhook_id], verdict.disable):
            told.append(_event(webhook, "webhook.disabled", reason=verdict.disable, warning=False))
            letter = write_disabled(public_id, webhook.url, verdict.disable, health.last_error)
            letters.append(_notice(webhook, letter, verdict.disable))
        elif verdict.warn:
            told.append(_event(webhook, "webhook.disabled", reason="failing", warning=True))
            letters.append(_notice(webhook, write_warning(public_id, webhook.url, health.last_error), "warning"))
        elif verdict.recovered:
            told.append(_event(webhook, "webhook.recovered"))
    told += [
        _event(
            found[posting.endpoint.id],
            "webhook.exhausted",
            delivery_id=posting.public_id,
            event_id=posting.webhook_id,
            event_type=posting.type,
        )
        for posting in exhausted
        if not posting.type.startswith("webhook.")  # else each would tell of the one before, for ever
    ]
    events.record(connection, told)
    return letters


def _notice(webhook: Any, letter: Letter, reason: str) -> Notice:
    about = {"webhook_id": encode("whk", webhook.id), "reason": reason, "environment": webhook.environment}
    return Notice(webhook.account_id, letter.subject, letter.text, about)


def _event(webhook: Any, name: str, **data: Any) -> NewEvent:
    about = {"webhook_id": encode("whk", webhook.id), "url": webhook.url}
    return NewEvent(webhook.account_id, name, about | data, webhook.environment)
