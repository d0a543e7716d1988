"""Webhook deliveries and attempts: what was told to whom, when, how long it took and what the receiver said."""

from dataclasses import asdict

from flask import Blueprint, Response, g, request

from api import query
from api.answers import json_answer
from api.auth import scope
from api.contract import Parameter, contract
from api.lists import answer_list, answer_whole
from api.openapi.parts import id_pattern
from api.v1.schemas.out import page_of
from api.v1.schemas.webhook_logs import OneWebhookDeliveryOut, WebhookAttemptsOut, WebhookDeliveryOut
from common.db.session import transaction
from common.domain.events import EVENT_TYPES
from common.domain.ids import decode
from common.domain.webhooks import DELIVERY_STATES
from common.services import webhook_logs
from common.services.webhook_logs import Filters

blueprint = Blueprint("webhook_logs", __name__, url_prefix="/v1/webhooks/<webhook_id>/deliveries")
of_message = Blueprint("webhook_told", __name__, url_prefix="/v1/messages/<message_id>/webhook-deliveries")


def _id_parameter(name: str, prefix: str, sentence: str) -> Parameter:
    return Parameter(name, sentence, {"type": "string", "pattern": id_pattern(prefix)})


LISTED = (
    query.choices_parameter("state", "Only deliveries in this state.", DELIVERY_STATES),
    query.choices_parameter("type", "Only events of this type.", tuple(EVENT_TYPES)),
    _id_parameter("message_id", "msg", "Only events of this message."),
    _id_parameter("event_id", "evt", "Only this event."),
    _id_parameter("replay_id", "job", "Only what this replay repeats."),
    query.moment_parameter("created_after", "Only events from this time on."),
    query.moment_parameter("created_before", "Only events before this time."),
    *query.PAGED,
)


def _filters() -> Filters:
    ids = {}
    for name, prefix in (("message_id", "msg"), ("event_id", "evt"), ("replay_id", "job")):
        text = request.args.get(name)
        ids[name] = None if text is None else decode(prefix, text)
        if text is not None and ids[name] is None:
            raise query.refuse(name, "invalid_format", f"must be an id ({prefix}_…)")
    return Filters(
        states=tuple(query.choices("state", DELIVERY_STATES)),
        types=tuple(query.choices("type", tuple(EVENT_TYPES))),
        created_after=query.moment("created_after"),
        created_before=query.moment("created_before"),
        **ids,
    )


@blueprint.get("")
@scope("webhooks:read")
@contract(answers={200: page_of(WebhookDeliveryOut)}, query=LISTED, errors=("invalid_cursor",))
def list_webhook_deliveries(webhook_id: str) -> Response:
    """What a webhook was told and is to be told, newest first, each with its last attempt."""
    query.only(*LISTED)
    which, filters = query.path_id("whk", webhook_id), _filters()
    return answer_list(webhook_logs.find, g.principal, which, filters, marked=asdict(filters))


@blueprint.get("/<delivery_id>")
@scope("webhooks:read")
@contract(answers={200: OneWebhookDeliveryOut})
def read_webhook_delivery(webhook_id: str, delivery_id: str) -> Response:
    """One delivery, with what is posted."""
    query.only()
    ids = query.path_id("whk", webhook_id), query.path_id("whd", delivery_id)
    with transaction() as connection:
        return json_answer(webhook_logs.get(connection, g.principal, *ids))


@blueprint.get("/<delivery_id>/attempts")
@scope("webhooks:read")
@contract(answers={200: WebhookAttemptsOut})
def list_webhook_attempts(webhook_id: str, delivery_id: str) -> Response:
    """Every attempt of a delivery, oldest first."""
    query.only()
    ids = query.path_id("whk", webhook_id), query.path_id("whd", delivery_id)
    with transaction() as connection:
        return json_answer({"data": webhook_logs.attempts(connection, g.principal, *ids)})


@of_message.get("")
@scope("webhooks:read")
@contract(answers={200: page_of(WebhookDeliveryOut)})
def list_message_webhook_deliveries(message_id: str) -> Response:
    """What webhooks were told of one message, in the order of its events, each with its last attempt."""
    query.only()
    which = query.path_id("msg", message_id)
    with transaction() as connection:
        found = webhook_logs.of_message(connection, g.principal, which)
    return answer_whole(found)
