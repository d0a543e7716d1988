"""Maintenance on the timetable: what retention ends."""

from uuid import UUID

from common.config import current_settings
from common.db.session import transaction
from common.queueing import tasks
from common.services import due, inbound, issuing, jobs, sessions, suppressions, unknown_replies
from workers.shell import task


@task(tasks.PRUNE)
def prune(_: list[UUID]) -> None:
    """Forget what is past its time: keys, jobs, sessions, suppressions, returned mail, the oldest unknown replies."""
    with transaction() as connection:
        due.forget_idempotency_keys(connection, current_settings())
    kept = (inbound, issuing, jobs, sessions, suppressions, unknown_replies)
    for each in kept:
        with transaction() as connection:
            each.prune(connection)
