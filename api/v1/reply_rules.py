"""Reply rules: what refusals mean, in the operators' words before the built-in ones; and what no rule knows.

They hold for the whole installation: everybody may read and try, an operator (`admin`) changes.
"""

from flask import Blueprint, Response

from api import query
from api.answers import json_answer, no_content
from api.auth import scope
from api.body import read_object
from api.contract import contract
from api.idempotency import answer_once
from api.lists import answer_list, answer_whole
from api.v1.schemas.fields import load
from api.v1.schemas.out import page_of
from api.v1.schemas.reply_rules import (
    CHOICES,
    CLEARABLE,
    NAMES,
    REPLY_ORDER_IN,
    REPLY_RULE_CHANGE_IN,
    REPLY_RULE_IN,
    REPLY_TRY_IN,
    ReplyOrderIn,
    ReplyRuleChangeIn,
    ReplyRuleIn,
    ReplyRuleOut,
    ReplyTryIn,
    ReplyVerdictOut,
    UnknownReplyOut,
)
from common.db.session import transaction
from common.domain.ids import decode
from common.services import reply_rules, unknown_replies

blueprint = Blueprint("reply_rules", __name__, url_prefix="/v1/reply-rules")
trials = Blueprint("reply_trials", __name__, url_prefix="/v1/reply-trials")
ordering = Blueprint("reply_rule_order", __name__, url_prefix="/v1/reply-rule-order")
unknown = Blueprint("unknown_replies", __name__, url_prefix="/v1/unknown-replies")

ORIGINS = ("operator", "built_in")
LISTED = (query.choices_parameter("origin", "Only rules of this origin.", ORIGINS),)
UNKNOWN_LISTED = (
    query.choices_parameter("category", "Only what its code alone made this of.", CHOICES),
    query.choices_parameter("provider", "Only from this provider.", NAMES),
    *query.PAGED,
)


@blueprint.get("")
@scope("messages:read")
@contract(answers={200: page_of(ReplyRuleOut)}, query=LISTED)
def list_reply_rules() -> Response:
    """All rules in the order in which they are asked: the first that fits decides."""
    query.only(*LISTED)
    with transaction() as connection:
        found = reply_rules.find(connection, query.choices("origin", ORIGINS))
    return answer_whole(found)


@blueprint.post("")
@scope("admin", idempotent=True)
@contract(takes=ReplyRuleIn, answers={201: ReplyRuleOut}, errors=("conflict",))
def create_reply_rule() -> Response:
    """Add a rule. Delivery workers follow within seconds."""
    query.only()
    given = load(REPLY_RULE_IN, read_object())
    return answer_once(given, lambda connection: json_answer(reply_rules.create(connection, given), 201))


@trials.post("")
@scope("messages:read", idempotent=False)
@contract(takes=ReplyTryIn, answers={200: ReplyVerdictOut})
def try_reply() -> Response:
    """What a reply means, which rule says so, and what follows; with a `draft`, what a new rule would change."""
    query.only()
    given = load(REPLY_TRY_IN, read_object())
    code, text = int(given["reply"][:3]), given["reply"][4:]
    with transaction() as connection:
        found = reply_rules.try_out(
            connection, code=code, text=text, stage=given.get("stage", "rcpt"),
            provider=given.get("provider"), draft=given.get("draft"),
        )  # fmt: skip
    return json_answer(found)


@ordering.put("")
@scope("admin", idempotent=False)
@contract(takes=ReplyOrderIn, answers={200: page_of(ReplyRuleOut)}, errors=("conflict",))
def order_reply_rules() -> Response:
    """Ask the operators' rules in this order."""
    query.only()
    given = load(REPLY_ORDER_IN, read_object())
    ids = [which for each in given["ids"] if (which := decode("rul", each)) is not None]
    with transaction() as connection:
        found = reply_rules.order(connection, ids)
    return answer_whole(found)


@blueprint.get("/<rule_id>")
@scope("messages:read")
@contract(answers={200: ReplyRuleOut})
def read_reply_rule(rule_id: str) -> Response:
    """One rule of an operator."""
    query.only()
    which = query.path_id("rul", rule_id)
    with transaction() as connection:
        return json_answer(reply_rules.get(connection, which))


@blueprint.patch("/<rule_id>")
@scope("admin", idempotent=False)
@contract(takes=ReplyRuleChangeIn, answers={200: ReplyRuleOut}, errors=("conflict",))
def change_reply_rule(rule_id: str) -> Response:
    """Change a rule of an operator; null lifts a condition."""
    query.only()
    which, body = query.path_id("rul", rule_id), read_object()
    cleared = {name: None for name in CLEARABLE if name in body and body[name] is None}
    given = load(REPLY_RULE_CHANGE_IN, body) | cleared
    with transaction() as connection:
        return json_answer(reply_rules.change(connection, which, given))


@blueprint.delete("/<rule_id>")
@scope("admin", idempotent=False)
@contract(answers={204: None})
def delete_reply_rule(rule_id: str) -> Response:
    """Remove a rule of an operator."""
    query.only()
    which = query.path_id("rul", rule_id)
    with transaction() as connection:
        reply_rules.remove(connection, which)
    return no_content()


@unknown.get("")
@scope("admin")
@contract(answers={200: page_of(UnknownReplyOut)}, query=UNKNOWN_LISTED, errors=("invalid_cursor",))
def list_unknown_replies() -> Response:
    """Refusals that no rule knows, counted by form, the last seen first: each is a rule that is missing."""
    query.only(*UNKNOWN_LISTED)
    categories, providers = query.choices("category", CHOICES), query.choices("provider", NAMES)
    return answer_list(unknown_replies.find, categories=categories, providers=providers)


@unknown.get("/<unknown_id>")
@scope("admin")
@contract(answers={200: UnknownReplyOut})
def read_unknown_reply(unknown_id: str) -> Response:
    """One kind of refusal that no rule knows."""
    query.only()
    which = query.path_id("unk", unknown_id)
    with transaction() as connection:
        return json_answer(unknown_replies.get(connection, which))


@unknown.delete("/<unknown_id>")
@scope("admin", idempotent=False)
@contract(answers={204: None})
def forget_unknown_reply(unknown_id: str) -> Response:
    """Forget a form, say because there is a rule now; it counts anew when it is said again."""
    query.only()
    which = query.path_id("unk", unknown_id)
    with transaction() as connection:
        unknown_replies.forget(connection, which)
    return no_content()
