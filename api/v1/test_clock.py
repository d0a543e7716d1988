"""The test clock: time passes for test mail in one call, so that hours of retries take seconds."""

from flask import Blueprint, Response, current_app, g

from api import query
from api.answers import json_answer
from api.auth import scope
from api.body import read_object
from api.contract import contract
from api.v1.schemas.fields import load
from api.v1.schemas.test_clock import ADVANCE_IN, AdvancedOut, AdvanceIn
from common.db.session import transaction
from common.services import due, tickets, time_travel

blueprint = Blueprint("test_clock", __name__, url_prefix="/v1/test-clock")


@blueprint.post("/advance")
@scope("messages:send", idempotent=False)
@contract(takes=AdvanceIn, answers={200: AdvancedOut}, errors=("conflict", "not_found", "account_paused"))
def advance_test_clock() -> Response:
    """Let time pass for one waiting message of a test key, or for all of them: their waits and their deadlines.

    Seconds that are not used up by the present wait shorten those that follow: 27,331 pass a whole schedule of retries.
    """
    query.only()
    given = load(ADVANCE_IN, read_object())
    scale = current_app.extensions["settings"].time_scale
    with transaction() as connection:
        moved = time_travel.advance(connection, g.principal, given.get("message_id"), given["seconds"] / scale)
        ready = due.ready(connection, moved)
    tickets.leave(ready)
    return json_answer({"seconds": given["seconds"], "messages": len(moved)})
