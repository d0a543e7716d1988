"""The file of a job, kept in pieces as it comes, so that neither the web process nor a worker holds it whole.

Never here: what is in it, or HTTP.
"""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from common.db.session import run, transaction
from common.domain.principals import Principal
from common.services import jobs

_KEEP = "INSERT INTO job_parts (job_id, file, part, content) VALUES (%s, 'input', %s, %s)"
_FINISH = "UPDATE jobs SET state = 'waiting', total = %s, updated_at = now() WHERE id = %s AND state = 'uploading'"


def keep(job_id: UUID, pieces: Iterable[bytes]) -> int:
    """Write the pieces of an upload, each at once; answers its number of lines.

    What is broken off stays `uploading` and is forgotten after a day.
    """
    lines, last = 0, b"\n"
    for number, piece in enumerate(pieces, 1):
        with transaction() as connection:
            run(connection, _KEEP, job_id, number, piece)
        lines += piece.count(b"\n")
        last = piece[-1:]
    return lines + (last != b"\n")


def finish(connection: Connection, principal: Principal, job_id: UUID, lines: int) -> dict[str, Any]:
    """The upload is whole: the job may begin. Answers the job; `leave` its ticket after the commit."""
    run(connection, _FINISH, lines, job_id)
    return jobs.get(connection, principal, job_id)
