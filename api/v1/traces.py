"""The trace of one message: one timeline of all that is known of it."""

from flask import Blueprint, Response, g

from api import query
from api.answers import json_answer
from api.auth import scope
from api.contract import contract
from api.v1.schemas.traces import TraceOut
from common.db.session import transaction
from common.services import tracing

blueprint = Blueprint("traces", __name__, url_prefix="/v1/messages")


@blueprint.get("/<message_id>/trace")
@scope("messages:read")
@contract(answers={200: TraceOut})
def read_message_trace(message_id: str) -> Response:
    """What happened to a message, in one timeline: the request, each event with its decision, each attempt with every
    line of its conversation, and, for keys with `webhooks:read`, each post to a webhook.
    """
    query.only()
    which = query.path_id("msg", message_id)
    with transaction() as connection:
        return json_answer(tracing.trace(connection, g.principal, which))
