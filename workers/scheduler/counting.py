"""fold_events: what happened becomes counts, on the timetable, by whichever worker is free. Never here: counting."""

from uuid import UUID

from common.queueing import tasks
from common.queueing.app import FOLD_SECONDS
from common.services import folding
from workers.shell import task


@task(tasks.FOLD_EVENTS)
def fold_events(_: list[UUID]) -> None:
    """Count what came since the last time; what is left when the next turn begins is left to it."""
    folding.fold_all(seconds=FOLD_SECONDS - 1)
