"""The account of whoever asks. Never here: other accounts (accounts.py)."""

from flask import Blueprint, Response, g

from api import query
from api.answers import json_answer
from api.auth import ANY, scope
from api.contract import contract
from api.v1.schemas.accounts import AccountOut
from common.db.session import transaction
from common.services import accounts

blueprint = Blueprint("account", __name__, url_prefix="/v1/account")


@blueprint.get("")
@scope(ANY)
@contract(answers={200: AccountOut})
def read_own_account() -> Response:
    """The account that this key belongs to."""
    query.only()
    with transaction() as connection:
        return json_answer(accounts.get(connection, g.principal.account_id))
