"""Pacing: what waits for a slot and where, and the automations that slow it. Limits are made by workers."""

from flask import Blueprint, Response, g

from api import query
from api.answers import json_answer, no_content
from api.auth import scope
from api.contract import contract
from api.lists import answer_list
from api.v1.schemas.out import page_of
from api.v1.schemas.pacing import AutomationOut, PacingOut
from common.db.session import transaction
from common.services import automations, parking

blueprint = Blueprint("pacing", __name__, url_prefix="/v1/pacing")

_YES_NO = ("true", "false")
ACTIVE = query.choices_parameter("active", "Only those that hold now, or only those that have ended.", _YES_NO)
LISTED = (ACTIVE, *query.PAGED)


@blueprint.get("")
@scope("analytics:read")
@contract(answers={200: PacingOut})
def read_pacing() -> Response:
    """Where this key's mail waits for a slot, and what is slowed now."""
    query.only()
    with transaction() as connection:
        places = parking.places(connection, g.principal)
        held = automations.find(connection, g.principal, active=True, limit=100)
    return json_answer({"places": places, "automations": held.data})


@blueprint.get("/automations")
@scope("analytics:read")
@contract(answers={200: page_of(AutomationOut)}, query=LISTED, errors=("invalid_cursor",))
def list_automations() -> Response:
    """Automations, those that began last first."""
    query.only(*LISTED)
    chosen = set(query.choices("active", _YES_NO))
    active = None if len(chosen) != 1 else chosen == {"true"}
    return answer_list(automations.find, g.principal, active=active)


@blueprint.get("/automations/<automation_id>")
@scope("analytics:read")
@contract(answers={200: AutomationOut})
def read_automation(automation_id: str) -> Response:
    """One automation."""
    query.only()
    which = query.path_id("aut", automation_id)
    with transaction() as connection:
        return json_answer(automations.get(connection, g.principal, which))


@blueprint.delete("/automations/<automation_id>")
@scope("admin", idempotent=False)
@contract(answers={204: None})
def lift_automation(automation_id: str) -> Response:
    """End an automation now. What waits because of it is sent as the usual limits allow."""
    query.only()
    which = query.path_id("aut", automation_id)
    with transaction() as connection:
        automations.lift(connection, g.principal, [which])
    return no_content()
