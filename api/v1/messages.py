"""Messages: send, list, read, follow, cancel."""

from typing import Any

from flask import Blueprint, Response, g

from api import paging, query
from api.answers import json_answer
from api.auth import scope
from api.body import read_object
from api.contract import contract
from api.idempotency import take_key
from api.v1.schemas.fields import load
from api.v1.schemas.messages import MESSAGE_IN, MessageIn
from api.v1.schemas.messages_out import AcceptedOut, EventOut, MessageOut
from api.v1.schemas.out import page_of
from common.db.session import transaction
from common.domain.errors import DomainError
from common.domain.lifecycle import STATUSES
from common.services import messages
from common.services.accepting import accept

blueprint = Blueprint("messages", __name__, url_prefix="/v1/messages")

LISTED = (
    query.choices_parameter("status", "Only messages with this status.", STATUSES),
    query.address_parameter("recipient", "Only messages to this address."),
    query.moment_parameter("created_after", "Only messages accepted at this time or later."),
    query.moment_parameter("created_before", "Only messages accepted before this time."),
    query.text_parameter("tag", "Only messages with this tag."),
    query.text_parameter("template", "Only messages of this template."),
    query.text_parameter("idempotency_key", "Only the message that was sent with this key."),
    *query.PAGED,
)


@blueprint.post("")
@scope("messages:send", policy="send", idempotent=True)
@contract(
    takes=MessageIn,
    answers={202: AcceptedOut},
    errors=("domain_not_allowed", "sender_not_verified", "template_not_allowed", "account_paused"),
)
def send_message() -> Response:
    """Accept one message. 202 means durably queued, never delivered."""
    fields = load(MESSAGE_IN, read_object())
    key = take_key(g.principal, fields)
    answer = accept(g.principal, fields, idempotency_key=key, request_id=g.request_id)
    response = Response(answer.body, answer.status, mimetype="application/json")
    if answer.replayed:
        response.headers["Idempotent-Replayed"] = "true"
    return response


@blueprint.get("")
@scope("messages:read")
@contract(answers={200: page_of(MessageOut)}, query=LISTED, errors=("invalid_cursor",))
def list_messages() -> Response:
    """Messages of this key's environment, newest first, filtered and paged."""
    query.only(*LISTED)
    filters: dict[str, Any] = {
        "statuses": query.choices("status", STATUSES),
        "recipient": query.address_key("recipient"),
        "created_after": query.moment("created_after"),
        "created_before": query.moment("created_before"),
        "tag": query.text("tag"),
        "template": query.text("template"),
        "idempotency_key": query.text("idempotency_key"),
    }
    mark = paging.filter_hash(g.principal.account_id, filters)
    before, limit = query.cursor(mark), query.limit()
    with transaction() as connection:
        data, more, position = messages.find(connection, g.principal, limit=limit, before=before, **filters)
    return paging.page(data, more, position, mark)


@blueprint.get("/<message_id>")
@scope("messages:read")
@contract(answers={200: MessageOut})
def read_message(message_id: str) -> Response:
    """The current state of one message."""
    query.only()
    which = query.path_id("msg", message_id)
    with transaction() as connection:
        return json_answer(messages.get(connection, g.principal, which))


@blueprint.get("/<message_id>/events")
@scope("messages:read")
@contract(answers={200: page_of(EventOut)})
def list_message_events(message_id: str) -> Response:
    """The timeline of one message, oldest first: the same objects that webhooks carry."""
    query.only()
    which = query.path_id("msg", message_id)
    with transaction() as connection:
        events = messages.timeline(connection, g.principal, which)
    return json_answer({"data": events, "has_more": False, "next_cursor": None, "prev_cursor": None})


@blueprint.delete("/<message_id>")
@scope("messages:cancel", idempotent=False)
@contract(answers={200: MessageOut}, errors=("not_cancellable",))
def cancel_message(message_id: str) -> Response:
    """Take a message back before it is delivered; repeating it is harmless. 404 when it is too late."""
    query.only()
    which = query.path_id("msg", message_id)
    with transaction() as connection:
        found = messages.cancel(connection, g.principal, [which])[0]
    if isinstance(found, DomainError):
        raise found
    return json_answer(found)
