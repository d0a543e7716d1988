"""Webhooks: subscribe an endpoint to events, change, rotate its secret, test, switch off and on, remove.

A secret is answered once; a repeated request with the same Idempotency-Key gets it from an answer kept sealed.
What was delivered is webhook_logs.py.
"""

from typing import Any

from flask import Blueprint, Response, g
from sqlalchemy import Connection

from api import query
from api.answers import json_answer, no_content
from api.auth import scope
from api.body import read_object
from api.contract import contract
from api.idempotency import answer_once
from api.lists import answer_list
from api.v1.schemas.fields import load
from api.v1.schemas.out import page_of
from api.v1.schemas.webhooks import (
    ALL,
    CLEARABLE,
    ENABLE_IN,
    SECRET_ROTATION_IN,
    WEBHOOK_CHANGE_IN,
    WEBHOOK_IN,
    EnabledWebhookOut,
    EnableIn,
    NewWebhookOut,
    SecretRotationIn,
    WebhookChangeIn,
    WebhookIn,
    WebhookOut,
    WebhookTestOut,
)
from common.config import current_settings
from common.db.session import transaction
from common.domain.webhooks import USUAL_OVERLAP_SECONDS
from common.services import subscriptions, webhook_due, webhook_secrets, webhook_switches

blueprint = Blueprint("webhooks", __name__, url_prefix="/v1/webhooks")


def _all_is_none(fields: dict[str, Any]) -> dict[str, Any]:
    """`*` among the types is the same as no list."""
    return fields | {"event_types": None} if ALL in (fields.get("event_types") or ()) else fields


@blueprint.post("")
@scope("webhooks:write", idempotent=True)
@contract(takes=WebhookIn, answers={201: NewWebhookOut})
def create_webhook() -> Response:
    """Subscribe an endpoint to events of this environment. The secret that signs them is shown here only."""
    fields = _all_is_none(load(WEBHOOK_IN, read_object()))
    return answer_once(
        fields, lambda connection: json_answer(subscriptions.subscribe(connection, g.principal, fields), 201)
    )


@blueprint.get("")
@scope("webhooks:read")
@contract(answers={200: page_of(WebhookOut)}, query=query.PAGED, errors=("invalid_cursor",))
def list_webhooks() -> Response:
    """The webhooks of this key's environment, newest first."""
    query.only(*query.PAGED)
    return answer_list(subscriptions.find, g.principal)


@blueprint.get("/<webhook_id>")
@scope("webhooks:read")
@contract(answers={200: WebhookOut})
def read_webhook(webhook_id: str) -> Response:
    """One webhook, with how its endpoint is doing."""
    query.only()
    which = query.path_id("whk", webhook_id)
    with transaction() as connection:
        return json_answer(subscriptions.get(connection, g.principal, which))


@blueprint.patch("/<webhook_id>")
@scope("webhooks:write", idempotent=False)
@contract(takes=WebhookChangeIn, answers={200: WebhookOut})
def change_webhook(webhook_id: str) -> Response:
    """Change a webhook; null makes a field as if it had been left out. What waits goes to the new URL."""
    query.only()
    which, body = query.path_id("whk", webhook_id), read_object()
    cleared = {name: None for name in CLEARABLE if name in body and body[name] is None}
    fields = _all_is_none(load(WEBHOOK_CHANGE_IN, body)) | cleared
    with transaction() as connection:
        return json_answer(subscriptions.change(connection, g.principal, which, fields))


@blueprint.delete("/<webhook_id>")
@scope("webhooks:write", idempotent=False)
@contract(answers={204: None})
def delete_webhook(webhook_id: str) -> Response:
    """Remove a webhook, what waits for it and its log. To keep those, disable it."""
    query.only()
    which = query.path_id("whk", webhook_id)
    with transaction() as connection:
        subscriptions.unsubscribe(connection, g.principal, which)
    return no_content()


@blueprint.post("/<webhook_id>/rotate-secret")
@scope("webhooks:write", idempotent=True)
@contract(takes=SecretRotationIn, answers={200: NewWebhookOut}, errors=("conflict",))
def rotate_webhook_secret(webhook_id: str) -> Response:
    """Give a webhook a new secret. The one before signs beside it for `overlap_seconds`, so nothing has to stop."""
    query.only()
    which, fields = query.path_id("whk", webhook_id), load(SECRET_ROTATION_IN, read_object())

    def work(connection: Connection) -> Response:
        subscriptions.lock(connection, g.principal, which)
        overlap = fields.get("overlap_seconds", USUAL_OVERLAP_SECONDS)
        secret = webhook_secrets.rotate(connection, current_settings(), which, overlap)
        return json_answer(subscriptions.get(connection, g.principal, which) | {"secret": secret})

    return answer_once(fields, work)


@blueprint.post("/<webhook_id>/test")
@scope("webhooks:write", idempotent=False)
@contract(answers={202: WebhookTestOut}, errors=("conflict",))
def test_webhook(webhook_id: str) -> Response:
    """Tell a webhook the event `webhook.test`, now, whatever it subscribes to."""
    query.only()
    which = query.path_id("whk", webhook_id)
    with transaction() as connection:
        found, left = webhook_switches.test(connection, g.principal, which)
    webhook_due.leave(left)
    return json_answer(found, 202)


@blueprint.post("/<webhook_id>/disable")
@scope("webhooks:write", idempotent=False)
@contract(answers={200: WebhookOut})
def disable_webhook(webhook_id: str) -> Response:
    """Switch a webhook off. What it would have been told is held until it is enabled."""
    query.only()
    which = query.path_id("whk", webhook_id)
    with transaction() as connection:
        subscriptions.lock(connection, g.principal, which)
        webhook_switches.disable(connection, [which], "manual")
        return json_answer(subscriptions.get(connection, g.principal, which))


@blueprint.post("/<webhook_id>/enable")
@scope("webhooks:write", idempotent=False)
@contract(takes=EnableIn, answers={200: EnabledWebhookOut})
def enable_webhook(webhook_id: str) -> Response:
    """Switch a webhook on again, and say what becomes of what was held meanwhile."""
    query.only()
    which, fields = query.path_id("whk", webhook_id), load(ENABLE_IN, read_object())
    with transaction() as connection:
        recover = fields.get("recover", "all")
        done = webhook_switches.enable(connection, g.principal, which, recover=recover, since=fields.get("since"))
        return json_answer(subscriptions.get(connection, g.principal, which) | done)
