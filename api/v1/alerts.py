"""Alerts: rules that watch mail, queues, domains and webhooks, tell when a line is crossed, and keep what they saw."""

from flask import Blueprint, Response, g

from api import query
from api.answers import json_answer, no_content
from api.auth import scope
from api.body import read_object
from api.contract import contract
from api.idempotency import answer_once
from api.lists import answer_list
from api.v1.schemas.alerts import (
    ALERT_CHANGE_IN,
    ALERT_IN,
    AlertChangeIn,
    AlertIn,
    AlertOut,
    IncidentOut,
)
from api.v1.schemas.fields import load
from api.v1.schemas.out import page_of
from common.db.session import transaction
from common.services import alerts

blueprint = Blueprint("alerts", __name__, url_prefix="/v1/alerts")

SEEN = (query.choices_parameter("state", "Only incidents in this state.", alerts.STATES), *query.PAGED)


@blueprint.post("")
@scope("policy:write", idempotent=True)
@contract(takes=AlertIn, answers={201: AlertOut}, errors=("conflict",))
def create_alert() -> Response:
    """Make an alert for this key's environment. It is looked at every few seconds from now on."""
    query.only()
    given = load(ALERT_IN, read_object())
    return answer_once(given, lambda connection: json_answer(alerts.create(connection, g.principal, given), 201))


@blueprint.get("")
@scope("analytics:read")
@contract(answers={200: page_of(AlertOut)}, query=query.PAGED, errors=("invalid_cursor",))
def list_alerts() -> Response:
    """The alerts of this key's environment, newest first."""
    query.only(*query.PAGED)
    return answer_list(alerts.find, g.principal)


@blueprint.get("/<alert_id>")
@scope("analytics:read")
@contract(answers={200: AlertOut})
def read_alert(alert_id: str) -> Response:
    """One alert, and how many of its incidents are open."""
    query.only()
    which = query.path_id("alr", alert_id)
    with transaction() as connection:
        return json_answer(alerts.get(connection, g.principal, which))


@blueprint.patch("/<alert_id>")
@scope("policy:write", idempotent=False)
@contract(takes=AlertChangeIn, answers={200: AlertOut})
def change_alert(alert_id: str) -> Response:
    """Change an alert's name, line or address; null takes the address away. What it watches stays: make another."""
    query.only()
    which, body = query.path_id("alr", alert_id), read_object()
    cleared = {"email": None} if "email" in body and body["email"] is None else {}
    given = load(ALERT_CHANGE_IN, body) | cleared
    with transaction() as connection:
        return json_answer(alerts.change(connection, g.principal, which, given))


@blueprint.delete("/<alert_id>")
@scope("policy:write", idempotent=False)
@contract(answers={204: None})
def delete_alert(alert_id: str) -> Response:
    """Remove an alert with its history. To keep that, switch it off."""
    query.only()
    which = query.path_id("alr", alert_id)
    with transaction() as connection:
        alerts.remove(connection, g.principal, which)
    return no_content()


@blueprint.get("/<alert_id>/incidents")
@scope("analytics:read")
@contract(answers={200: page_of(IncidentOut)}, query=SEEN, errors=("invalid_cursor",))
def list_incidents(alert_id: str) -> Response:
    """What an alert has seen, newest first: since when, how far over the line, and when it was over."""
    query.only(*SEEN)
    which = query.path_id("alr", alert_id)
    return answer_list(alerts.incidents, g.principal, which, states=query.choices("state", alerts.STATES))
