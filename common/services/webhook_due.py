"""sweep, leave: which webhook deliveries need a ticket, and the tickets. Claiming is webhooks.py."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy import Connection

from common.db.session import rows, run
from common.domain.webhook_health import SLOW_MS
from common.queueing import publisher, queues, tasks


@dataclass(frozen=True, slots=True)
class Due:
    """`deliveries` by webhook are due and have no working ticket; `parked` and `slow` are webhooks that have room
    for parked ones."""

    deliveries: dict[UUID, list[UUID]] = field(default_factory=dict)
    parked: list[UUID] = field(default_factory=list)
    slow: list[UUID] = field(default_factory=list)


_SWEEP = """
WITH lost AS (
  SELECT id FROM webhook_deliveries WHERE state = 'waiting' AND NOT parked AND next_attempt_at <= now()
     AND (lease_until IS NULL OR lease_until < now())
     AND (ticket_at IS NULL OR ticket_at <= now() - make_interval(secs => 5 * power(4, least(ticket_count, 4) - 1)))
     AND NOT EXISTS (SELECT FROM removed_webhooks r WHERE r.webhook_id = webhook_deliveries.webhook_id)
   ORDER BY next_attempt_at LIMIT 2000 FOR UPDATE SKIP LOCKED)
UPDATE webhook_deliveries d SET ticket_at = clock_timestamp(), ticket_count = least(d.ticket_count + 1, 100)
  FROM lost WHERE d.id = lost.id RETURNING d.id, d.webhook_id
"""

_PARKED = """
WITH ready AS (
  SELECT h.webhook_id FROM webhook_health h JOIN webhooks w ON w.id = h.webhook_id
   WHERE w.state = 'enabled' AND (h.breaker <> 'open' OR h.open_until <= now())
     AND (h.ticket_at IS NULL OR h.ticket_at < now() - interval '5 s')
     AND EXISTS (SELECT FROM webhook_deliveries d WHERE d.webhook_id = h.webhook_id AND d.parked)
   FOR UPDATE OF h SKIP LOCKED)
UPDATE webhook_health h SET ticket_at = clock_timestamp() FROM ready WHERE h.webhook_id = ready.webhook_id
RETURNING h.webhook_id, coalesce(h.typical_ms, 0) > %s AS slow
"""

_UNHOLD = """
UPDATE webhook_deliveries d SET state = 'waiting', parked = true FROM webhooks w
 WHERE d.state = 'held' AND w.id = d.webhook_id AND w.state = 'enabled'
"""
"""An event that was being written while its webhook was enabled was held and not seen by the recovery."""


def sweep(connection: Connection) -> Due:
    """What is due without a working ticket, and what is parked where there is room again."""
    run(connection, _UNHOLD)
    found = Due()
    for row in rows(connection, _SWEEP):
        found.deliveries.setdefault(row.webhook_id, []).append(row.id)
    for row in rows(connection, _PARKED, SLOW_MS):
        (found.slow if row.slow else found.parked).append(row.webhook_id)
    return found


def leave_due(due: Due) -> None:
    """Tickets for what a sweep has found: each the work of one endpoint."""
    for webhook_id, ids in due.deliveries.items():
        leave(ids, webhook_id)
    leave_parked(due.parked)
    leave_parked(due.slow, slow=True)


def leave(ids: Sequence[UUID], webhook_id: UUID | None = None) -> None:
    """Tickets for deliveries; those of a known webhook share none with others."""
    if ids:
        publisher.leave(tasks.DISPATCH_DELIVERIES, queues.WEBHOOKS, ids, group=str(webhook_id or ""))


def leave_parked(webhook_ids: Iterable[UUID], *, slow: bool = False) -> None:
    """A ticket for each webhook that may have parked deliveries and room for them."""
    for webhook_id in webhook_ids:
        if slow:
            publisher.leave(tasks.DRAIN_SLOW_WEBHOOKS, queues.WEBHOOKS_SLOW, [webhook_id], group=str(webhook_id))
        else:
            publisher.leave(tasks.DRAIN_WEBHOOKS, queues.WEBHOOKS, [webhook_id], group=str(webhook_id))
