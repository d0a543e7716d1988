"""Messages: send, list, read, follow, move, take back, send again."""

from dataclasses import replace
from typing import Any

import orjson
from flask import Blueprint, Response, current_app, g, request
from sqlalchemy import Connection

from api import query
from api.answers import json_answer
from api.auth import scope
from api.body import read_object
from api.contract import Parameter, contract
from api.idempotency import take_key
from api.lists import answer_list, answer_whole
from api.v1.schemas.fields import load
from api.v1.schemas.messages import MESSAGE_IN, RESCHEDULE_IN, MessageIn, RescheduleIn
from api.v1.schemas.messages_out import AcceptedOut, AttemptOut, ContentOut, CountOut, EventOut, MessageOut
from api.v1.schemas.out import page_of
from common.db.keyset import Position, Turn
from common.db.session import transaction
from common.domain.errors import DomainError, FieldError, InvalidFields, InvalidRequest
from common.domain.ids import decode
from common.domain.lifecycle import STATUSES
from common.domain.tiers import NUMBERS, TIERS
from common.services import forecasts, listing, messages, resending, tickets
from common.services.accepting import accept, accept_draft
from common.services.writing import Answer

blueprint = Blueprint("messages", __name__, url_prefix="/v1/messages")

FILTERS = (
    query.choices_parameter("status", "Only messages with this status.", STATUSES),
    query.choices_parameter("priority", "Only messages of this tier.", TIERS),
    query.address_parameter("recipient", "Only messages to this address."),
    query.moment_parameter("created_after", "Only messages accepted at this time or later."),
    query.moment_parameter("created_before", "Only messages accepted before this time."),
    query.text_parameter("tag", "Only messages with this tag."),
    query.text_parameter("template", "Only messages of this template."),
    query.text_parameter("stream", "Only messages of this stream."),
    query.text_parameter("idempotency_key", "Only the message that was sent with this key."),
    query.ident_parameter("batch_id", "Only messages of this batch.", "bat"),
    query.text_parameter(
        "q",
        "Only messages whose recipient, subject or server's reply holds this, or whose tag or id it is. "
        "Fewer than three letters together are looked for among the newest 4,000 only.",
    ),
    Parameter("in_doubt", "Only messages whose outcome nobody knows.", {"type": "string", "enum": ["true"]}),
    Parameter("metadata", "Only messages with this value under this key.", {"type": "string"}, keyed=True),
)
FORECAST = (
    Parameter("forecast", "Adds when it is likely tried, its place, its hold.", {"type": "string", "enum": ["true"]}),
)
_AFTER = query.ident_parameter("after", "Go on with what is older than this message.", "msg")
_BEFORE = query.ident_parameter("before", "Go back to what is newer than this message.", "msg")
LISTED = (*FILTERS, _AFTER, _BEFORE, *query.PAGED)
_ESTIMATE = Parameter(
    "estimate", "Beyond 10,000, the database's estimate instead of a slow count.", {"type": "string", "enum": ["true"]}
)


@blueprint.post("")
@scope("messages:send", policy="send", idempotent=True, audited=False)
@contract(
    takes=MessageIn,
    answers={202: AcceptedOut},
    query=FORECAST,
    errors=("domain_not_allowed", "sender_not_verified", "template_not_allowed", "account_paused"),
)
def send_message() -> Response:
    """Accept one message. 202 means durably queued, never delivered."""
    query.only(*FORECAST)
    wanted = bool(query.choices("forecast", ("true",)))
    fields = load(MESSAGE_IN, read_object())
    key = take_key(g.principal, fields)
    answer = accept(
        g.principal,
        fields,
        idempotency_key=key,
        request_id=g.request_id,
        traceparent=request.headers.get("traceparent"),
    )
    return _accepted(_with_forecast(answer) if wanted else answer)


def _with_forecast(answer: Answer) -> Answer:
    told = orjson.loads(answer.body)
    message_id = decode("msg", told["message_id"])
    assert message_id is not None
    with transaction() as connection:
        told |= forecasts.forecast(connection, [message_id]).get(message_id, {})
    return replace(answer, body=orjson.dumps(told))


def _accepted(answer: Answer) -> Response:
    response = Response(answer.body, answer.status, mimetype="application/json")
    if answer.replayed:
        response.headers["Idempotent-Replayed"] = "true"
    return response


@blueprint.get("")
@scope("messages:read")
@contract(answers={200: page_of(MessageOut)}, query=LISTED, errors=("invalid_cursor", "not_found"))
def list_messages() -> Response:
    """Messages of this key's environment, newest first, filtered and paged."""
    query.only(*LISTED)
    with transaction() as connection:
        older, newer = _position(connection, "after"), _position(connection, "before")
    filters = replace(_filters(), newer_than=newer if older else None)
    return answer_list(listing.find, g.principal, filters, marked=_mark(filters), start=_turn_of(older, newer))


def _filters() -> listing.Filters:
    return listing.Filters(
        statuses=tuple(query.choices("status", STATUSES)),
        tiers=tuple(NUMBERS[each] for each in query.choices("priority", TIERS)),
        recipient=query.address_key("recipient"),
        created_after=query.moment("created_after"),
        created_before=query.moment("created_before"),
        tag=query.text("tag"),
        template=query.text("template"),
        stream=query.text("stream"),
        idempotency_key=query.text("idempotency_key"),
        batch_id=query.ident("batch_id", "bat", "batch"),
        metadata=query.pairs("metadata"),
        words=query.text("q"),
        in_doubt=bool(query.choices("in_doubt", ("true",))),
    )


def _mark(filters: listing.Filters) -> dict[str, Any]:
    return {name: getattr(filters, name) for name in listing.Filters.__dataclass_fields__}


def _position(connection: Connection, name: str) -> Position | None:
    which = query.ident(name, "msg", "message")
    return None if which is None else listing.position_of(connection, g.principal, which)


def _turn_of(older: Position | None, newer: Position | None) -> Turn | None:
    if older is not None:
        return Turn(older)
    return None if newer is None else Turn(newer, back=True)


@blueprint.get("/count")
@scope("messages:read")
@contract(answers={200: CountOut}, query=(*FILTERS, _ESTIMATE))
def count_messages() -> Response:
    """How many messages match. A list has no total, because it would cost more than the list."""
    query.only(*FILTERS, _ESTIMATE)
    estimate = bool(query.choices("estimate", ("true",)))
    with transaction() as connection:
        count, estimated = listing.count(connection, g.principal, _filters(), estimate=estimate)
    return json_answer({"count": count, "estimated": estimated})


@blueprint.get("/<message_id>")
@scope("messages:read")
@contract(answers={200: MessageOut})
def read_message(message_id: str) -> Response:
    """The current state of one message. Its ETag serves If-Match."""
    query.only()
    which = query.path_id("msg", message_id)
    with transaction() as connection:
        return _tagged(messages.get(connection, g.principal, which))


def _tagged(message: dict[str, Any]) -> Response:
    response = json_answer(message)
    response.headers["ETag"] = f'"{message["last_event"]["seq"]}"'
    return response


@blueprint.get("/<message_id>/events")
@scope("messages:read")
@contract(answers={200: page_of(EventOut)})
def list_message_events(message_id: str) -> Response:
    """The timeline of one message, oldest first: the same objects that webhooks carry."""
    query.only()
    which = query.path_id("msg", message_id)
    with transaction() as connection:
        events = messages.timeline(connection, g.principal, which)
    return answer_whole(events)


@blueprint.get("/<message_id>/attempts")
@scope("messages:read")
@contract(answers={200: page_of(AttemptOut)})
def list_message_attempts(message_id: str) -> Response:
    """Every try at a server, oldest first, each with its conversation line by line."""
    query.only()
    which = query.path_id("msg", message_id)
    with transaction() as connection:
        attempts = messages.attempts(connection, g.principal, which)
    return answer_whole(attempts)


@blueprint.get("/<message_id>/content")
@scope("messages:read")
@contract(answers={200: ContentOut}, errors=("content_purged",))
def read_message_content(message_id: str) -> Response:
    """What the recipient reads. 410 when it was removed."""
    query.only()
    which = query.path_id("msg", message_id)
    with transaction() as connection:
        return json_answer(messages.content(connection, g.principal, which))


@blueprint.patch("/<message_id>")
@scope("messages:send", policy="send", idempotent=False)
@contract(takes=RescheduleIn, answers={200: MessageOut}, errors=("conflict",))
def reschedule_message(message_id: str) -> Response:
    """Send it at another time, or with `scheduled_time: null` now. 409 when it is on its way already.

    With `If-Match` only if nothing has happened to the message since it was read.
    """
    query.only()
    which = query.path_id("msg", message_id)
    body = read_object()
    fields = load(RESCHEDULE_IN, body)
    if "scheduled_time" not in body:
        raise InvalidFields([FieldError("scheduled_time", "required", "is required: a time, or null to send now")])
    settings = current_app.extensions["settings"]
    later = messages.time_ahead(settings, fields.get("scheduled_time"))
    with transaction() as connection:
        found, applied = messages.reschedule(
            connection, settings, g.principal, which, scheduled_time=later, expected_seq=_expected()
        )
    tickets.leave_moved(applied)
    return _tagged(found)


def _expected() -> int | None:
    text = request.headers.get("If-Match")
    if text is None or text.strip() == "*":
        return None
    bare = text.strip().removeprefix("W/").strip('"')
    if not (bare.isascii() and bare.isdigit() and len(bare) <= 9):
        error = FieldError("If-Match", "invalid_format", "must be the ETag of the message", "header")
        raise InvalidRequest("If-Match is not an ETag of this message.", code="invalid_parameter", errors=[error])
    return int(bare)


@blueprint.post("/<message_id>/resend")
@scope("messages:send", policy="send", idempotent=True)
@contract(
    answers={202: AcceptedOut},
    errors=(
        "content_purged",
        "domain_not_allowed",
        "sender_not_verified",
        "template_not_allowed",
        "stream_not_allowed",
        "tag_not_allowed",
        "account_paused",
    ),
)
def resend_message(message_id: str) -> Response:
    """Send the same content to the same recipient once more, as a new message that names this one."""
    query.only()
    which = query.path_id("msg", message_id)
    key = take_key(g.principal, {})
    with transaction() as connection:
        made = resending.copy(connection, g.principal, [which], request_id=g.request_id, idempotency_key=key)[0]
    if isinstance(made, DomainError):
        raise made
    return _accepted(accept_draft(made))


@blueprint.delete("/<message_id>")
@scope("messages:cancel", idempotent=False)
@contract(answers={200: MessageOut}, errors=("not_cancellable",))
def cancel_message(message_id: str) -> Response:
    """Take a message back before it is delivered; repeating it is harmless. 404 when it is too late."""
    query.only()
    which = query.path_id("msg", message_id)
    with transaction() as connection:
        (found,), applied = messages.cancel(connection, g.principal, [which])
    tickets.leave_webhooks(applied)
    if isinstance(found, DomainError):
        raise found
    return json_answer(found)
