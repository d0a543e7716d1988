"""Batches: up to 1,000 messages in one request, each with its own answer."""

from dataclasses import replace
from typing import Any

import orjson
from flask import Blueprint, Response, g, request

from api import query, ratelimit
from api.auth import scope
from api.body import read_object
from api.contract import contract
from api.idempotency import take_item_key, take_key
from api.v1.messages import FORECAST
from api.v1.schemas.batches import BATCH_IN, MESSAGE_ITEM_IN, BatchIn, BatchOut
from api.v1.schemas.fields import load
from common.db.session import transaction
from common.domain.errors import DomainError, FieldError, InvalidFields
from common.domain.ids import decode
from common.services import forecasts
from common.services.batches import Item, accept_batch
from common.services.writing import Answer

blueprint = Blueprint("batches", __name__, url_prefix="/v1/messages/batch")

MESSAGES_A_REQUEST = 10
"""So many messages of a batch count as much as one request."""


@blueprint.post("")
@scope("messages:send", policy="send", idempotent=True, audited=False)
@contract(
    takes=BatchIn,
    answers={202: BatchOut},
    query=FORECAST,
    errors=("domain_not_allowed", "sender_not_verified", "template_not_allowed", "account_paused"),
)
def send_batch() -> Response:
    """Accept up to 1,000 messages: all or none, or with `on_error: partial` what can be accepted.

    Counts as one request, and as one more for every ten messages.
    """
    query.only(*FORECAST)
    wanted = bool(query.choices("forecast", ("true",)))
    fields = load(BATCH_IN, read_object())
    ratelimit.charge(g.principal, "send", len(fields["messages"]) // MESSAGES_A_REQUEST)
    key = take_key(g.principal, {})
    answer = accept_batch(
        g.principal,
        [_item(each) for each in fields["messages"]],
        partial=fields.get("on_error") == "partial",
        idempotency_key=key,
        request_id=g.request_id,
        traceparent=request.headers.get("traceparent"),
    )
    answer = _with_forecasts(answer) if wanted else answer
    response = Response(answer.body, answer.status, mimetype="application/json")
    if answer.replayed:
        response.headers["Idempotent-Replayed"] = "true"
    return response


def _with_forecasts(answer: Answer) -> Answer:
    """Each accepted message's entry with what may be expected of it."""
    told = orjson.loads(answer.body)
    ids = {text: which for each in told["data"] if (which := decode("msg", text := each.get("message_id", "")))}
    with transaction() as connection:
        found = forecasts.forecast(connection, list(ids.values()))
    for each in told["data"]:
        each |= found.get(ids[each["message_id"]], {}) if "message_id" in each else {}
    return replace(answer, body=orjson.dumps(told))


def _item(given: Any) -> Item:
    if type(given) is not dict:
        return Item({}, error=InvalidFields([FieldError("", "invalid_type", "must be an object")]))
    try:
        fields = load(MESSAGE_ITEM_IN, given)
        return Item(fields, take_item_key(fields))
    except DomainError as error:
        return Item({}, error=error)
