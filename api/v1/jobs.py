"""Jobs: work on many rows, such as an import or a replay, with its progress and what was refused.

Who may see or stop a job depends on its kind: a key needs the scope that the kind names.
"""

from typing import Any
from uuid import UUID

from flask import Blueprint, Response, g

from api import query
from api.answers import json_answer
from api.auth import ANY, scope
from api.contract import Media, contract
from api.lists import answer_list
from api.v1.schemas.jobs import JobOut
from api.v1.schemas.out import page_of
from common.db.session import transaction
from common.domain.errors import Forbidden
from common.domain.jobs import KINDS, STATES
from common.services import jobs

blueprint = Blueprint("jobs", __name__, url_prefix="/v1/jobs")

LISTED = (
    query.choices_parameter("kind", "Only jobs of this kind.", tuple(KINDS)),
    query.choices_parameter("state", "Only jobs in this state.", STATES),
    *query.PAGED,
)


@blueprint.get("")
@scope(ANY)
@contract(answers={200: page_of(JobOut)}, query=LISTED, errors=("invalid_cursor",))
def list_jobs() -> Response:
    """Jobs of this environment whose kind this key may see, newest first."""
    query.only(*LISTED)
    wanted, states = query.choices("kind", tuple(KINDS)), query.choices("state", STATES)
    kinds = [kind for kind, needed in KINDS.items() if g.principal.may(needed.read) and (not wanted or kind in wanted)]
    marked = {"kinds": wanted, "states": states}
    return answer_list(jobs.find, g.principal, marked=marked, kinds=kinds, states=states)


@blueprint.get("/<job_id>")
@scope(ANY)
@contract(answers={200: JobOut})
def read_job(job_id: str) -> Response:
    """One job and how far it is."""
    query.only()
    which = query.path_id("job", job_id)
    with transaction() as connection:
        return json_answer(_seen(connection, which))


@blueprint.get("/<job_id>/rejects")
@scope(ANY)
@contract(answers={200: Media("text/csv", "line,value,code,reason: one line for each row that was refused.")})
def read_job_rejects(job_id: str) -> Response:
    """The rows that were refused, each with its line and the reason."""
    query.only()
    which = query.path_id("job", job_id)
    with transaction() as connection:
        _seen(connection, which)
    response = Response(jobs.rejects(which), mimetype="text/csv")
    response.headers["Content-Disposition"] = f'attachment; filename="{job_id}-rejects.csv"'
    return response


@blueprint.delete("/<job_id>")
@scope(ANY, idempotent=False)
@contract(answers={200: JobOut}, errors=("conflict",))
def cancel_job(job_id: str) -> Response:
    """Stop a job before its next portion. What it has done stays done; repeating it is harmless."""
    query.only()
    which = query.path_id("job", job_id)
    with transaction() as connection:
        found = _seen(connection, which)
        _need(KINDS[found["kind"]].stop)
        return json_answer(jobs.cancel(connection, g.principal, which))


def _seen(connection: Any, job_id: UUID) -> dict[str, Any]:
    found = jobs.get(connection, g.principal, job_id)
    _need(KINDS[found["kind"]].read)
    return found


def _need(scope_name: str) -> None:
    if not g.principal.may(scope_name):
        raise Forbidden(f"This key lacks the scope {scope_name}.", code="insufficient_scope")
