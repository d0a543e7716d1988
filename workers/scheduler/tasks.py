"""Maintenance on the timetable: what retention ends."""

from uuid import UUID

from common.config import current_settings
from common.db.session import transaction
from common.queueing import tasks
from common.services import due, inbound
from workers.shell import task


@task(tasks.PRUNE)
def prune(_: list[UUID]) -> None:
    """Forget Idempotency-Keys older than their window, and mail that came back a month ago."""
    with transaction() as connection:
        due.forget_idempotency_keys(connection, current_settings())
    with transaction() as connection:
        inbound.prune(connection)
