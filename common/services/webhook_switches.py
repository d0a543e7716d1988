"""Switching webhooks on, off and testing them. What a disabled one misses is held, never dropped.

Never here: deciding that one has failed for too long (domain/webhook_health.py).
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection

from common.db.session import rows, run
from common.domain.errors import Conflict
from common.domain.ids import encode
from common.domain.principals import Principal
from common.services import events, subscriptions
from common.services.events import NewEvent

_DISABLE = """
UPDATE webhooks SET state = 'disabled', disabled_reason = %s, disabled_at = clock_timestamp(),
       updated_at = clock_timestamp()
 WHERE id = ANY(%s::uuid[]) AND state = 'enabled' RETURNING id
"""
_HOLD = """
UPDATE webhook_deliveries SET state = 'held', parked = false, ticket_at = NULL
 WHERE webhook_id = ANY(%s::uuid[]) AND state = 'waiting' AND lease_until IS NULL
"""


def disable(connection: Connection, webhook_ids: Sequence[UUID], reason: str) -> list[UUID]:
    """Switch webhooks off: what waits for them is held. Answers those that were on."""
    done = [row.id for row in rows(connection, _DISABLE, reason, list(webhook_ids))]
    if done:
        run(connection, _HOLD, done)
    return done


_ENABLE = """
UPDATE webhooks SET state = 'enabled', disabled_reason = NULL, disabled_at = NULL, updated_at = clock_timestamp()
 WHERE id = %s
"""
_HEAL = """
UPDATE webhook_health SET breaker = 'closed', open_until = NULL, opens = 0, probes = 0, window_started_at = NULL,
       window_attempts = 0, window_failures = 0, failing_since = NULL, failed_events = 0, warned_at = NULL,
       allowance = NULL, next_slot_at = NULL
 WHERE webhook_id = %s
"""
_RECOVER = """
UPDATE webhook_deliveries SET state = CASE WHEN created_at >= %s THEN 'waiting' ELSE 'skipped' END,
       parked = created_at >= %s, attempt_no = 0, next_attempt_at = clock_timestamp(), ticket_at = NULL,
       ticket_count = 1, ended_at = CASE WHEN created_at < %s THEN clock_timestamp() END
 WHERE webhook_id = %s AND state = 'held'
RETURNING state
"""
_EVER, _NEVER = "-infinity", "infinity"


def enable(
    connection: Connection, principal: Principal, webhook_id: UUID, *, recover: str, since: datetime | None = None
) -> dict[str, int]:
    """Switch a webhook on again with a clean record. Raises NotFound.

    `recover` says what becomes of what was held: `all` is told, with `since` only what was created at that time or
    later, with `none` nothing; the rest is `skipped`, and can still be replayed. Answers how many are told and skipped.
    """
    run(connection, "SELECT FROM webhook_health WHERE webhook_id = %s FOR UPDATE", webhook_id)  # as lanes do, first
    subscriptions.lock(connection, principal, webhook_id)
    run(connection, _ENABLE, webhook_id)
    run(connection, _HEAL, webhook_id)
    start = {"all": _EVER, "none": _NEVER}.get(recover, since)
    states = [row.state for row in rows(connection, _RECOVER, start, start, start, webhook_id)]
    return {"recovered": states.count("waiting"), "skipped": states.count("skipped")}


def test(connection: Connection, principal: Principal, webhook_id: UUID) -> tuple[dict[str, str], list[UUID]]:
    """Tell a webhook `webhook.test`, whatever it subscribes to. Answers ids, and the delivery to leave a ticket for.

    Raises NotFound, and Conflict for a disabled one.
    """
    if subscriptions.lock(connection, principal, webhook_id).state != "enabled":
        raise Conflict("The webhook is disabled: enable it first.")
    event = NewEvent(
        principal.account_id,
        "webhook.test",
        {"webhook_id": encode("whk", webhook_id)},
        principal.environment,
        target=webhook_id,
    )
    left = events.record(connection, [event])
    return {"event_id": encode("evt", event.id), "delivery_id": encode("whd", left[0])}, left
