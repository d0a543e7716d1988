"""Workers: the processes that do the work, as they tell of themselves every few seconds. For the operator."""

from datetime import datetime
from typing import Any

from flask import Blueprint, Response, current_app

from api import query
from api.answers import json_answer
from api.auth import scope
from api.contract import contract
from api.v1.schemas.workers import WorkersOut
from common import clock
from common.domain.errors import Unavailable
from common.fleet import Fleet

blueprint = Blueprint("workers", __name__, url_prefix="/v1/workers")


def fleet() -> Fleet:
    """The fleet as this application sees it."""
    kept = current_app.extensions.get("fleet")
    if kept is None:
        kept = current_app.extensions["fleet"] = Fleet(current_app.extensions["settings"])
    found: Fleet = kept
    return found


@blueprint.get("")
@scope("admin")
@contract(answers={200: WorkersOut})
def list_workers() -> Response:
    """Every worker that is alive, by line. One that fell silent is gone after 12 seconds."""
    query.only()
    found = fleet().workers()
    if found is None:
        raise Unavailable("Redis, where workers tell of themselves, cannot be reached.", retry_after=2)
    return json_answer({"data": [_shown(each) for each in found]})


def _shown(worker: dict[str, Any]) -> dict[str, Any]:
    uptime = (clock.now() - datetime.fromisoformat(worker["started_at"])).total_seconds()
    return worker | {"uptime_seconds": round(max(0.0, uptime), 1)}
