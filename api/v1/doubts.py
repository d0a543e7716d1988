"""Messages in doubt: an attempt was cut after the final dot, so nobody knows whether the server kept the mail.

Somebody decides: send it again (recorded as a choice), hold it, or end it. One message, or many at once.
"""

from typing import Any
from uuid import UUID

from flask import Blueprint, Response, current_app, g
from sqlalchemy import Connection

from api import query
from api.answers import json_answer
from api.auth import scope
from api.body import read_object
from api.contract import contract
from api.idempotency import answer_once
from api.v1.schemas.doubts import DOUBT_IN, DOUBTS_IN, DoubtIn, DoubtsIn, DoubtsOut
from api.v1.schemas.fields import load
from api.v1.schemas.messages_out import MessageOut
from common.domain.errors import DomainError
from common.domain.ids import encode
from common.services import messages, resolving, tickets
from common.services.resolving import Resolved, Wish

blueprint = Blueprint("doubts", __name__, url_prefix="/v1/messages")


@blueprint.post("/<message_id>/in-doubt")
@scope("messages:send", policy="send", idempotent=True)
@contract(takes=DoubtIn, answers={200: MessageOut}, errors=("conflict",))
def decide_message_in_doubt(message_id: str) -> Response:
    """Send a message in doubt again, hold it, or end it. 409 when it is not in doubt, has ended or is being sent."""
    query.only()
    which, given = query.path_id("msg", message_id), load(DOUBT_IN, read_object())

    def shown(connection: Connection, found: Resolved) -> Response:
        if found.answers[0] is not None:
            raise found.answers[0]
        return json_answer(messages.get(connection, g.principal, which))

    return _decide([which], given, shown)


@blueprint.post("/in-doubt")
@scope("messages:send", policy="send", idempotent=True)
@contract(takes=DoubtsIn, answers={200: DoubtsOut})
def decide_messages_in_doubt() -> Response:
    """The same of up to 1,000 messages, each for itself. `GET /v1/messages?in_doubt=true` lists those in doubt."""
    query.only()
    given = load(DOUBTS_IN, read_object())
    ids: list[UUID] = given["message_ids"]

    def shown(_: Connection, found: Resolved) -> Response:
        entries = [_entry(each, answer) for each, answer in zip(ids, found.answers, strict=True)]
        return json_answer({"done": sum(each["done"] for each in entries), "data": entries})

    return _decide(ids, given, shown)


def _decide(ids: list[UUID], given: dict[str, Any], shown: Any) -> Response:
    """Decide in one transaction; what is to be sent again gets its ticket after the commit."""
    settings, wish = current_app.extensions["settings"], Wish(given["choice"], given["reason"], given.get("author"))
    made: list[Resolved] = []

    def work(connection: Connection) -> Response:
        made.append(resolving.resolve(connection, settings, g.principal, ids, wish))
        response: Response = shown(connection, made[-1])
        return response

    response = answer_once({**given, "message_ids": ids}, work)
    for each in made:
        tickets.leave(each.due)
        tickets.leave_webhooks(each.applied)
    return response


def _entry(message_id: UUID, error: DomainError | None) -> dict[str, Any]:
    told = None
    if error is not None:
        told = {"status": error.status, "code": error.code, "detail": error.detail, "errors": []}
    return {"message_id": encode("msg", message_id), "done": error is None, "error": told}
