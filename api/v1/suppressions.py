"""Suppressions, and unsubscribes as the view on the reason `user_unsubscribed`: one store, two addresses."""

from uuid import UUID

from flask import Blueprint, Response, g

from api import paging, query
from api.answers import json_answer, no_content
from api.auth import scope
from api.body import read_object
from api.contract import Parameter, contract
from api.v1.schemas.fields import load
from api.v1.schemas.out import page_of
from api.v1.schemas.suppressions import SUPPRESSION_IN, SuppressionIn, SuppressionOut, UnsubscribeIn
from common.db.session import transaction
from common.domain.addresses import AddressError, parse_address
from common.domain.errors import FieldError, InvalidFields, NotFound
from common.domain.ids import decode
from common.services import suppressions
from common.services.suppressions import REASONS, UNSUBSCRIBED

blueprint = Blueprint("suppressions", __name__, url_prefix="/v1/suppressions")
unsubscribes = Blueprint("unsubscribes", __name__, url_prefix="/v1/unsubscribes")

LISTED = (
    query.choices_parameter("reason", "Only suppressions for this reason.", REASONS),
    query.address_parameter("recipient", "Only this address."),
    *query.PAGED,
)
WHICH = {"which": Parameter("which", "The id, or the address.", {"type": "string", "pattern": "^[^/]+$"}, id_of="sup")}


@blueprint.post("")
@scope("suppressions:write", idempotent=False)
@contract(takes=SuppressionIn, answers={201: SuppressionOut, 200: SuppressionOut})
def add_suppression() -> Response:
    """Stop all mail to an address. 201 when new, 200 when it was suppressed already."""
    return _add("manual")


@unsubscribes.post("")
@scope("suppressions:write", idempotent=False)
@contract(takes=UnsubscribeIn, answers={201: SuppressionOut, 200: SuppressionOut})
def add_unsubscribe() -> Response:
    """Record that a recipient unsubscribed."""
    return _add(UNSUBSCRIBED, only=UNSUBSCRIBED)


def _add(default: str, only: str | None = None) -> Response:
    fields = load(SUPPRESSION_IN, read_object())
    reason = fields.get("reason", default)
    if only is not None and reason != only:
        raise InvalidFields([FieldError("reason", "not_in_enum", f"must be {only}; other reasons are suppressions")])
    with transaction() as connection:
        found, new = suppressions.add(
            connection,
            g.principal,
            recipient=parse_address(fields["recipient"]["email"]),
            reason=reason,
            note=fields.get("note"),
            expires_at=fields.get("expires_at"),
        )
    return json_answer(found, 201 if new else 200)


@blueprint.get("")
@scope("suppressions:read")
@contract(answers={200: page_of(SuppressionOut)}, query=LISTED, errors=("invalid_cursor",))
def list_suppressions() -> Response:
    """Suppressions, newest first."""
    query.only(*LISTED)
    return _list(query.choices("reason", REASONS))


@unsubscribes.get("")
@scope("suppressions:read")
@contract(answers={200: page_of(SuppressionOut)}, query=LISTED[1:], errors=("invalid_cursor",))
def list_unsubscribes() -> Response:
    """Unsubscribes, newest first."""
    query.only(*LISTED[1:])
    return _list([UNSUBSCRIBED])


def _list(reasons: list[str]) -> Response:
    recipient = query.address_key("recipient")
    mark = paging.filter_hash(g.principal.account_id, {"reasons": reasons, "recipient": recipient})
    before, limit = query.cursor(mark), query.limit()
    with transaction() as connection:
        data, more, position = suppressions.find(
            connection, g.principal, reasons=reasons, recipient=recipient, limit=limit, before=before
        )
    return paging.page(data, more, position, mark)


@blueprint.get("/<which>")
@scope("suppressions:read")
@contract(answers={200: SuppressionOut}, path=WHICH)
def read_suppression(which: str) -> Response:
    """One suppression, by its id or its address."""
    query.only()
    found = _which(which)
    with transaction() as connection:
        return json_answer(suppressions.get(connection, g.principal, found))


@unsubscribes.get("/<which>")
@scope("suppressions:read")
@contract(answers={200: SuppressionOut}, path=WHICH)
def read_unsubscribe(which: str) -> Response:
    """One unsubscribe, by its id or its address."""
    query.only()
    found = _which(which)
    with transaction() as connection:
        return json_answer(suppressions.get(connection, g.principal, found, UNSUBSCRIBED))


@blueprint.delete("/<which>")
@scope("suppressions:write", idempotent=False)
@contract(answers={204: None}, path=WHICH)
def remove_suppression(which: str) -> Response:
    """Let mail to an address through again."""
    query.only()
    found = _which(which)
    with transaction() as connection:
        suppressions.remove(connection, g.principal, found)
    return no_content()


@unsubscribes.delete("/<which>")
@scope("suppressions:write", idempotent=False)
@contract(answers={204: None}, path=WHICH)
def remove_unsubscribe(which: str) -> Response:
    """Record that a recipient subscribed again."""
    query.only()
    found = _which(which)
    with transaction() as connection:
        suppressions.remove(connection, g.principal, found, UNSUBSCRIBED)
    return no_content()


def _which(text: str) -> str | UUID:
    found = decode("sup", text)
    if found is not None:
        return found
    try:
        return parse_address(text).key
    except AddressError as error:
        raise NotFound("This is neither a suppression's id nor an address.") from error
