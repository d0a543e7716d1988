"""Accounts, for the operator of the installation: make, list, limit, suspend, and make their first keys.

Everything here needs a key with the scope `admin`, whatever its account.
"""

from flask import Blueprint, Response
from sqlalchemy import Connection

from api import query
from api.answers import json_answer
from api.auth import scope
from api.body import read_object
from api.contract import contract
from api.idempotency import answer_once
from api.lists import answer_list
from api.v1.api_keys import read_key_fields
from api.v1.schemas.accounts import ACCOUNT_CHANGE_IN, ACCOUNT_IN, AccountChangeIn, AccountIn, AccountOut
from api.v1.schemas.api_keys import ApiKeyIn, ApiKeyOut, NewApiKeyOut
from api.v1.schemas.fields import load
from api.v1.schemas.out import page_of
from common import clock
from common.db.session import transaction
from common.services import accounts, issuing

blueprint = Blueprint("accounts", __name__, url_prefix="/v1/admin/accounts")

LISTED = (query.choices_parameter("state", "Only accounts in this state.", accounts.STATES), *query.PAGED)
KEYS_LISTED = (
    query.choices_parameter("state", "Only keys in this state; all but revoked ones unless given.", issuing.STATES),
    query.choices_parameter("environment", "Of `live` unless given.", ("live", "test")),
    *query.PAGED,
)


@blueprint.post("")
@scope("admin", idempotent=True)
@contract(takes=AccountIn, answers={201: AccountOut})
def create_account() -> Response:
    """Make an account, with the starter templates. Make a key for it next."""
    query.only()
    fields = load(ACCOUNT_IN, read_object())
    return answer_once(fields, lambda connection: json_answer(accounts.create(connection, fields), 201))


@blueprint.get("")
@scope("admin")
@contract(answers={200: page_of(AccountOut)}, query=LISTED, errors=("invalid_cursor",))
def list_accounts() -> Response:
    """Accounts of this installation, newest first."""
    query.only(*LISTED)
    return answer_list(accounts.find, states=query.choices("state", accounts.STATES))


@blueprint.get("/<account_id>")
@scope("admin")
@contract(answers={200: AccountOut})
def read_account(account_id: str) -> Response:
    """One account."""
    query.only()
    which = query.path_id("acc", account_id)
    with transaction() as connection:
        return json_answer(accounts.get(connection, which))


@blueprint.patch("/<account_id>")
@scope("admin", idempotent=False)
@contract(takes=AccountChangeIn, answers={200: AccountOut})
def change_account(account_id: str) -> Response:
    """Change name, quota, default sender, retry schedule or contact; null takes all but the name back.

    In force everywhere within 5 seconds."""
    query.only()
    which, body = query.path_id("acc", account_id), read_object()
    cleared = {name: None for name in accounts.CHANGEABLE if name != "name" and name in body and body[name] is None}
    fields = load(ACCOUNT_CHANGE_IN, body) | cleared
    with transaction() as connection:
        return json_answer(accounts.change(connection, which, fields))


@blueprint.post("/<account_id>/suspend")
@scope("admin", idempotent=False)
@contract(answers={200: AccountOut})
def suspend_account(account_id: str) -> Response:
    """Refuse its new mail: 403 `account_paused`. What was accepted is delivered; reading and cancelling still work."""
    query.only()
    which = query.path_id("acc", account_id)
    with transaction() as connection:
        return json_answer(accounts.suspend(connection, which, now=clock.now()))


@blueprint.post("/<account_id>/resume")
@scope("admin", idempotent=False)
@contract(answers={200: AccountOut})
def resume_account(account_id: str) -> Response:
    """Take its mail again."""
    query.only()
    which = query.path_id("acc", account_id)
    with transaction() as connection:
        return json_answer(accounts.suspend(connection, which, now=None))


@blueprint.post("/<account_id>/api-keys")
@scope("admin", idempotent=True)
@contract(takes=ApiKeyIn, answers={201: NewApiKeyOut})
def create_account_key(account_id: str) -> Response:
    """Make a key of an account, of any scope and environment. Its `secret` is in this answer only."""
    query.only()
    which = query.path_id("acc", account_id)
    fields = {"environment": "live"} | read_key_fields()

    def make(connection: Connection) -> Response:
        accounts.get(connection, which)
        return json_answer(issuing.create_for(connection, which, fields), 201)

    return answer_once(fields, make)


@blueprint.get("/<account_id>/api-keys")
@scope("admin")
@contract(answers={200: page_of(ApiKeyOut)}, query=KEYS_LISTED, errors=("invalid_cursor",))
def list_account_keys(account_id: str) -> Response:
    """The keys of an account in one environment, newest first, without their secrets."""
    query.only(*KEYS_LISTED)
    which = query.path_id("acc", account_id)
    states = query.choices("state", issuing.STATES)
    environment = (query.choices("environment", ("live", "test")) or ["live"])[0]
    with transaction() as connection:
        accounts.get(connection, which)
    return answer_list(issuing.find_of, which, environment, marked={"states": states, "of": environment}, states=states)
