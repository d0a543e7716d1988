"""The shapes of explanations: a message to be or one that was, and the whole decision about it."""

from typing import Any

from api.v1.schemas import out
from api.v1.schemas.fields import In
from api.v1.schemas.lists import Ident
from api.v1.schemas.messages import MESSAGE_IN, MessageIn
from api.v1.schemas.out import told

_NULL = {"type": "null"}
_NAMES = tuple(MessageIn().fields)
_TOGETHER: dict[str, Any] = MESSAGE_IN.together  # type: ignore[attr-defined]


def _as_message(each: dict[str, Any]) -> dict[str, Any]:
    """One form of a message, with what `recipient` is required for."""
    properties = {**each["properties"], "recipient": {"type": ["string", "object"]}, "message_id": _NULL}
    return {"required": [*each["required"], "recipient"], "properties": properties}


class _Explain(In):
    samples = {
        "mail": {"recipient": "user@example.com", "subject": "Your code", "text": "847291", "tags": ["otp"]},
    }
    together = {
        "anyOf": [
            *(_as_message(each) for each in _TOGETHER["anyOf"]),
            {
                "required": ["message_id"],
                "properties": {**{name: _NULL for name in _NAMES}, "message_id": {"type": "string"}},
            },
        ],
        "allOf": _TOGETHER["allOf"],
    }


def _optional(name: str, field: Any) -> Any:
    if name != "recipient":
        return field
    return type(field)(metadata=field.metadata)


_MESSAGE_ID = Ident("msg", metadata=told("Instead of a mail: a message of this account."))

RoutingExplainIn = _Explain.from_dict(
    {**{name: _optional(name, field) for name, field in MessageIn._declared_fields.items()}, "message_id": _MESSAGE_ID},
    name="RoutingExplainIn",
)
"""As it is described; it is read by one of the two forms."""


class _ById(In):
    message_id = Ident("msg", required=True)


BY_ID_IN = _ById()


class FailedTermOut(out.Out):
    """The first term of a rule that does not hold."""

    term = out.text("Which.", "tag")
    wanted = out.anything("What the rule asks for.", ["otp"])
    found = out.anything("What the message has there.", ["promo"])


class AskedRuleOut(out.Out):
    """One rule, and whether it fits."""

    name = out.text("Its name.", "otp-by-ses")
    origin = out.text("`account` or `operator`.", "account")
    act = out.text("What it would do.", "pool")
    asked = out.flag("Whether no rule before it fits.")
    matched = out.flag("Whether it fits.")
    failed = out.nested(FailedTermOut, "Why it does not; null when it does.", null=True)


class CandidateOut(out.Out):
    """One member of a pool as it stood."""

    source = out.text("Its source.", "ses-eu")
    pool = out.text("The pool.", "transactional")
    role = out.text("`primary` or `standby`.", "primary")
    weight = out.number("Its share.", 3.0)
    health = out.number("The share of good outcomes to expect, from 0 to 1.", 0.98)
    draw = out.number("What was drawn for it; its share is weight times the fourth power of draw times latency.", 0.98)
    latency = out.number("1 for a fast path, down to 0.5 for one that takes ever longer.", 1.0, always=False)
    warmup_left = out.whole("What its warm-up leaves now; null when it is not warming.", null=True)
    excluded = out.text("Why it cannot be used: `missing`, `warmup_limit`, `circuit_open`.", null=True)


class DecisionOut(out.Out):
    """What becomes of it, and why."""

    act = out.text("`send`, `hold`, `wait`, `reject`, or `none` when no source may carry it.", "send")
    reason = out.text("Why, in words.", "rule otp-by-ses: primary of the pool transactional")
    rule = out.text("The rule that decided.", "otp-by-ses", null=True)
    rule_origin = out.text("`account` or `operator`.", null=True)
    pool = out.text("The pool.", null=True)
    source = out.text("The way out.", "ses-eu", null=True)
    path = out.text("Way out and destination.", "ses-eu/relay", null=True)
    candidates = out.listed(CandidateOut, "The members that were looked at.")
    tls = out.text("What the rule demands.", null=True)
    until = out.moment("When a hold ends; null without an end.", null=True)
    recorded_at = out.moment("When it was decided; null while it is only what would be.", null=True)


class TermOut(out.Out):
    """One value that holds for it, and who set it."""

    key = out.text("`retry`, `guarantee`, `in_doubt`, `tls` or `expires_at`.", "retry")
    value = out.anything("The value.", "otp")
    origin = out.text(
        "`rule …`, `message`, `account`, `operator`, `account_setting`, `source` or `built_in`.", "rule otp"
    )


class PlannedAttemptOut(out.Out):
    """One attempt, if all before it are deferred."""

    number = out.whole("Its number.", 1)
    at = out.moment("When, without jitter.")
    after_seconds = out.number("Seconds after the one before.", 30.0)


class PaceLevelOut(out.Out):
    """One thing with limits of its own: a relay, a site (the mail hosts), or the provider around it."""

    level = out.text("`relay`, `site` or `provider`.", "provider")
    connections = out.whole("At once, at most.", 5)
    connections_origin = out.text(
        "`built_in`, `provider …`, `account`, `operator`, or `automation … until …`.", "provider google"
    )
    connections_believed = out.whole("How many it is believed to bear now.", 4, null=True)
    connections_in_use = out.whole("How many are in use now; null while that is not known.", 3, null=True)
    connections_shown_for_seconds = out.number("So long a limit that it has shown is not tried again.", null=True)
    connects_per_minute = out.whole("New connections, at most; null without a limit.", 100, null=True)
    connect_wait_seconds = out.number("How soon one more may be opened.", 0.0, null=True)
    per_second = out.number("Mails, at most.", 100.0)
    per_second_origin = out.text("As above; of a relay also `profile …`.", "automation google-rate until …")
    rate_wait_seconds = out.number("How soon the rate lets the next mail go.", 0.0, null=True)
    rests_for_seconds = out.number("So long it is left alone: it asked for less, or nobody answers.", null=True)


class PacingOfPathOut(out.Out):
    """How mail of this way out is paced there, and how much of it is used now."""

    source = out.text("The way out.", "ses-eu")
    place = out.text("The destination.", "google")
    levels = out.listed(PaceLevelOut, "The narrower first; all of them must allow a mail.")
    waits_for = out.text(
        "What a mail would wait for now: `connections`, `connects`, `rate`, `queue`, `rest`, `suspended`.",
        "rate",
        null=True,
    )
    detail = out.text("The same as a sentence.", "Pacing of google: 2 mails a second are the limit.", null=True)
    next_at = out.moment("When the next mail may go, at the latest; null while that is not known.", null=True)


class RoutingOut(out.Out):
    """The whole decision about a mail."""

    message_id = out.ident("msg", "The message; null for one that is not sent.", null=True)
    recipient = out.text("Who receives it.", "user@example.com")
    recipient_domain = out.text("Its domain, in ASCII.", "example.com")
    provider = out.text("Whose servers take its mail, where known.", null=True)
    mail_hosts = out.listed(out.text("A host.", "mx.example.com"), "Its mail hosts, where known.")
    environment = out.text("`live` or `test`.", "live")
    priority = out.text("Its tier.", "critical")
    suppression = out.text("Why the address is suppressed; null when it is not.", null=True)
    suppression_passed = out.flag("Whether the policy lets it go all the same.")
    hold = out.ident("hld", "What keeps it back now; holds by tag, template or key only of a message.", null=True)
    policy_version = out.whole("The policy that rules it.", 3)
    defaults_version = out.whole("The operator's defaults under it; 0 when there are none.", 0)
    canary = out.flag("Whether it is ruled by a version that is only being tried.")
    decision = out.nested(DecisionOut, "What becomes of it.")
    rules = out.listed(AskedRuleOut, "Every rule in order.")
    terms = out.listed(TermOut, "What holds for it, with origins.")
    pacing = out.nested(PacingOfPathOut, "The pace of its way; null for a sink, without a way, at its end.", null=True)
    attempts = out.listed(PlannedAttemptOut, "The timetable.")
    expires_at = out.moment("When it is given up.", null=True)
