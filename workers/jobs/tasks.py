"""run_jobs(ids): a second of work for one job, then another ticket for what is left.

Short turns, and one at a time in a process, because the line also ends the countdowns of mail.
Never here: what a kind of job does (services/job_kinds.py).
"""

import threading
from uuid import UUID

from common.queueing import tasks
from common.services import jobs
from common.services.advancing import advance
from common.services.job_kinds import STEPS
from workers.shell import task

TURN_SECONDS = 1.0
_turn = threading.Lock()


@task(tasks.RUN_JOBS)
def run_jobs(ids: list[UUID]) -> None:
    """Advance the first job and leave the others for later turns; one that ended is left alone."""
    if not _turn.acquire(blocking=False):
        jobs.leave(ids, wait=1)
        return
    try:
        again = advance(ids[0], STEPS, seconds=TURN_SECONDS) if ids else False
    finally:
        _turn.release()
    jobs.leave([*ids[1:], *(ids[:1] if again else ())])
