"""advance(...): a job goes on, a portion at a time.

A portion is one transaction that holds the job's row, does the work and writes how far it came. So a
worker that is killed leaves the job where its last commit was, and two workers never do the same portion.
Never here: what a kind of job does (its `Step`, named in job_kinds.py), or tickets (jobs.py).
"""

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import Connection

from common import clock
from common.db.session import as_json, rows, run, transaction
from common.domain.errors import Conflict, DomainError
from common.domain.ids import encode
from common.domain.principals import Principal
from common.services import jobs, keys

log = structlog.get_logger()

MOST_FAILURES = 5


@dataclass(frozen=True, slots=True)
class Job:
    """A job as its step sees it. `position` is what its last portion left, at first {}."""

    id: UUID
    principal: Principal
    options: Mapping[str, Any]
    position: Mapping[str, Any]
    processed: int
    created_at: datetime

    @property
    def dry_run(self) -> bool:
        return bool(self.options.get("dry_run"))


@dataclass(frozen=True, slots=True)
class Reject:
    """One row that was refused: its line or place from 1, what it was, and why."""

    line: int
    value: str
    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class Portion:
    """What one portion did. `counts` are added to the job's; `after` runs once it is committed."""

    position: Mapping[str, Any]
    processed: int
    done: bool
    counts: Mapping[str, int] = field(default_factory=dict)
    rejects: Sequence[Reject] = ()
    total: int | None = None
    after: Callable[[], None] | None = None


Step = Callable[[Connection, Job], Portion]


_HOLD = """
UPDATE jobs SET state = 'running', started_at = coalesce(started_at, now()), updated_at = now(),
       lease_until = now() + make_interval(secs => %s)
 WHERE id = (SELECT id FROM jobs WHERE id = %s AND state IN ('waiting', 'running') FOR UPDATE SKIP LOCKED)
RETURNING *
"""

_MOVE = """
UPDATE jobs SET position = %s, processed = processed + %s, rejected = rejected + %s, total = coalesce(%s, total),
       failures = 0, updated_at = clock_timestamp(), counts = counts || (
         SELECT coalesce(json_object_agg(key, value::bigint + coalesce((counts ->> key)::bigint, 0)), '{}')::jsonb
           FROM json_each_text(%s))
 WHERE id = %s
"""


def advance(job_id: UUID, steps: Mapping[str, Step], *, seconds: float) -> bool:
    """Work on one job for about so long; answers whether work is left for another ticket.

    A job whose key was revoked or has expired ends as failed; so does one that failed five times in a row.
    """
    until = clock.monotonic() + seconds
    while True:
        try:
            with transaction() as connection:
                portion = _work(connection, job_id, steps)
        except Exception as error:
            return _failed(job_id, error)
        if portion is None:
            return False
        if portion.after is not None:
            portion.after()
        if portion.done:
            return False
        if clock.monotonic() >= until:
            return True


def _work(connection: Connection, job_id: UUID, steps: Mapping[str, Step]) -> Portion | None:
    held = rows(connection, _HOLD, jobs.TICKET_SECONDS, job_id)
    if not held:
        return None  # it has ended, or another worker is at it
    row = held[0]
    principal = keys.principal_of(connection, row.key_id)
    if principal is None:
        raise Conflict("The key that started this job was revoked or has expired.")
    job = Job(row.id, principal, row.options, row.position, row.processed, row.created_at)
    portion = steps[row.kind](connection, job)
    run(
        connection, _MOVE, as_json(portion.position), portion.processed, len(portion.rejects), portion.total,
        as_json(portion.counts), job_id,
    )  # fmt: skip
    if portion.rejects:
        _keep_rejects(connection, job_id, portion.rejects)
    if portion.done:
        jobs.end(connection, job_id, "done")
    return portion


def _keep_rejects(connection: Connection, job_id: UUID, refused: Sequence[Reject]) -> None:
    text = io.StringIO()
    csv.writer(text).writerows((each.line, each.value[:320], each.code, each.reason) for each in refused)
    run(
        connection,
        "INSERT INTO job_parts (job_id, file, part, content) SELECT %s, 'rejects', coalesce(max(part), 0) + 1, %s"
        " FROM job_parts WHERE job_id = %s AND file = 'rejects'",
        job_id, text.getvalue().encode(), job_id,
    )  # fmt: skip


_COUNT_FAILURE = "UPDATE jobs SET failures = failures + 1 WHERE id = %s RETURNING failures"


def _failed(job_id: UUID, error: Exception) -> bool:
    """An error that tells the caller something ends the job; a surprise is tried again later."""
    with transaction() as connection:
        failures = rows(connection, _COUNT_FAILURE, job_id)
        if isinstance(error, DomainError):
            jobs.end(connection, job_id, "failed", error.detail)
        elif failures and failures[0].failures >= MOST_FAILURES:
            jobs.end(connection, job_id, "failed", "A defect on our side: the log names this job.")
    if not isinstance(error, DomainError):
        log.error("job_failed", exc_info=error, job=encode("job", job_id))
    return False
