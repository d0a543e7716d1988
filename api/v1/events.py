"""The event stream: every event of the account's environment in one order, by pages, by waiting, or as it happens."""

from flask import Blueprint, Response, g, request

from api import query, streaming
from api.answers import json_answer
from api.auth import scope
from api.contract import Media, Parameter, contract
from api.openapi.parts import id_pattern
from api.v1.schemas.events import StreamPartOut
from common.db.session import transaction
from common.domain.events import EVENT_TYPES, WILDCARDS
from common.domain.ids import decode
from common.services import stream
from common.services.stream import Filters, Part, Place

blueprint = Blueprint("events", __name__, url_prefix="/v1/events")

MOST_SECONDS = 30
TYPES = (*EVENT_TYPES, *WILDCARDS, "*")
LATEST = "latest"
FILTERS = (
    query.choices_parameter("type", "Only events of this type, or of this noun (`message.*`).", TYPES),
    Parameter("message_id", "Only events of this message.", {"type": "string", "pattern": id_pattern("msg")}),
    query.text_parameter("tag", "Only events of messages with this tag.", 100),
    query.text_parameter("domain", "Only events of messages from this sender domain.", 253),
    query.moment_parameter("since", "Only events from this time on."),
    query.moment_parameter("until", "Only events before this time."),
)
AFTER = Parameter(
    "after",
    "Begin behind this event, or with what comes from now on (`latest`). From the oldest unless given.",
    {"type": "string", "anyOf": [{"pattern": id_pattern("evt")}, {"const": LATEST}]},
)
CURSOR = Parameter("cursor", "`next_cursor` of the part before; other filters are fine.", {"type": "string"})
WAIT = Parameter(
    "wait",
    "When there is nothing, wait so many seconds for it.",
    {"type": "integer", "minimum": 0, "maximum": MOST_SECONDS, "default": 0},
)
READ = (*FILTERS, AFTER, CURSOR, WAIT, query.LIMIT)
FOLLOWED = (*FILTERS, AFTER, CURSOR)


@blueprint.get("")
@scope("messages:read")
@contract(answers={200: StreamPartOut}, query=READ, errors=("invalid_cursor", "not_found"))
def read_events() -> Response:
    """The events of this environment, oldest first. The order never changes, and a cursor never skips one."""
    query.only(*READ)
    filters, limit, seconds = _filters(), query.limit(), _wait()
    part = streaming.read_waiting(_reading(filters, limit), _start(filters), seconds)
    data = [event for _, event in part.events]
    return json_answer({"data": data, "has_more": part.more, "next_cursor": streaming.encode_place(part.place)})


@blueprint.get("/stream")
@scope("messages:read")
@contract(
    answers={200: Media("text/event-stream", "Server-sent events; each `id` is a cursor, each `data` an event.")},
    query=FOLLOWED,
    errors=("invalid_cursor", "not_found"),
)
def follow_events() -> Response:
    """Events as they happen, as server-sent events. A reader that comes back with Last-Event-ID misses none."""
    query.only(*FOLLOWED)
    filters = _filters()
    resumed = request.headers.get("Last-Event-ID")
    place = streaming.decode_place(resumed, "Last-Event-ID", "header") if resumed else _start(filters)
    frames = streaming.follow(_reading(filters, query.MAX_LIMIT), place)
    response = Response(frames, mimetype="text/event-stream")
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Accel-Buffering"] = "no"
    return response


def _reading(filters: Filters, limit: int) -> streaming.Reading:
    principal = g.principal

    def read(after: Place) -> Part:
        with transaction() as connection:
            return stream.read(connection, principal, filters, after, limit=limit)

    return read


def _filters() -> Filters:
    return Filters(
        types=tuple(query.choices("type", TYPES)),
        message_id=query.ident("message_id", "msg", "message"),
        tag=query.text("tag", 100),
        domain=query.text("domain", 253),
        since=query.moment("since"),
        until=query.moment("until"),
    )


def _start(filters: Filters) -> Place:
    """Where to begin: behind a cursor or an event, now, at a time, or at the oldest."""
    cursor, after = request.args.get("cursor"), request.args.get("after")
    if cursor is not None and after is not None:
        raise query.refuse("after", "conflict", "cannot stand beside cursor")
    if cursor is not None:
        return streaming.decode_place(cursor, "cursor")
    event_id = decode("evt", after) if after not in (None, LATEST) else None
    if after not in (None, LATEST) and event_id is None:
        raise query.refuse("after", "invalid_format", f"must be the id of an event (evt_…) or {LATEST}")
    with transaction() as connection:
        if after == LATEST:
            return stream.now(connection)
        if event_id is not None:
            return stream.place_of(connection, g.principal, event_id)
        if filters.since is not None:
            return stream.at(connection, g.principal.account_id, g.principal.environment, filters.since)
    return stream.START


def _wait() -> int:
    text = request.args.get("wait", "0")
    if not (text.isascii() and text.isdigit() and len(text) <= 2 and int(text) <= MOST_SECONDS):
        raise query.refuse("wait", "invalid_format", f"must be a number from 0 to {MOST_SECONDS}")
    return int(text)
