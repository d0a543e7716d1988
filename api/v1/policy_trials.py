"""Trying a policy: on the mail of the last hours without effect, and on a share of the mail that comes."""

from flask import Blueprint, Response, current_app

from api import query
from api.answers import json_answer, no_content
from api.auth import scope
from api.body import read_object
from api.contract import contract
from api.v1.policy import WHOSE, owner
from api.v1.schemas.fields import load
from api.v1.schemas.policy_in import POLICY_BACKTEST_IN, PolicyBacktestIn
from api.v1.schemas.policy_out import PolicyBacktestOut, PolicyCanaryOut
from common.db.session import transaction
from common.services import backtesting, canaries

blueprint = Blueprint("policy_trials", __name__, url_prefix="/v1/policy")

HOURS = 24


@blueprint.post("/draft/backtest")
@scope("policy:read", idempotent=False)
@contract(takes=PolicyBacktestIn, answers={200: PolicyBacktestOut}, query=WHOSE)
def backtest_policy_draft() -> Response:
    """Which messages of the last hours would go another way, wait, end or live otherwise by the draft."""
    query.only(*WHOSE)
    fields, settings = load(POLICY_BACKTEST_IN, read_object()), current_app.extensions["settings"]
    with transaction() as connection:
        hours = fields.get("hours", HOURS)
        return json_answer(backtesting.backtest(connection, settings, owner(), hours=hours))


@blueprint.get("/canary")
@scope("policy:read")
@contract(answers={200: PolicyCanaryOut}, query=WHOSE, errors=("not_found",))
def read_policy_canary() -> Response:
    """The version that is being tried, with its outcomes beside those of all other mail. 404 when none is."""
    query.only(*WHOSE)
    with transaction() as connection:
        return json_answer(canaries.current(connection, owner()))


@blueprint.delete("/canary")
@scope("policy:write", idempotent=False)
@contract(answers={204: None}, query=WHOSE)
def stop_policy_canary() -> Response:
    """End it without publishing it; what it ruled goes on as it was routed."""
    query.only(*WHOSE)
    with transaction() as connection:
        canaries.stop(connection, owner())
    return no_content()
