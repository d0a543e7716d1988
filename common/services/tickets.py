"""From rows to tickets: which queue each piece of work is left on. Called after the commit.

Never here: SQL.
"""

from collections.abc import Iterable, Sequence
from math import ceil
from uuid import UUID

from common.queueing import publisher, queues, tasks
from common.services.due import Due
from common.services.lifecycle import Applied
from common.services.routing import Routed


def leave_deliveries(routed: Iterable[Routed]) -> None:
    """One group per path, so that a delivery ticket is one connection's work."""
    for work in routed:
        publisher.leave(tasks.DELIVER_MESSAGES, queues.delivery_queue(work.tier), work.ids, group=work.path)


def leave_webhooks(applied: Iterable[Applied]) -> None:
    """Tickets for the webhook deliveries that changes have written."""
    ids = [delivery for done in applied for delivery in done.deliveries]
    if ids:
        publisher.leave(tasks.DISPATCH_DELIVERIES, queues.WEBHOOKS, ids)


def leave_moved(applied: Sequence[Applied]) -> None:
    """What a caller has moved: routing work for what is due now; webhooks for all."""
    for done in applied:
        if done.status == "queued":
            publisher.leave(tasks.ROUTE_MESSAGES, queues.routing_queue(done.tier), [done.message_id])
    leave_webhooks(applied)


def leave(due: Sequence[Due]) -> None:
    """Tickets for what the scheduler or the retry worker found due."""
    for each in due:
        if each.stage == "retry":
            leave_countdown([each.id], each.wait)
        elif each.stage == "routing":
            publisher.leave(tasks.ROUTE_MESSAGES, queues.routing_queue(each.tier), [each.id])
        else:
            publisher.leave(tasks.DELIVER_MESSAGES, queues.delivery_queue(each.tier), [each.id], group=each.path)


def leave_together(due: Sequence[Due], group: str) -> None:
    """One ticket a tier for delivery work of one place, whatever its paths: it goes over one connection."""
    for tier in sorted({each.tier for each in due}):
        ids = [each.id for each in due if each.tier == tier]
        publisher.leave(tasks.DELIVER_MESSAGES, queues.delivery_queue(tier), ids, group=group)


def leave_countdown(ids: Sequence[UUID], wait: float) -> None:
    """A countdown on the retry queue, never early."""
    publisher.leave(tasks.RELEASE_MESSAGES, queues.RETRY, ids, countdown=max(1, ceil(wait)))
