"""Senders: the addresses that an account writes from, with a name and an address for answers."""

from typing import Any

from flask import Blueprint, Response, g
from sqlalchemy import Connection

from api import query
from api.answers import json_answer, no_content
from api.auth import scope
from api.body import read_object
from api.contract import contract
from api.idempotency import answer_once
from api.lists import answer_list
from api.v1.schemas.fields import load
from api.v1.schemas.out import page_of
from api.v1.schemas.senders import (
    CLEARABLE,
    SENDER_CHANGE_IN,
    SENDER_IN,
    SenderChangeIn,
    SenderIn,
    SenderResourceOut,
)
from common.db.session import transaction
from common.services import composing, senders

blueprint = Blueprint("senders", __name__, url_prefix="/v1/senders")

LISTED = (query.text_parameter("domain", "Only senders in this domain.", 253), *query.PAGED)


@blueprint.post("")
@scope("domains:write", idempotent=True)
@contract(takes=SenderIn, answers={201: SenderResourceOut}, errors=("conflict", "sender_not_verified"))
def create_sender() -> Response:
    """Add a sender in a domain of the account. It may send once that domain is verified."""
    query.only()
    fields = load(SENDER_IN, read_object())
    given: dict[str, Any] = {**fields, **fields["email"]} | ({"name": fields["name"]} if "name" in fields else {})

    def make(connection: Connection) -> Response:
        return json_answer(senders.create(connection, g.principal, given), 201)

    answer = answer_once(fields, make)
    composing.forget()
    return answer


@blueprint.get("")
@scope("domains:read")
@contract(answers={200: page_of(SenderResourceOut)}, query=LISTED, errors=("invalid_cursor",))
def list_senders() -> Response:
    """Senders of the account, newest first."""
    query.only(*LISTED)
    return answer_list(senders.find, g.principal, domain=query.text("domain", 253))


@blueprint.get("/<sender_id>")
@scope("domains:read")
@contract(answers={200: SenderResourceOut})
def read_sender(sender_id: str) -> Response:
    """One sender."""
    query.only()
    which = query.path_id("snd", sender_id)
    with transaction() as connection:
        return json_answer(senders.get(connection, g.principal, which))


@blueprint.patch("/<sender_id>")
@scope("domains:write", idempotent=False)
@contract(takes=SenderChangeIn, answers={200: SenderResourceOut})
def change_sender(sender_id: str) -> Response:
    """Change its name, where answers go, or whether it is the default; null clears. In force within 5 seconds."""
    query.only()
    which, body = query.path_id("snd", sender_id), read_object()
    cleared = {name: None for name in CLEARABLE if name in body and body[name] is None}
    fields = load(SENDER_CHANGE_IN, body) | cleared
    with transaction() as connection:
        changed = senders.change(connection, g.principal, which, fields)
    composing.forget()
    return json_answer(changed)


@blueprint.delete("/<sender_id>")
@scope("domains:write", idempotent=False)
@contract(answers={204: None})
def delete_sender(sender_id: str) -> Response:
    """Forget a sender. Its address may still send, without this name; a default goes with it."""
    query.only()
    which = query.path_id("snd", sender_id)
    with transaction() as connection:
        senders.remove(connection, g.principal, which)
    composing.forget()
    return no_content()
