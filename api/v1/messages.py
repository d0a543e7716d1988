"""Messages: send, list, read, follow, cancel."""

from typing import Any

from flask import Blueprint, Response, g

from api import paging, query
from api.answers import json_answer
from api.auth import scope
from api.body import read_object
from api.idempotency import take_key
from api.v1.schemas.fields import load
from api.v1.schemas.messages import MESSAGE_IN
from common.db.session import transaction
from common.domain.errors import DomainError
from common.domain.lifecycle import STATUSES
from common.services import messages
from common.services.accepting import accept

blueprint = Blueprint("messages", __name__, url_prefix="/v1/messages")

_FILTERS = ("status", "recipient", "created_after", "created_before", "tag", "template", "idempotency_key")


@blueprint.post("")
@scope("messages:send", policy="send", idempotent=True)
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
def list_messages() -> Response:
    """Messages of this key's environment, newest first, filtered and paged."""
    query.only(*_FILTERS, "limit", "cursor")
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
def read_message(message_id: str) -> Response:
    """The current state of one message."""
    query.only()
    which = query.path_id("msg", message_id)
    with transaction() as connection:
        return json_answer(messages.get(connection, g.principal, which))


@blueprint.get("/<message_id>/events")
@scope("messages:read")
def list_message_events(message_id: str) -> Response:
    """The timeline of one message, oldest first: the same objects that webhooks carry."""
    query.only()
    which = query.path_id("msg", message_id)
    with transaction() as connection:
        events = messages.timeline(connection, g.principal, which)
    return json_answer({"data": events, "has_more": False, "next_cursor": None, "prev_cursor": None})


@blueprint.delete("/<message_id>")
@scope("messages:cancel", idempotent=False)
def cancel_message(message_id: str) -> Response:
    """Take a message back before it is delivered; repeating it is harmless. 404 when it is too late."""
    query.only()
    which = query.path_id("msg", message_id)
    with transaction() as connection:
        found = messages.cancel(connection, g.principal, [which])[0]
    if isinstance(found, DomainError):
        raise found
    return json_answer(found)
