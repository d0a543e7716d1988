"""Jobs: work on many rows, with progress and a file of what was refused: start, show, stop, sweep.

Never here: the work (advancing.py), or what a kind of job does (job_kinds.py).
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from common import clock
from common.db.keyset import Page, Turn, read_page
from common.db.session import as_json, rows, run, transaction
from common.domain.errors import Conflict, NotFound
from common.domain.ids import encode, new_id
from common.domain.jobs import ENDED, KINDS, TICKETED
from common.domain.principals import Principal
from common.queueing import publisher, queues, tasks

TICKET_SECONDS = 30
"""A job that has not moved for so long gets another ticket."""
KEPT_DAYS = 30
REJECTS_HEADER = "line,value,code,reason"


def create(
    connection: Connection, principal: Principal, kind: str, options: Mapping[str, Any], *, total: int | None = None,
    state: str = "waiting",
) -> UUID:  # fmt: skip
    """A new job of the principal's key; `leave` its ticket after the commit."""
    job_id = new_id()
    run(
        connection,
        "INSERT INTO jobs (id, account_id, environment, kind, state, options, total, key_id)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
        job_id, principal.account_id, principal.environment, kind, state, as_json(options), total, principal.key_id,
    )  # fmt: skip
    return job_id


def leave(ids: Sequence[UUID], wait: int = 0) -> None:
    """Tickets for jobs that have work left; a lost one is swept."""
    if ids:
        publisher.leave(tasks.RUN_JOBS, queues.MAINTENANCE, ids, countdown=wait)


def get(connection: Connection, principal: Principal, job_id: UUID) -> dict[str, Any]:
    """One job and how far it is. Raises NotFound."""
    return _shown(_row(connection, principal, job_id))


def find(
    connection: Connection, principal: Principal, *, kinds: Sequence[str], states: Sequence[str], limit: int,
    turn: Turn | None = None,
) -> Page:  # fmt: skip
    """Jobs of these kinds, newest first; without `states`, all."""
    select = (
        "SELECT * FROM jobs WHERE account_id = %s AND environment = %s AND kind = ANY(%s)"
        " AND (%s::text[] IS NULL OR state = ANY(%s::text[]))"
    )
    wanted = list(states) or None
    parameters = (principal.account_id, principal.environment, list(kinds), wanted, wanted)
    return read_page(connection, select, parameters, _shown, limit=limit, turn=turn)


def cancel(connection: Connection, principal: Principal, job_id: UUID) -> dict[str, Any]:
    """Stop a job before its next portion; what it did stays done. Repeating it is harmless.

    Raises NotFound, and Conflict for a job that ended otherwise.
    """
    row = _row(connection, principal, job_id, lock=True)
    if row.state in ENDED and row.state != "cancelled":
        raise Conflict(f"The job is {row.state}: nothing is left to stop.")
    end(connection, job_id, "cancelled")
    return get(connection, principal, job_id)


_NEXT_PART = """
SELECT part, content FROM job_parts WHERE job_id = %s AND file = 'rejects' AND part > %s ORDER BY part LIMIT 1
"""


def rejects(job_id: UUID) -> Iterator[bytes]:
    """The file of refused rows as CSV with a header, part by part. For a job that `get` has found."""
    yield f"{REJECTS_HEADER}\r\n".encode()
    part = 0
    while True:
        with transaction() as connection:
            found = rows(connection, _NEXT_PART, job_id, part)
        if not found:
            return
        part = found[0].part
        yield bytes(found[0].content)


def _row(connection: Connection, principal: Principal, job_id: UUID, lock: bool = False) -> Any:
    found = rows(
        connection,
        "SELECT * FROM jobs WHERE id = %s AND account_id = %s AND environment = %s AND kind = ANY(%s)"
        + (" FOR UPDATE" if lock else ""),
        job_id, principal.account_id, principal.environment, list(KINDS),
    )  # fmt: skip
    if not found:
        raise NotFound("There is no job with this id.")
    return found[0]


def _shown(row: Any) -> dict[str, Any]:
    moments = ("created_at", "updated_at", "started_at", "ended_at")
    share = 1.0 if row.state == "done" else None if not row.total else min(row.processed / row.total, 1.0)
    return {
        "id": encode("job", row.id),
        "kind": row.kind,
        "state": row.state,
        "dry_run": bool(row.options.get("dry_run")),
        "total": row.total,
        "processed": row.processed,
        "progress": None if share is None else round(share, 4),
        "counts": row.counts,
        "rejected": row.rejected,
        "error": row.error,
        "created_by": encode("key", row.key_id) if row.key_id else None,
        **{name: None if getattr(row, name) is None else clock.rfc3339(getattr(row, name)) for name in moments},
    }


def end(connection: Connection, job_id: UUID, state: str, error: str | None = None) -> None:
    """What was uploaded is not needed any more; what was refused is."""
    sql = "UPDATE jobs SET state = %s, error = %s, ended_at = coalesce(ended_at, now()), updated_at = now()"
    run(connection, f"{sql}, lease_until = NULL WHERE id = %s", state, error, job_id)
    run(connection, "DELETE FROM job_parts WHERE job_id = %s AND file = 'input'", job_id)


_SWEEP = """
UPDATE jobs SET lease_until = now() + make_interval(secs => %s)
 WHERE id IN (SELECT id FROM jobs WHERE state IN ('waiting', 'running') AND kind = ANY(%s)
                 AND coalesce(lease_until, created_at + interval '2 s') < now()
               ORDER BY created_at LIMIT 100 FOR UPDATE SKIP LOCKED)
RETURNING id
"""


def sweep(connection: Connection) -> list[UUID]:
    """Jobs that nobody has worked on for a while; the caller leaves their tickets."""
    return [row.id for row in rows(connection, _SWEEP, TICKET_SECONDS, list(TICKETED))]


def prune(connection: Connection) -> int:
    """Forget jobs that ended a month ago, and uploads that were broken off a day ago; answers how many."""
    return run(
        connection,
        "DELETE FROM jobs WHERE ended_at < now() - make_interval(days => %s)"
        " OR (state = 'uploading' AND created_at < now() - interval '1 day')",
        KEPT_DAYS,
    )
