"""fold_events, index_events: what happened becomes counts and can be searched, on the timetable, by whichever worker is
free. Never here: counting or indexing.
"""

from uuid import UUID

from common.queueing import tasks
from common.queueing.app import FOLD_SECONDS, INDEX_SECONDS
from common.services import folding, indexing
from workers.shell import task


@task(tasks.FOLD_EVENTS)
def fold_events(_: list[UUID]) -> None:
    """Count what came since the last time; what is left when the next turn begins is left to it."""
    folding.fold_all(seconds=FOLD_SECONDS - 1)


@task(tasks.INDEX_EVENTS)
def index_events(_: list[UUID]) -> None:
    """Index what came since the last time; what is left when the next turn begins is left to it."""
    indexing.index_all(seconds=INDEX_SECONDS - 1)
