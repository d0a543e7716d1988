"""The policy: what is published, the draft, whether and how it differs, publishing, versions, rolling back.

With `for=installation` an operator's key speaks of the defaults that lie under every account's policy.
"""

from flask import Blueprint, Response, current_app, g
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
from api.v1.schemas.policy_in import (
    POLICY_IN,
    POLICY_PUBLISH_IN,
    POLICY_ROLLBACK_IN,
    PolicyIn,
    PolicyPublishIn,
    PolicyRollbackIn,
    json_schema,
)
from api.v1.schemas.policy_out import (
    PolicyCheckOut,
    PolicyDiffOut,
    PolicyDraftOut,
    PolicyEffectiveOut,
    PolicyOut,
    PolicySchemaOut,
)
from common.db.session import transaction
from common.domain.errors import Forbidden, NotFound
from common.services import canaries, policies
from common.services.policies import Owner

blueprint = Blueprint("policy", __name__, url_prefix="/v1/policy")

_OWNERS = ("account", "installation")
FOR = Parameter(
    "for",
    "Whose: the account's own, or, with a key of scope `admin`, the defaults of the installation.",
    {"type": "string", "enum": list(_OWNERS), "default": "account"},
)
WHOSE = (FOR,)
_NUMBER = {"type": "integer", "minimum": 1, "maximum": 999_999}
_PATH = {"policy_version": Parameter("policy_version", "The number of a version.", _NUMBER)}
COMPARED = (
    FOR,
    Parameter("from", "The version before; the one in force unless given.", _NUMBER),
    Parameter("to", "The version after; the draft unless given.", _NUMBER),
)
LISTED = (FOR, *query.PAGED)


def owner() -> Owner:
    """Whose policy this request is about. Raises Forbidden."""
    chosen = query.choices("for", _OWNERS)
    if chosen != ["installation"]:
        return Owner(g.principal.account_id, g.principal)
    if not g.principal.may("admin"):
        raise Forbidden("The installation's defaults need a key with the scope admin.", code="insufficient_scope")
    return Owner(None, g.principal)


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 6):
        raise NotFound("The policy has no such version.")
    return int(text)


@blueprint.get("")
@scope("policy:read")
@contract(answers={200: PolicyOut}, query=WHOSE)
def read_policy() -> Response:
    """The policy in force. Version 1 of an account is empty: nothing but automatic routing."""
    query.only(*WHOSE)
    with transaction() as connection:
        return json_answer(policies.current(connection, owner()))


@blueprint.get("/schema")
@scope("policy:read")
@contract(answers={200: PolicySchemaOut})
def read_policy_schema() -> Response:
    """The JSON Schema of a document. What is not in it is not accepted."""
    query.only()
    return json_answer(json_schema())


@blueprint.get("/effective")
@scope("policy:read")
@contract(answers={200: PolicyEffectiveOut}, query=WHOSE)
def read_effective_policy() -> Response:
    """Every value in force with where it comes from: the account, the operator, or what is built in."""
    query.only(*WHOSE)
    with transaction() as connection:
        return json_answer({"data": policies.in_force(connection, current_app.extensions["settings"], owner())})


@blueprint.get("/draft")
@scope("policy:read")
@contract(answers={200: PolicyDraftOut}, query=WHOSE)
def read_policy_draft() -> Response:
    """What may be published next; without a draft, what is in force."""
    query.only(*WHOSE)
    with transaction() as connection:
        return json_answer(policies.draft(connection, owner()))


@blueprint.put("/draft")
@scope("policy:write", idempotent=False)
@contract(takes=PolicyIn, answers={200: PolicyDraftOut}, query=WHOSE)
def replace_policy_draft() -> Response:
    """Write the draft. Its shape is checked here; whether what it names exists, by `validate`."""
    query.only(*WHOSE)
    document = load(POLICY_IN, read_object())
    with transaction() as connection:
        return json_answer(policies.keep_draft(connection, owner(), document))


@blueprint.delete("/draft")
@scope("policy:write", idempotent=False)
@contract(answers={204: None}, query=WHOSE)
def delete_policy_draft() -> Response:
    """Forget the draft."""
    query.only(*WHOSE)
    with transaction() as connection:
        policies.drop_draft(connection, owner())
    return no_content()


@blueprint.post("/draft/validate")
@scope("policy:read", idempotent=False)
@contract(answers={200: PolicyCheckOut}, query=WHOSE)
def validate_policy_draft() -> Response:
    """Whether the draft could be published now, and what is probably not meant."""
    query.only(*WHOSE)
    with transaction() as connection:
        found = policies.draft(connection, owner())["document"]
        return json_answer(policies.check(connection, owner(), found))


@blueprint.get("/draft/diff")
@scope("policy:read")
@contract(answers={200: PolicyDiffOut}, query=COMPARED, errors=("not_found",))
def compare_policies() -> Response:
    """What publishing the draft would change; with `from` and `to`, what differs between versions."""
    query.only(*COMPARED)
    before, after = (query.whole(name, 999_999) for name in ("from", "to"))
    with transaction() as connection:
        return json_answer(policies.compare(connection, owner(), before, after))


@blueprint.post("/publish")
@scope("policy:write", idempotent=True)
@contract(takes=PolicyPublishIn, answers={201: PolicyOut}, query=WHOSE, errors=("conflict",))
def publish_policy() -> Response:
    """The draft comes into force for what is routed from now on. 422 names what keeps it from being published.

    With `canary` it rules a share of the mail first: it is taken back when that is deferred or bounces more than the
    rest allows, and published when its time has passed.
    """
    query.only(*WHOSE)
    fields, whose = load(POLICY_PUBLISH_IN, read_object()), owner()

    def work(connection: Connection) -> Response:
        if "canary" in fields:
            return json_answer(canaries.begin(connection, whose, reason=fields["reason"], canary=fields["canary"]), 201)
        return json_answer(policies.publish(connection, whose, reason=fields["reason"]), 201)

    return answer_once(fields, work)


@blueprint.get("/versions")
@scope("policy:read")
@contract(answers={200: page_of(PolicyOut)}, query=LISTED, errors=("invalid_cursor",))
def list_policy_versions() -> Response:
    """Every version, newest first, with who published it and why."""
    query.only(*LISTED)
    whose = owner()
    return answer_list(policies.find, whose, marked={"for": whose.word})


@blueprint.get("/versions/<policy_version>")
@scope("policy:read")
@contract(answers={200: PolicyOut}, query=WHOSE, path=_PATH, errors=("not_found",))
def read_policy_version(policy_version: str) -> Response:
    """One version."""
    query.only(*WHOSE)
    with transaction() as connection:
        return json_answer(policies.get(connection, owner(), _number(policy_version)))


@blueprint.post("/versions/<policy_version>/rollback")
@scope("policy:write", idempotent=True)
@contract(takes=PolicyRollbackIn, answers={201: PolicyOut}, query=WHOSE, path=_PATH, errors=("not_found", "conflict"))
def roll_policy_back(policy_version: str) -> Response:
    """A new version that says what this one said comes into force. The draft stays."""
    query.only(*WHOSE)
    fields, whose, number = load(POLICY_ROLLBACK_IN, read_object()), owner(), _number(policy_version)

    def work(connection: Connection) -> Response:
        return json_answer(policies.roll_back(connection, whose, number, reason=fields["reason"]), 201)

    return answer_once(fields, work)
