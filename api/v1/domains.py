"""Sending domains: add one, publish its records, and see what DNS says. They belong to both environments."""

from flask import Blueprint, Response, current_app, g
from sqlalchemy import Connection

from api import query
from api.answers import json_answer, no_content
from api.auth import scope
from api.body import read_object
from api.contract import contract
from api.idempotency import answer_once
from api.lists import answer_list
from api.v1.schemas.domains import DOMAIN_CHANGE_IN, DOMAIN_IN, DomainChangeIn, DomainIn, DomainOut, ReadinessOut
from api.v1.schemas.fields import load
from api.v1.schemas.out import page_of
from common.config import Settings
from common.db.session import transaction
from common.domain.domain_states import STATES
from common.services import domains, readiness

blueprint = Blueprint("domains", __name__, url_prefix="/v1/domains")

LISTED = (query.choices_parameter("state", "Only domains in this state.", STATES), *query.PAGED)


def _settings() -> Settings:
    found: Settings = current_app.extensions["settings"]
    return found


@blueprint.post("")
@scope("domains:write", idempotent=True)
@contract(takes=DomainIn, answers={201: DomainOut}, errors=("conflict",))
def add_domain() -> Response:
    """Add a domain. Publish its `records`; DNS is asked every minute until it is verified."""
    query.only()
    fields = load(DOMAIN_IN, read_object())

    def make(connection: Connection) -> Response:
        return json_answer(domains.create(connection, _settings(), g.principal, fields), 201)

    return answer_once(fields, make)


@blueprint.get("")
@scope("domains:read")
@contract(answers={200: page_of(DomainOut)}, query=LISTED, errors=("invalid_cursor",))
def list_domains() -> Response:
    """Domains of the account, newest first."""
    query.only(*LISTED)
    return answer_list(domains.find, _settings(), g.principal, states=query.choices("state", STATES))


@blueprint.get("/<domain_id>")
@scope("domains:read")
@contract(answers={200: DomainOut})
def read_domain(domain_id: str) -> Response:
    """One domain: what to publish, and what was found."""
    query.only()
    which = query.path_id("dom", domain_id)
    with transaction() as connection:
        return json_answer(domains.get(connection, _settings(), g.principal, which))


@blueprint.get("/<domain_id>/readiness")
@scope("domains:read")
@contract(answers={200: ReadinessOut})
def read_readiness(domain_id: str) -> Response:
    """Whether the domain does what Gmail, Yahoo and Microsoft ask of bulk senders, from the last look at DNS and
    the mail of 30 days."""
    query.only()
    which = query.path_id("dom", domain_id)
    with transaction() as connection:
        return json_answer(readiness.read(connection, _settings(), g.principal, which))


@blueprint.patch("/<domain_id>")
@scope("domains:write", idempotent=False)
@contract(takes=DomainChangeIn, answers={200: DomainOut})
def change_domain(domain_id: str) -> Response:
    """Change its defaults; null takes the default sender back."""
    query.only()
    which, body = query.path_id("dom", domain_id), read_object()
    cleared = {"default_sender": None} if "default_sender" in body and body["default_sender"] is None else {}
    fields = load(DOMAIN_CHANGE_IN, body) | cleared
    with transaction() as connection:
        return json_answer(domains.change(connection, _settings(), g.principal, which, fields))


@blueprint.post("/<domain_id>/verify")
@scope("domains:write", idempotent=False)
@contract(answers={202: DomainOut})
def verify_domain(domain_id: str) -> Response:
    """Have DNS asked now. `checked_at` and the records' `state` change within seconds."""
    query.only()
    which = query.path_id("dom", domain_id)
    with transaction() as connection:
        domains.ask(connection, g.principal, which)
        return json_answer(domains.get(connection, _settings(), g.principal, which), 202)


@blueprint.post("/<domain_id>/rotate-keys")
@scope("domains:write", idempotent=False)
@contract(answers={200: DomainOut}, errors=("conflict",))
def rotate_domain_keys(domain_id: str) -> Response:
    """Make new DKIM keys. They sign once their records are seen; the ones before stay for a week."""
    query.only()
    which = query.path_id("dom", domain_id)
    with transaction() as connection:
        return json_answer(domains.rotate(connection, _settings(), g.principal, which))


@blueprint.delete("/<domain_id>")
@scope("domains:write", idempotent=False)
@contract(answers={204: None})
def remove_domain(domain_id: str) -> Response:
    """Forget a domain and its keys: nothing more is sent from it."""
    query.only()
    which = query.path_id("dom", domain_id)
    with transaction() as connection:
        domains.remove(connection, g.principal, which)
    return no_content()
