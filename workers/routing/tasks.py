"""route_messages(ids): one verb, then tickets. Never SMTP, never DNS."""

from collections.abc import Sequence
from uuid import UUID

from common.db.session import transaction
from common.queueing import tasks
from common.services import routing, tickets
from common.services.lifecycle import Applied
from common.services.routing import Routed
from common.services.turns import Turns
from workers.shell import task

_turns = Turns("routing")


@task(tasks.ROUTE_MESSAGES)
def route_messages(ids: list[UUID]) -> None:
    """Choose the way out of queued messages and leave delivery tickets, one group per path."""
    with transaction() as connection:
        others = _turns.others_first(connection, ids)
        routed, applied = routing.route(connection, others) if others else ([], [])
    _leave(routed, applied)
    with transaction() as connection:
        routed, applied = routing.route(connection, ids)
    _leave(routed, applied)


def _leave(routed: Sequence[Routed], applied: Sequence[Applied]) -> None:
    tickets.leave_deliveries(routed)
    tickets.leave_webhooks(applied)
