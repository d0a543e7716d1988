"""Suppressions, and unsubscribes as the view on the reason `user_unsubscribed`: one store, two addresses.

They belong to the environment of the key. Many at once: suppressions_many.py.
"""

from dataclasses import asdict
from uuid import UUID

from flask import Blueprint, Response, g, request
from sqlalchemy import Connection

from api import query
from api.answers import json_answer, no_content
from api.auth import scope
from api.body import read_object
from api.contract import Parameter, contract
from api.idempotency import answer_once
from api.lists import answer_list
from api.v1.schemas.fields import load
from api.v1.schemas.out import page_of
from api.v1.schemas.suppressions import SUPPRESSION_IN, SuppressionIn, SuppressionOut, UnsubscribeIn
from common.db.session import transaction
from common.domain.addresses import AddressError, parse_address
from common.domain.errors import FieldError, InvalidFields, NotFound
from common.domain.ids import decode
from common.domain.suppressions import ALL, REASONS, SCOPE, UNSUBSCRIBED, is_scope
from common.services import suppressions
from common.services.suppressions import Filters

blueprint = Blueprint("suppressions", __name__, url_prefix="/v1/suppressions")
unsubscribes = Blueprint("unsubscribes", __name__, url_prefix="/v1/unsubscribes")

_SCOPE = {"type": "string", "pattern": f"^(?:{SCOPE})$"}
FILTERS = (
    query.address_parameter("recipient", "Only this address."),
    query.text_parameter("q", "Only addresses that begin with this.", 254),
    Parameter("scope", "Only this scope. Repeatable.", _SCOPE, repeatable=True),
    query.moment_parameter("created_after", "Only what was added at this time or later."),
    query.moment_parameter("created_before", "Only what was added before this time."),
)
REASON = query.choices_parameter("reason", "Only suppressions for this reason.", REASONS)
LISTED = (REASON, *FILTERS, *query.PAGED)
UNSUBSCRIBES_LISTED = (*FILTERS, *query.PAGED)
IN_SCOPE = (Parameter("scope", "Only in this scope; all of the address's unless given.", _SCOPE),)
WHICH = {"which": Parameter("which", "The id, or the address.", {"type": "string", "pattern": "^[^/]+$"}, id_of="sup")}


@blueprint.post("")
@scope("suppressions:write", idempotent=True)
@contract(takes=SuppressionIn, answers={201: SuppressionOut, 200: SuppressionOut})
def add_suppression() -> Response:
    """Stop all mail to an address. 201 when new, 200 when it was suppressed already."""
    return _add("manual")


@unsubscribes.post("")
@scope("suppressions:write", idempotent=True)
@contract(takes=UnsubscribeIn, answers={201: SuppressionOut, 200: SuppressionOut})
def add_unsubscribe() -> Response:
    """Record that a recipient unsubscribed."""
    return _add(UNSUBSCRIBED, only=UNSUBSCRIBED)


def _add(default: str, only: str | None = None) -> Response:
    fields = load(SUPPRESSION_IN, read_object())
    reason = fields.get("reason", default)
    if only is not None and reason != only:
        raise InvalidFields([FieldError("reason", "not_in_enum", f"must be {only}; other reasons are suppressions")])

    def work(connection: Connection) -> Response:
        found, new = suppressions.add(
            connection,
            g.principal,
            recipient=parse_address(fields["recipient"]["email"]),
            reason=reason,
            scope=fields.get("scope", ALL),
            note=fields.get("note"),
            expires_at=fields.get("expires_at"),
        )
        return json_answer(found, 201 if new else 200)

    return answer_once(fields, work)


@blueprint.get("")
@scope("suppressions:read")
@contract(answers={200: page_of(SuppressionOut)}, query=LISTED, errors=("invalid_cursor",))
def list_suppressions() -> Response:
    """Suppressions, newest first."""
    query.only(*LISTED)
    return _list(query.choices("reason", REASONS))


@unsubscribes.get("")
@scope("suppressions:read")
@contract(answers={200: page_of(SuppressionOut)}, query=UNSUBSCRIBES_LISTED, errors=("invalid_cursor",))
def list_unsubscribes() -> Response:
    """Unsubscribes, newest first."""
    query.only(*UNSUBSCRIBES_LISTED)
    return _list([UNSUBSCRIBED])


def _list(reasons: list[str]) -> Response:
    filters = read_filters(reasons)
    return answer_list(suppressions.find, g.principal, filters, marked=asdict(filters))


def read_filters(reasons: list[str]) -> Filters:
    """The filters in the query, those of a list and of an export alike."""
    return Filters(
        reasons=tuple(reasons),
        scopes=tuple(_scopes()),
        recipient=query.address_key("recipient"),
        prefix=query.text("q", 254),
        created_after=query.moment("created_after"),
        created_before=query.moment("created_before"),
    )


def _scopes() -> list[str]:
    found = request.args.getlist("scope")
    for each in found:
        if not is_scope(each):
            raise query.refuse("scope", "invalid_format", "must be all, stream:<name> or topic:<name>")
    return found


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
@contract(answers={204: None}, query=IN_SCOPE, path=WHICH)
def remove_suppression(which: str) -> Response:
    """Let mail to an address through again: in every scope, or in one."""
    query.only(*IN_SCOPE)
    found, scopes = _which(which), _scopes()
    with transaction() as connection:
        suppressions.remove(connection, g.principal, found, scope=scopes[0] if scopes else None)
    return no_content()


@unsubscribes.delete("/<which>")
@scope("suppressions:write", idempotent=False)
@contract(answers={204: None}, query=IN_SCOPE, path=WHICH)
def remove_unsubscribe(which: str) -> Response:
    """Record that a recipient subscribed again: in every scope, or in one."""
    query.only(*IN_SCOPE)
    found, scopes = _which(which), _scopes()
    with transaction() as connection:
        suppressions.remove(connection, g.principal, found, UNSUBSCRIBED, scopes[0] if scopes else None)
    return no_content()


def _which(text: str) -> str | UUID:
    found = decode("sup", text)
    if found is not None:
        return found
    try:
        return parse_address(text).key
    except AddressError as error:
        raise NotFound("This is neither a suppression's id nor an address.") from error
