"""Health: does the process run, and can it do its work."""

from flask import Blueprint, Response
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from api.answers import json_answer
from api.auth import public
from api.contract import contract
from api.ratelimit import limiter
from api.v1.schemas.health import HealthOut, ReadyOut
from common.db.session import transaction

blueprint = Blueprint("health", __name__)


@blueprint.get("/healthz")
@public
@contract(answers={200: HealthOut})
def healthz() -> Response:
    """200 while the process runs."""
    return json_answer({"status": "ok"})


@blueprint.get("/readyz")
@public
@contract(answers={200: ReadyOut, 503: ReadyOut})
def readyz() -> Response:
    """200 when messages can be accepted. Redis away costs seconds, not mail: told, but ready."""
    try:
        with transaction() as connection:
            connection.execute(text("SELECT 1"))
        database = "ok"
    except SQLAlchemyError:
        database = "unavailable"
    redis = "ok" if limiter().is_reachable() else "unavailable"
    ready = database == "ok"
    response = json_answer(
        {"status": "ready" if ready else "unavailable", "database": database, "redis": redis}, 200 if ready else 503
    )
    if not ready:
        response.headers["Retry-After"] = "2"
    return response
