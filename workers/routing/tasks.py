"""route_messages(ids): one verb, then tickets. Never SMTP, never DNS."""

from uuid import UUID

from common.db.session import transaction
from common.queueing import tasks
from common.services import routing, tickets
from workers.shell import task


@task(tasks.ROUTE_MESSAGES)
def route_messages(ids: list[UUID]) -> None:
    """Choose the way out of queued messages and leave delivery tickets, one group per path."""
    with transaction() as connection:
        routed, applied = routing.route(connection, ids)
    tickets.leave_deliveries(routed)
    tickets.leave_webhooks(applied)
