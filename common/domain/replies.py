"""An SMTP reply to its meaning: kind, category and whether the address is at fault. One ordered table.

A new quirk is one row with the reply that taught it. Never here: sockets.
"""

import re
from dataclasses import dataclass

from common.domain.outcomes import Kind


@dataclass(frozen=True, slots=True)
class Rule:
    """Matches when stage, class of code and text all fit; None fits anything. `text` is lower case."""

    category: str
    code_class: int | None = None
    enhanced: str | None = None
    text: str | None = None
    stage: str | None = None
    kind: Kind | None = None


RULES: tuple[Rule, ...] = (
    Rule("greylisted", 4, text="greylist"),
    Rule("greylisted", 4, text="graylist"),
    Rule("mailbox_full", text="mailbox full"),
    Rule("mailbox_full", text="over quota"),
    Rule("mailbox_full", enhanced="2.2"),
    Rule("mailbox_disabled", text="account disabled"),
    Rule("mailbox_disabled", enhanced="2.1"),
    Rule("relaying_denied", 5, text="relay"),
    Rule("reputation", text="blacklist"),
    Rule("reputation", text="block list"),
    Rule("reputation", text="reputation"),
    Rule("reputation", text="spamhaus"),
    Rule("throttled", 4, text="rate limit"),
    Rule("throttled", 4, text="too many"),
    Rule("throttled", 4, enhanced="7.28"),
    Rule("sender_auth", text="dmarc"),
    Rule("sender_auth", text="dkim"),
    Rule("sender_auth", text="spf"),
    Rule("content", 5, text="spam"),
    Rule("content", 5, text="virus"),
    Rule("too_large", 5, enhanced="3.4"),
    Rule("too_large", 5, text="too large"),
    Rule("too_large", 5, text="size exceeds"),
    Rule("invalid_recipient", 5, enhanced="1.1"),
    Rule("invalid_recipient", 5, enhanced="1.6"),
    Rule("invalid_recipient", 5, text="user unknown", stage="rcpt"),
    Rule("invalid_recipient", 5, text="no such user", stage="rcpt"),
    Rule("invalid_recipient", 5, text="does not exist", stage="rcpt"),
    Rule("invalid_recipient", 5, text="unknown user", stage="rcpt"),
    Rule("bad_domain", 5, enhanced="1.2"),
    Rule("bad_domain", 5, enhanced="1.10"),
    Rule("policy", enhanced="7.1"),
    Rule("policy", 5, text="policy"),
    Rule("protocol", 5, enhanced="5.2"),
    Rule("remote_error", 4, enhanced="3.2"),
)

_ENHANCED = re.compile(r"([245])\.(\d{1,3}\.\d{1,3})(?:\s|$)")
_SUPPRESSING = frozenset({"invalid_recipient"})


def suppresses(category: str) -> bool:
    """Whether a permanent refusal of this category is the recipient's fault."""
    return category in _SUPPRESSING


def enhanced_of(code: int, text: str) -> str | None:
    """The enhanced status code (RFC 3463) at the start of a reply, if its class fits the code's."""
    found = _ENHANCED.match(text)
    if found is None or int(found[1]) != code // 100:
        return None
    return f"{found[1]}.{found[2]}"


def classify(stage: str, code: int, text: str) -> tuple[Kind, str, str | None]:
    """Kind, category and enhanced code of a refusal (4xx or 5xx)."""
    enhanced = enhanced_of(code, text)
    detail = enhanced.partition(".")[2] if enhanced else None
    lowered = text.lower()
    for rule in RULES:
        if (
            (rule.code_class is None or rule.code_class == code // 100)
            and (rule.enhanced is None or rule.enhanced == detail)
            and (rule.text is None or rule.text in lowered)
            and (rule.stage is None or rule.stage == stage)
        ):
            return rule.kind or _kind(code), rule.category, enhanced
    if code // 100 == 5 and stage == "rcpt" and code in (550, 551, 553):
        return "bounced", "undetermined", enhanced
    return _kind(code), "undetermined", enhanced


def _kind(code: int) -> Kind:
    return "bounced" if code // 100 == 5 else "deferred"
