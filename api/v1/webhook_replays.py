"""Replays: tell a webhook events once more, and see how far that is."""

from typing import Any

from flask import Blueprint, Response, g

from api import query
from api.answers import json_answer
from api.auth import scope
from api.body import read_object
from api.contract import contract
from api.idempotency import answer_once
from api.v1.schemas.fields import load
from api.v1.schemas.webhook_replays import REPLAY_IN, ReplayIn, ReplayOut
from common.db.session import transaction
from common.domain.ids import decode
from common.services import webhook_replays

blueprint = Blueprint("webhook_replays", __name__, url_prefix="/v1/webhooks/<webhook_id>")


@blueprint.post("/replay")
@scope("webhooks:write", idempotent=True)
@contract(takes=ReplayIn, answers={202: ReplayOut}, errors=("conflict",))
def replay_webhook(webhook_id: str) -> Response:
    """Tell a webhook events once more, by id or by range, behind what is live. Each has the `webhook-id` it had."""
    query.only()
    which, fields = query.path_id("whk", webhook_id), load(REPLAY_IN, read_object())
    wish: dict[str, Any] = fields
    if "event_ids" in fields:
        wish = fields | {"event_ids": [decode("evt", each) for each in fields["event_ids"]]}
    return answer_once(
        fields, lambda connection: json_answer(webhook_replays.start(connection, g.principal, which, wish), 202)
    )


@blueprint.get("/replays/<job_id>")
@scope("webhooks:read")
@contract(answers={200: ReplayOut})
def read_replay(webhook_id: str, job_id: str) -> Response:
    """How far a replay is."""
    query.only()
    ids = query.path_id("whk", webhook_id), query.path_id("job", job_id)
    with transaction() as connection:
        return json_answer(webhook_replays.get(connection, g.principal, *ids))
