"""Explaining: what would become of a mail, or became of a message, by the very code that routes."""

from flask import Blueprint, Response, current_app, g

from api import query
from api.answers import json_answer
from api.auth import scope
from api.body import read_object
from api.contract import contract
from api.v1.schemas.fields import load
from api.v1.schemas.messages import MESSAGE_IN
from api.v1.schemas.routing import BY_ID_IN, RoutingExplainIn, RoutingOut
from common import clock
from common.db.session import transaction
from common.pacing import Paces
from common.services import composing, explaining

blueprint = Blueprint("routing", __name__, url_prefix="/v1/routing")
of_message = Blueprint("message_routing", __name__, url_prefix="/v1/messages")


def _paces() -> Paces:
    """The pace of destinations as this application sees it: it only looks."""
    kept = current_app.extensions.get("paces")
    if kept is None:
        kept = current_app.extensions["paces"] = Paces(current_app.extensions["settings"], "api")
    found: Paces = kept
    return found


@blueprint.post("/explain")
@scope("messages:read", idempotent=False)
@contract(
    takes=RoutingExplainIn,
    answers={200: RoutingOut},
    errors=("domain_not_allowed", "sender_not_verified", "template_not_allowed", "not_found"),
)
def explain_routing() -> Response:
    """What would become of this mail now, without sending it: the body of a send, or `message_id` of a message."""
    query.only()
    body, settings = read_object(), current_app.extensions["settings"]
    if body.get("message_id") is not None:
        which = load(BY_ID_IN, body)["message_id"]
        with transaction() as connection:
            return json_answer(explaining.explain_message(connection, settings, _paces(), g.principal, which))
    fields = load(MESSAGE_IN, {name: value for name, value in body.items() if name != "message_id"})
    draft = composing.compose(settings, g.principal, fields, None, g.request_id, clock.now())
    with transaction() as connection:
        return json_answer(explaining.explain(connection, settings, _paces(), draft))


@of_message.get("/<message_id>/routing")
@scope("messages:read")
@contract(answers={200: RoutingOut})
def read_message_routing(message_id: str) -> Response:
    """What was decided about a message and why, with the policy that ruled it; its timetable from here on."""
    query.only()
    which, settings = query.path_id("msg", message_id), current_app.extensions["settings"]
    with transaction() as connection:
        return json_answer(explaining.explain_message(connection, settings, _paces(), g.principal, which))
