"""Maintenance on the timetable: what retention ends."""

from uuid import UUID

from common.config import current_settings
from common.db.session import transaction
from common.queueing import tasks
from common.services import (
    auditing,
    due,
    inbound,
    issuing,
    jobs,
    sessions,
    suppressions,
    unknown_replies,
    webhook_retention,
)
from workers.shell import task


@task(tasks.PRUNE)
def prune(_: list[UUID]) -> None:
    """Forget what is past its time: keys, jobs, sessions, suppressions, returned mail, replies, audit log."""
    with transaction() as connection:
        due.forget_idempotency_keys(connection, current_settings())
    kept = (auditing, inbound, issuing, jobs, sessions, suppressions, unknown_replies)
    for each in kept:
        with transaction() as connection:
            each.prune(connection)
    for _batch in range(webhook_retention.MOST_BATCHES):
        with transaction() as connection:
            if webhook_retention.prune(connection) < webhook_retention.BATCH:
                break
