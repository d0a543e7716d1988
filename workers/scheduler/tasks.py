"""Maintenance on the timetable: what retention ends."""

from uuid import UUID

from common.config import current_settings
from common.db.session import transaction
from common.queueing import tasks
from common.services import due, inbound, issuing, jobs, suppressions, unknown_replies
from workers.shell import task


@task(tasks.PRUNE)
def prune(_: list[UUID]) -> None:
    """Forget what is past its time: keys, jobs, suppressions, mail that came back, and the oldest unknown replies."""
    with transaction() as connection:
        due.forget_idempotency_keys(connection, current_settings())
    for forget in (inbound.prune, issuing.prune, jobs.prune, suppressions.prune, unknown_replies.prune):
        with transaction() as connection:
            forget(connection)
