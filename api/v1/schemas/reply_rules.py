"""The shapes of reply rules and of replies that no rule knows: as they are asked for, and as they are shown."""

import re
from typing import Any

from marshmallow import ValidationError, fields, pre_load, validates_schema

from api.v1.schemas import out
from api.v1.schemas.fields import Choice, Coded, In, Note, Text, Whole, YesNo, wrong
from api.v1.schemas.lists import Listed
from api.v1.schemas.out import told
from common.domain.categories import CATEGORIES
from common.domain.profiles import PROFILES
from common.domain.providers import PROVIDERS
from common.services.reply_rules import AGAINST_ADDRESSES, MOST, lacking

STAGES = ("banner", "ehlo", "tls", "auth", "mail", "rcpt", "data", "dot")
NAMES = tuple(dict.fromkeys([each.name for each in PROVIDERS] + list(PROFILES)))
CHOICES = tuple(name for name in CATEGORIES if name not in ("delivered", "complaint", "auto_reply", "expired"))
_MILD = [name for name in CHOICES if name not in AGAINST_ADDRESSES]
_PHRASE = r"[^\x00-\x20\x7f<>@][^\x00-\x1f\x7f<>@]{1,198}[^\x00-\x20\x7f<>@]"
_NAME = r"[a-z0-9][a-z0-9_-]{0,62}"


class Phrase(Text):
    """Plain words that a reply holds, in any case."""

    def read(self, value: Any) -> str:
        return re.sub(" +", " ", super().read(value).lower())


class Id(Coded):
    """An id with one prefix, as text."""

    def __init__(self, prefix: str, **options: Any) -> None:
        super().__init__(**options)
        self._prefix = prefix

    def read(self, value: Any) -> str:
        if type(value) is not str or not value.startswith(f"{self._prefix}_"):
            raise wrong("invalid_format", f"must be an id such as {self._prefix}_01jq8z4m3hf5v9t2c6w7x8y0ab")
        return value

    def describe(self) -> dict[str, Any]:
        return {"type": "string", "pattern": f"^{self._prefix}_[0-7][0-9a-hjkmnp-tv-z]{{25}}$"}


def _conditions() -> dict[str, Coded]:
    return {
        "says": Listed(
            Phrase(200, line=True, pattern=_PHRASE),
            20,
            metadata=told(
                "Any one of these phrases; ` ... ` in a phrase stands for anything. Addresses and links in a reply "
                "do not count.",
                ["mailbox is not activated"],
            ),
        ),
        "codes": Listed(Whole(400, 599), 20, metadata=told("Any one of these codes.", [550])),
        "code_class": Whole(4, 5, metadata=told("4 for passing refusals, 5 for lasting ones; both unless given.", 5)),
        "enhanced": Listed(
            Text(7, pattern=r"[0-9]\.[0-9]{1,3}"),
            20,
            metadata=told("Any one of these enhanced codes, without their class.", ["7.28"]),
        ),
        "stages": Listed(Choice(STAGES), 8, metadata=told("Only at these stages.", ["rcpt"])),
        "provider": Choice(NAMES, metadata=told("Only from this provider or relay profile.", "google")),
        "kind": Choice(
            ("deferred", "bounced"),
            metadata=told("What becomes of the message; by the reply's code unless given.", "deferred"),
        ),
    }


def _rest(required: bool) -> dict[str, Coded]:
    return {
        "name": Text(
            63, required=required, pattern=_NAME, metadata=told("Its name: attempts tell it.", "acme-not-activated")
        ),
        "category": Choice(CHOICES, required=required, metadata=told("What such a reply means.", "mailbox_disabled")),
        "source": Text(
            500,
            least=1,
            line=True,
            required=required,
            metadata=told("Where this was learnt: a page, a ticket, a person.", "https://postmaster.example.com/codes"),
        ),
        "position": Whole(1, MOST, metadata=told("Its place among the operators' rules; the last unless given.", 1)),
        "enabled": YesNo(metadata=told("Whether it is asked; true unless given.", True)),
    }


class _Rule(In):
    """What a rule must have is told across fields."""

    together = {
        "anyOf": [
            {"required": ["says"], "properties": {"says": {"type": "array", "items": {}}}},
            {"required": ["enhanced"], "properties": {"enhanced": {"type": "array", "items": {}}}},
            {
                "required": ["codes"],
                "properties": {"codes": {"type": "array", "items": {}}, "category": {"enum": _MILD}},
            },
        ]
    }

    @pre_load
    def drop_nulls(self, data: Any, **_: Any) -> Any:
        """null is absent here too."""
        return {name: value for name, value in data.items() if value is not None} if isinstance(data, dict) else data

    @validates_schema(skip_on_field_errors=True)
    def check_together(self, data: dict[str, Any], **_: Any) -> None:
        """A rule says something, and does not suppress by a code alone."""
        fault = lacking(data)
        if fault:
            raise ValidationError({"says": [Note("required", f"is required: the rule {fault}")]})


ReplyRuleIn = _Rule.from_dict({**_rest(True), **_conditions()}, name="ReplyRuleIn")
REPLY_RULE_IN = ReplyRuleIn()
ReplyRuleChangeIn = In.from_dict({**_rest(False), **_conditions()}, name="ReplyRuleChangeIn")
REPLY_RULE_CHANGE_IN = ReplyRuleChangeIn()
CLEARABLE = tuple(_conditions())
"""What a PATCH may set to null: the condition falls away."""

DraftRuleIn = _Rule.from_dict(
    {"category": Choice(CHOICES, required=True, metadata=told("What such a reply would mean.")), **_conditions()},
    name="DraftRuleIn",
)


class ReplyTryIn(In):
    reply = Text(
        4000,
        least=3,
        required=True,
        pattern=r"[45][0-9]{2}(?:[ -][^\x00]*)?",
        metadata=told("The reply, code first, as a transcript shows it.", "550 5.1.1 No such user here"),
    )
    stage = Choice(STAGES, metadata=told("What it answers; `rcpt` unless given.", "rcpt"))
    provider = Choice(NAMES, metadata=told("Whose server says it.", "google"))
    draft = fields.Nested(
        DraftRuleIn, allow_none=True, metadata=told("A rule that is not kept, asked before all others.")
    )


REPLY_TRY_IN = ReplyTryIn()


class ReplyOrderIn(In):
    ids = Listed(
        Id("rul"),
        MOST,
        required=True,
        metadata=told("Every rule of an operator, once, in the order wanted.", ["rul_01jq8z4m3hf5v9t2c6w7x8y0ab"]),
    )


REPLY_ORDER_IN = ReplyOrderIn()


class ReplyRuleOut(out.Out):
    """A rule about refusals."""

    id = out.ident("rul", "Its id; null for a built-in rule, which cannot be changed.", null=True)
    name = out.text("Its name: attempts tell it.", "acme-not-activated")
    origin = out.text("`operator` or `built_in`. Operators' rules are asked first, in their order.", "operator")
    category = out.text("What such a reply means.", "mailbox_disabled")
    kind = out.text("`deferred` or `bounced`; null for what the code says.", null=True)
    says = out.listed(out.text("A phrase.", "mailbox is not activated"), "Any one of these; all when empty.")
    codes = out.listed(out.whole("A code.", 550), "Any one of these; all when empty.")
    code_class = out.whole("4, 5, or null for both.", 5, null=True)
    enhanced = out.listed(
        out.text("An enhanced code without its class; empty for a reply that has none.", "7.28"),
        "Any one of these; all when empty.",
    )
    stages = out.listed(out.text("A stage.", "rcpt"), "Any one of these; all when empty.")
    provider = out.text("Only from this provider.", null=True)
    source = out.text("Where this was learnt.", "https://postmaster.example.com/codes")
    enabled = out.flag("Whether it is asked.")
    created_at = out.moment("When it was made.", null=True)
    updated_at = out.moment("When it was last changed.", null=True)


class MatchedRuleOut(out.Out):
    """The rule that decided."""

    id = out.ident("rul", "Its id, if it is an operator's.", null=True)
    name = out.text("Its name.", "user-unknown")
    origin = out.text("`operator`, `built_in`, `draft`, or `table` when only the code told something.", "built_in")
    source = out.text("Where this was learnt.")


class ConsequencesOut(out.Out):
    """What follows, one sentence each."""

    message = out.text("For the message.", "It bounces.")
    path = out.text("For the way it went.", "The host works: it counts for the path.")
    address = out.text("For the recipient's address.", "It is suppressed: nothing more is sent to it.")


class ReplyVerdictOut(out.Out):
    """What a reply means."""

    kind = out.text("`deferred` or `bounced`.", "bounced")
    category = out.text("The category.", "invalid_recipient")
    enhanced = out.text("The enhanced code, when its class fits the code.", "5.1.1", null=True)
    rule = out.nested(MatchedRuleOut, "The rule that decided.")
    consequences = out.nested(ConsequencesOut, "What follows.")


class UnknownReplyOut(out.Out):
    """A kind of refusal that no rule knows."""

    id = out.ident("unk", "Its id.")
    form = out.text("The text by which it is counted, without numbers, addresses and ids.", "try <n> again")
    example = out.text("How it was last said, without addresses.", "try 7 again")
    stage = out.text("What it answered.", "rcpt")
    code = out.whole("Its code.", 450, null=True)
    enhanced = out.text("Its enhanced code.", "4.7.1", null=True)
    provider = out.text("Whose server said it, where that is known.", null=True)
    category = out.text("What its code alone made of it.", "undetermined")
    count = out.whole("How often it was said.", 17)
    first_seen_at = out.moment("When it was first said.")
    last_seen_at = out.moment("When it was last said.")
