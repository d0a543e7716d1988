"""Webhooks: subscribe an endpoint to events, list, remove."""

from flask import Blueprint, Response, g

from api import query
from api.answers import json_answer, no_content
from api.auth import scope
from api.body import read_object
from api.contract import contract
from api.v1.schemas.fields import load
from api.v1.schemas.out import page_of
from api.v1.schemas.webhooks import WEBHOOK_IN, NewWebhookOut, WebhookIn, WebhookOut
from common.db.session import transaction
from common.services import subscriptions

blueprint = Blueprint("webhooks", __name__, url_prefix="/v1/webhooks")


@blueprint.post("")
@scope("webhooks:write", idempotent=False)
@contract(takes=WebhookIn, answers={201: NewWebhookOut})
def create_webhook() -> Response:
    """Subscribe an endpoint. The secret that signs its deliveries is shown here only."""
    fields = load(WEBHOOK_IN, read_object())
    with transaction() as connection:
        made = subscriptions.subscribe(
            connection, g.principal, url=fields["url"], event_types=fields.get("event_types")
        )
    return json_answer(made, 201)


@blueprint.get("")
@scope("webhooks:read")
@contract(answers={200: page_of(WebhookOut)})
def list_webhooks() -> Response:
    """The webhooks of this key's environment."""
    query.only()
    with transaction() as connection:
        found = subscriptions.find(connection, g.principal)
    return json_answer({"data": found, "has_more": False, "next_cursor": None, "prev_cursor": None})


@blueprint.delete("/<webhook_id>")
@scope("webhooks:write", idempotent=False)
@contract(answers={204: None})
def delete_webhook(webhook_id: str) -> Response:
    """Remove a webhook."""
    query.only()
    which = query.path_id("whk", webhook_id)
    with transaction() as connection:
        subscriptions.unsubscribe(connection, g.principal, which)
    return no_content()
