"""Latency: how soon mail is tried and delivered, against what its tier promises."""

from flask import Blueprint, Response, current_app, g

from api import query
from api.answers import json_answer
from api.auth import scope
from api.contract import Parameter, contract
from api.v1.schemas.latency import LatencyOut
from common.db.session import transaction
from common.services import latencies

blueprint = Blueprint("latency", __name__, url_prefix="/v1/latency")

DEFAULT_SECONDS, MOST_SECONDS = 3600, 86_400
WINDOW = (
    Parameter(
        "window",
        "Messages accepted in the last so many seconds, the newest 50,000 at most.",
        {"type": "integer", "minimum": 1, "maximum": MOST_SECONDS, "default": DEFAULT_SECONDS},
    ),
)


@blueprint.get("")
@scope("analytics:read")
@contract(answers={200: LatencyOut}, query=WINDOW)
def read_latency() -> Response:
    """By tier: percentiles to the first attempt and to delivery, the objective, its error budget and how it burns."""
    query.only(*WINDOW)
    window = query.whole("window", MOST_SECONDS) or DEFAULT_SECONDS
    with transaction() as connection:
        found = latencies.measure(connection, current_app.extensions["settings"], g.principal, window)
    return json_answer({"window_seconds": window, "data": found})
