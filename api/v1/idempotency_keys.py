"""Idempotency-Keys: what one was used for. They are made by sending them, and go by themselves."""

from flask import Blueprint, Response, current_app, g

from api import query
from api.answers import json_answer
from api.auth import scope
from api.contract import Parameter, contract
from api.v1.schemas.idempotency_keys import IdempotencyKeyOut
from common.db.session import transaction
from common.services import idempotency

blueprint = Blueprint("idempotency_keys", __name__, url_prefix="/v1/idempotency-keys")

ASKED = (query.text_parameter("route", "Only of this route, such as `POST /v1/messages`.", 200),)
KEY = {"key": Parameter("key", "The key, percent-encoded.", {"type": "string", "pattern": "^[!#-.0-~]{1,256}$"})}


@blueprint.get("/<path:key>")
@scope("messages:read")
@contract(answers={200: IdempotencyKeyOut}, query=ASKED, path=KEY)
def read_idempotency_key(key: str) -> Response:
    """What the first request with this key was answered; the newest where several routes know it."""
    query.only(*ASKED)
    route = query.text("route", 200)
    with transaction() as connection:
        return json_answer(
            idempotency.find(
                connection, current_app.extensions["settings"], g.principal, key.replace("\x00", ""), route
            )
        )
