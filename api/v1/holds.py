"""Holds: keep back messages that match, with a reason, an author and an end; and let them go.

A hold of an operator for all accounts (`everywhere=true`, scope admin) is seen by everyone whom it concerns.
"""

from flask import Blueprint, Response, g
from sqlalchemy import Connection

from api import query
from api.answers import json_answer
from api.auth import scope
from api.body import read_object
from api.contract import contract
from api.idempotency import answer_once
from api.lists import answer_list
from api.v1.queues import EVERYWHERE, REACH, everywhere
from api.v1.schemas.fields import load
from api.v1.schemas.out import page_of
from api.v1.schemas.queues import HOLD_IN, HoldIn, HoldOut, read_match
from common.db.session import transaction
from common.domain.ids import decode
from common.services import holds, tickets
from common.services.holds import STATES, Wish
from common.services.settling import empty_now, settle_now

blueprint = Blueprint("holds", __name__, url_prefix="/v1/holds")

LISTED = (query.choices_parameter("state", "Only holds in this state.", STATES), EVERYWHERE, *query.PAGED)


@blueprint.post("")
@scope("queues:write", idempotent=True)
@contract(takes=HoldIn, answers={201: HoldOut}, query=REACH)
def create_hold() -> Response:
    """Keep back what matches: what waits, and what comes. What is being sent just now is not stopped."""
    query.only(*REACH)
    given, reach = load(HOLD_IN, read_object()), everywhere()
    wish = Wish(
        "hold",
        read_match(given["match"]),
        given["reason"],
        given.get("author"),
        given.get("expires_at"),
        everywhere=reach,
    )

    def work(connection: Connection) -> Response:
        return json_answer(holds.create(connection, g.principal, wish), 201)

    response = answer_once({**given, "everywhere": reach}, work)
    made = decode("hld", response.get_json()["id"])
    if made is not None:
        settle_now(made)
    return response


@blueprint.get("")
@scope("queues:read")
@contract(answers={200: page_of(HoldOut)}, query=LISTED, errors=("invalid_cursor",))
def list_holds() -> Response:
    """Holds that concern this environment, newest first; with `everywhere` those of all accounts."""
    query.only(*LISTED)
    return answer_list(holds.find, g.principal, states=query.choices("state", STATES), everywhere=everywhere())


@blueprint.get("/<hold_id>")
@scope("queues:read")
@contract(answers={200: HoldOut})
def read_hold(hold_id: str) -> Response:
    """One hold, and how many messages it keeps back now."""
    query.only()
    which = query.path_id("hld", hold_id)
    with transaction() as connection:
        return json_answer(holds.get(connection, g.principal, which))


@blueprint.post("/<hold_id>/release")
@scope("queues:write", idempotent=False)
@contract(answers={200: HoldOut})
def release_hold(hold_id: str) -> Response:
    """End a hold: its messages go on in the order of their acceptance. Repeating it is harmless."""
    query.only()
    which = query.path_id("hld", hold_id)
    with transaction() as connection:
        holds.release(connection, g.principal, which)
    tickets.leave(empty_now([which]))
    with transaction() as connection:
        return json_answer(holds.get(connection, g.principal, which))
