"""release_messages(ids): a countdown has ended; back to the tier's own lane."""

from uuid import UUID

from common.db.session import transaction
from common.queueing import tasks
from common.services import due, tickets
from workers.shell import task


@task(tasks.RELEASE_MESSAGES)
def release_messages(ids: list[UUID]) -> None:
    """Scheduled messages become queued, deferred ones go to delivery; what is not due any more is left alone."""
    with transaction() as connection:
        released = due.release_scheduled(connection, ids)
        waiting = due.ready(connection, ids)
    tickets.leave(released + waiting)
