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


# Who sent it and what it says come before who receives it: a block that is mistaken for a bad address
# would suppress a good one. A full mailbox empties again, so its 5xx is retried too.
RULES: tuple[Rule, ...] = (
    Rule("greylisted", 4, text="greylist"),
    Rule("greylisted", 4, text="graylist"),
    Rule("greylisted", 4, text="grey-list"),
    Rule("reputation", text="blacklist"),
    Rule("reputation", text="blocklist"),
    Rule("reputation", text="block list"),
    Rule("reputation", text="blocked using"),
    Rule("reputation", text="reputation"),
    Rule("reputation", text="spamhaus"),
    Rule("reputation", text="spamcop"),
    Rule("reputation", text="dnsbl"),
    Rule("reputation", text="temporarily deferred due to"),
    Rule("throttled", 4, text="rate limit"),
    Rule("throttled", 4, text="too many"),
    Rule("throttled", 4, text="too fast"),
    Rule("throttled", 4, text="unusual rate"),
    Rule("throttled", 4, enhanced="7.28"),
    Rule("throttled", 5, text="receiving mail at a rate", kind="deferred"),
    Rule("sender_auth", text="dmarc"),
    Rule("sender_auth", text="dkim"),
    Rule("sender_auth", text="spf"),
    Rule("sender_auth", text="reverse dns"),
    Rule("sender_auth", text="ptr record"),
    Rule("content", 5, text="spam"),
    Rule("content", 5, text="virus"),
    Rule("content", 5, text="malware"),
    Rule("mailbox_full", text="mailbox full", kind="deferred"),
    Rule("mailbox_full", text="mailbox is full", kind="deferred"),
    Rule("mailbox_full", text="over quota", kind="deferred"),
    Rule("mailbox_full", text="quota exceeded", kind="deferred"),
    Rule("mailbox_disabled", 5, text="out of storage space and inactive"),
    Rule("mailbox_full", text="out of storage", kind="deferred"),
    Rule("mailbox_full", enhanced="2.2", kind="deferred"),
    Rule("mailbox_disabled", 5, text="account disabled"),
    Rule("mailbox_disabled", 5, text="mailbox disabled"),
    Rule("mailbox_disabled", 5, text="account is disabled"),
    Rule("mailbox_disabled", 5, text="mailbox is disabled"),
    Rule("relaying_denied", 5, text="relay"),
    Rule("sender_rejected", 5, text="sender address rejected"),
    Rule("sender_rejected", 5, stage="mail", text="sender"),
    Rule("too_large", 5, text="too large"),
    Rule("too_large", 5, text="size exceeds"),
    Rule("too_large", 5, text="exceeds size"),
    Rule("invalid_recipient", 5, text="user unknown", stage="rcpt"),
    Rule("invalid_recipient", 5, text="unknown user", stage="rcpt"),
    Rule("invalid_recipient", 5, text="no such user", stage="rcpt"),
    Rule("invalid_recipient", 5, text="no such recipient", stage="rcpt"),
    Rule("invalid_recipient", 5, text="no mailbox here", stage="rcpt"),
    Rule("invalid_recipient", 5, text="mailbox not found", stage="rcpt"),
    Rule("invalid_recipient", 5, text="recipient not found", stage="rcpt"),
    Rule("invalid_recipient", 5, text="does not exist", stage="rcpt"),
    Rule("invalid_recipient", 5, text="doesn't exist", stage="rcpt"),
    Rule("invalid_recipient", 5, text="unknown recipient", stage="rcpt"),
    Rule("invalid_recipient", 5, text="user unknown", stage="dot"),
    Rule("invalid_recipient", 5, text="no such user", stage="dot"),
)

_BY_ENHANCED = {
    "1.1": "invalid_recipient",
    "1.3": "invalid_recipient",
    "1.6": "invalid_recipient",
    "1.2": "bad_domain",
    "1.10": "bad_domain",
    "1.7": "sender_rejected",
    "1.8": "sender_rejected",
    "2.1": "mailbox_disabled",
    "2.3": "too_large",
    "3.1": "remote_error",
    "3.2": "remote_error",
    "3.4": "too_large",
    "4.1": "connection",
    "4.2": "connection",
    "4.3": "dns",
    "4.4": "dns",
    "4.5": "throttled",
    "5.1": "protocol",
    "5.2": "protocol",
    "5.4": "protocol",
    "5.3": "throttled",
    "7.1": "policy",
    "7.8": "sender_auth",
    "7.23": "sender_auth",
    "7.24": "sender_auth",
    "7.25": "sender_auth",
    "7.26": "sender_auth",
    "7.27": "sender_auth",
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

_ENHANCED = re.compile(r"([245])\.(\d{1,3}\.\d{1,3})(?:\s|$)", re.ASCII)
# What the sender or the recipient chose is no evidence: an address like spam@ must not look like a verdict.
_FOREIGN = re.compile(r"<[^>]*>|\S+@\S+|https?://\S+")
_SUPPRESSING = frozenset({"invalid_recipient"})
_BY_CLASS = {digit: tuple(rule for rule in RULES if rule.code_class in (None, digit)) for digit in (4, 5)}


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
    lowered = _FOREIGN.sub(" ", text.lower())
    for rule in _BY_CLASS.get(code // 100, ()):
        if (
            (rule.text is None or rule.text in lowered)
            and (rule.enhanced is None or rule.enhanced == detail)
            and (rule.stage is None or rule.stage == stage)
        ):
            return rule.kind or _kind(code), rule.category, enhanced
    return _kind(code), _by_table(stage, code, detail), enhanced


def _by_table(stage: str, code: int, detail: str | None) -> str:
    """What no rule knows: by enhanced code, else by code."""
    category = None
    if detail is not None:
        category = _BY_ENHANCED.get(detail) or _BY_SUBJECT.get(detail.partition(".")[0])
    if category is None:
        if code == 552:
            return "undetermined" if stage == "rcpt" else "too_large"
        category = _BY_CODE.get(code, "undetermined")
    if category in _SUPPRESSING and (code // 100 == 4 or stage == "mail"):
        # At MAIL the address at fault is the sender's; a 4xx gives no verdict about anybody.
        return "sender_rejected" if stage == "mail" else "undetermined"
    return category


def _kind(code: int) -> Kind:
    return "bounced" if code // 100 == 5 else "deferred"
