"""The audit log: who changed what, when and by which request. Never here: the writing (services/auditing.py)."""

from uuid import UUID

from flask import Blueprint, Response, g, request

from api import query
from api.auth import scope
from api.contract import Parameter, contract
from api.lists import answer_list
from api.v1.schemas.audit import AuditEntryOut
from api.v1.schemas.out import page_of
from common.domain.ids import decode
from common.services import auditing

blueprint = Blueprint("audit", __name__, url_prefix="/v1/audit")

_AUTHOR = Parameter(
    "author",
    "Only changes of this key or person.",
    {"type": "string", "pattern": "^(key|usr)_[0-7][0-9a-hjkmnp-tv-z]{25}$"},
)
LISTED = (
    _AUTHOR,
    query.text_parameter("object", "Only changes of what has this id, slug or name.", 100),
    query.text_parameter("action", "Only changes of this kind: an operationId, such as `change_webhook`.", 100),
    query.moment_parameter("created_after", "From this time on."),
    query.moment_parameter("created_before", "Before this time."),
    Parameter(
        "everywhere", "Of all accounts and of commands; needs the scope admin.", {"type": "string", "enum": ["true"]}
    ),
    *query.PAGED,
)


@blueprint.get("")
@scope("audit:read")
@contract(answers={200: page_of(AuditEntryOut)}, query=LISTED, errors=("invalid_cursor",))
def list_audit_entries() -> Response:
    """Every change that a key, a person or a command has made, newest first. Test keys see what test keys did.

    What was refused or changed nothing is no entry. A message is its own record of having been sent.
    """
    query.only(*LISTED)
    return answer_list(
        auditing.find,
        g.principal,
        author=_author(),
        object_id=query.text("object", 100),
        action=query.text("action", 100),
        created_after=query.moment("created_after"),
        created_before=query.moment("created_before"),
        everywhere=bool(query.choices("everywhere", ("true",))),
    )


def _author() -> tuple[str, UUID] | None:
    text = request.args.get("author")
    if text is None:
        return None
    for prefix in ("key", "usr"):
        found = decode(prefix, text)
        if found is not None:
            return prefix, found
    raise query.refuse("author", "invalid_format", "must be the id of a key (key_…) or of a person (usr_…)")
