"""Suppressions by the file: import up to a million as a job, export all as a stream. One at a time: suppressions.py."""

import csv
import io
from collections.abc import Iterator

from flask import Blueprint, Response, g, request

from api import query
from api.answers import json_answer
from api.auth import scope
from api.body import read_pieces
from api.contract import Media, Parameter, contract
from api.v1.schemas.jobs import JobOut
from api.v1.suppressions import FILTERS, REASON, read_filters
from common.db.session import transaction
from common.domain.errors import TooLarge, UnsupportedMedia
from common.domain.jobs import IMPORT
from common.domain.suppressions import ALL, REASONS, SCOPE, is_scope
from common.services import importing, jobs, suppressions, uploading
from common.services.importing import COLUMNS, MOST_ROWS
from common.services.suppressions import Filters

blueprint = Blueprint("suppressions_many", __name__, url_prefix="/v1/suppressions")

MOST_BYTES = 268_435_456
FORMATS = {"text/csv": "csv", "application/x-ndjson": "ndjson"}
_ROWS = f"up to {MOST_ROWS:,} rows of {', '.join(COLUMNS)}; only recipient is needed"
TAKEN = (
    Media("text/csv", f"A first line that names the columns, then {_ROWS}. A list of bare addresses will do."),
    Media("application/x-ndjson", f"One JSON object on each line: {_ROWS}."),
)
IMPORTED = (
    Parameter(
        "reason",
        "The reason of rows that name none; `manual` unless given.",
        {"type": "string", "enum": list(REASONS)},
    ),
    Parameter(
        "scope",
        "The scope of rows that name none; `all` unless given.",
        {"type": "string", "pattern": f"^(?:{SCOPE})$"},
    ),
    Parameter("dry_run", "Only find out what would be done.", {"type": "string", "enum": ["true"]}),
)
EXPORTED = (REASON, *FILTERS)


@blueprint.post("/imports")
@scope("suppressions:write", idempotent=False)
@contract(takes=TAKEN, answers={202: JobOut}, query=IMPORTED)
def import_suppressions() -> Response:
    """Suppress up to a million addresses from a file, in this key's environment. Answers the job.

    Each line stands for itself: what is refused is in the job's rejects, with its line and the reason, and
    what was suppressed already keeps its first reason. No event is told of a row.
    """
    query.only(*IMPORTED)
    form = FORMATS.get(request.mimetype)
    if form is None:
        raise UnsupportedMedia(f"Send the file as {' or '.join(FORMATS)}.")
    reasons, given = query.choices("reason", REASONS), query.text("scope", 80)
    if given is not None and not is_scope(given):
        raise query.refuse("scope", "invalid_format", "must be all, stream:<name> or topic:<name>")
    options = {
        "format": form,
        "reason": reasons[0] if reasons else "manual",
        "scope": given or ALL,
        "dry_run": bool(query.choices("dry_run", ("true",))),
    }
    with transaction() as connection:
        job_id = jobs.create(connection, g.principal, IMPORT, options, state="uploading")
    lines = uploading.keep(job_id, read_pieces(MOST_BYTES, importing.PIECE_BYTES))
    if lines > MOST_ROWS + 1:
        with transaction() as connection:
            jobs.end(connection, job_id, "failed", f"The file has more than {MOST_ROWS:,} rows.")
        raise TooLarge(f"The file has {lines:,} lines: send at most {MOST_ROWS:,} rows at once.")
    with transaction() as connection:
        found = uploading.finish(connection, g.principal, job_id, lines)
    jobs.leave([job_id])
    return json_answer(found, 202)


@blueprint.get("/export")
@scope("suppressions:read")
@contract(answers={200: Media("text/csv", f"{','.join(COLUMNS)}: as an import takes it.")}, query=EXPORTED)
def export_suppressions() -> Response:
    """Every suppression that matches, newest first, as a stream of CSV."""
    query.only(*EXPORTED)
    filters = read_filters(query.choices("reason", REASONS))
    response = Response(_lines(filters), mimetype="text/csv")
    response.headers["Content-Disposition"] = 'attachment; filename="suppressions.csv"'
    return response


def _lines(filters: Filters) -> Iterator[bytes]:
    principal = g.principal
    return _written(suppressions.export(principal, filters))


def _written(portions: Iterator[list[dict[str, object]]]) -> Iterator[bytes]:
    yield f"{','.join(COLUMNS)}\r\n".encode()
    for portion in portions:
        text = io.StringIO()
        csv.writer(text).writerows([row[name] for name in COLUMNS] for row in portion)
        yield text.getvalue().encode()
