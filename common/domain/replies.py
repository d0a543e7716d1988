"""An SMTP reply to its meaning: kind, category and the rule that said so. Ordered rules, then tables of codes.

The rules are in `reply_rules.py`; operators add their own before them. Never here: sockets, storage.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from common.domain.categories import is_hard, suppresses
from common.domain.outcomes import Kind
from common.domain.reply_matching import Facts, Rule, class_of, fits, plain
from common.domain.reply_rules import LATE, RULES


@dataclass(frozen=True, slots=True)
class Verdict:
    """`rule` is the name of the rule, or the table that decided when none matched."""

    kind: Kind
    category: str
    enhanced: str | None
    rule: str


# RFC 3463 and the enhanced-code registry, as far as a code alone tells something.
_BY_ENHANCED = {
    "1.0": "invalid_recipient",
    "1.1": "invalid_recipient",
    "1.3": "invalid_recipient",
    "1.4": "invalid_recipient",
    "1.6": "invalid_recipient",
    "1.2": "bad_domain",
    "1.10": "bad_domain",
    "1.7": "sender_rejected",
    "1.8": "sender_rejected",
    "2.0": "undetermined",
    "2.1": "mailbox_disabled",
    "2.2": "mailbox_full",
    "2.3": "too_large",
    "2.4": "remote_error",
    "3.0": "remote_error",
    "3.1": "remote_error",
    "3.2": "remote_error",
    "3.4": "too_large",
    "3.5": "remote_error",
    "4.0": "remote_error",
    "4.1": "connection",
    "4.2": "connection",
    "4.3": "dns",
    "4.4": "dns",
    "4.5": "throttled",
    "4.6": "remote_error",
    "4.7": "expired",
    "5.1": "protocol",
    "5.2": "protocol",
    "5.4": "protocol",
    "5.3": "throttled",
    "7.1": "policy",
    "7.8": "sender_auth",
    "7.20": "sender_auth",
    "7.21": "sender_auth",
    "7.22": "sender_auth",
    "7.23": "sender_auth",
    "7.24": "sender_auth",
    "7.25": "sender_auth",
    "7.26": "sender_auth",
    "7.27": "sender_auth",
    "7.28": "throttled",
    "7.29": "tls",
    "7.30": "sender_auth",
    "7.31": "sender_auth",
    "7.32": "sender_auth",
    "7.515": "sender_auth",
}
_BY_SUBJECT = {"6": "content", "7": "policy"}
_BY_CODE = {
    421: "remote_error",
    452: "remote_error",
    454: "tls",
    500: "protocol",
    501: "protocol",
    502: "protocol",
    503: "protocol",
    504: "protocol",
    530: "sender_auth",
    535: "sender_auth",
    556: "bad_domain",
}

AFTER_OPENING = ("mail", "rcpt", "data", "dot")
"""Stages at which a 5xx may be for ever; before them it says nothing of this mail, and defers."""

_ENHANCED = re.compile(r"([245])\.(\d{1,3}\.\d{1,3})(?![\d.])", re.ASCII)


def enhanced_of(code: int, text: str) -> str | None:
    """The enhanced status code (RFC 3463) at the start of a reply, if its class fits the code's."""
    found = _ENHANCED.match(text)
    if found is None or int(found[1]) != code // 100:
        return None
    return f"{found[1]}.{found[2]}"


def classify(stage: str, code: int, text: str, provider: str | None = None) -> Verdict:
    """A refusal (4xx or 5xx) by the built-in rules."""
    return judge(Facts(text, code, enhanced_of(code, text), stage, provider), RULES)


def judge(facts: Facts, rules: Sequence[Rule]) -> Verdict:
    """The first rule that fits decides; otherwise the enhanced code; otherwise the code.

    At MAIL and before it the address at fault is the sender's, and a 4xx gives no verdict about anybody:
    neither ever becomes a category that speaks against the recipient.
    """
    digit = class_of(facts)
    lowered = plain(facts.text)
    detail = facts.enhanced.partition(".")[2] if facts.enhanced else None
    rule = next((each for each in rules if fits(each, facts, digit, detail, lowered)), None)
    if rule is not None:
        kind, category, name = rule.kind or _kind(digit), rule.category, rule.name
    else:
        category, name = _by_table(facts, detail)
        kind = "deferred" if category == "mailbox_full" else _kind(digit)
    if is_hard(category):
        if facts.stage is not None and facts.stage not in LATE:
            category = "sender_rejected" if facts.stage == "mail" else "undetermined"
        elif digit == 4 and suppresses(category):
            category = "undetermined"
    return Verdict(kind, category, facts.enhanced, name)


def _by_table(facts: Facts, detail: str | None) -> tuple[str, str]:
    """What no rule knows: the category, and the name of the table that told it."""
    if detail is not None:
        category = _BY_ENHANCED.get(detail) or _BY_SUBJECT.get(detail.partition(".")[0])
        if category is not None:
            return category, "enhanced_code"
    if facts.code == 552:
        return ("undetermined" if facts.stage == "rcpt" else "too_large"), "code"
    return _BY_CODE.get(facts.code or 0, "undetermined"), "code"


def _kind(digit: int) -> Kind:
    return "bounced" if digit == 5 else "deferred"
