"""Replies as servers word them, above all those that tempt to suppress a good address."""

import pytest

from common.domain.replies import RULES, classify, suppresses

REPLIES = [
    ("rcpt", 550, "5.1.1 The email account that you tried to reach does not exist.", "bounced", "invalid_recipient"),
    ("rcpt", 550, "No such user here", "bounced", "invalid_recipient"),
    ("rcpt", 550, "5.1.1 <spam@example.net>: Recipient address rejected: User unknown", "bounced", "invalid_recipient"),
    ("rcpt", 550, "5.1.1 relay@example.net unknown, see https://dkim.example.net/spam", "bounced", "invalid_recipient"),
    ("dot", 550, "5.1.1 message for <b@example.net> was not taken", "bounced", "invalid_recipient"),
    ("mail", 550, "5.1.1 sender unknown", "bounced", "sender_rejected"),
    ("mail", 550, "5.1.3 bad address", "bounced", "sender_rejected"),
    ("rcpt", 450, "4.1.1 <b@example.net>: user unknown in table", "deferred", "undetermined"),
    ("rcpt", 550, "5.1.1 blocked using a list of spamhaus", "bounced", "reputation"),
    ("rcpt", 550, "5.1.1 this looks like spam", "bounced", "content"),
    ("rcpt", 550, "5.2.1 The account is disabled.", "bounced", "mailbox_disabled"),
    ("rcpt", 550, "5.2.1 The user is receiving mail at a rate that is too high", "deferred", "throttled"),
    ("rcpt", 552, "5.2.2 The mailbox is full", "deferred", "mailbox_full"),
    ("rcpt", 452, "4.2.2 over quota", "deferred", "mailbox_full"),
    ("rcpt", 552, "5.2.2 out of storage space and inactive", "bounced", "mailbox_disabled"),
    ("rcpt", 451, "4.7.1 Greylisted, come back in five minutes", "deferred", "greylisted"),
    ("banner", 421, "4.7.0 too many connections from your address", "deferred", "throttled"),
    ("dot", 421, "4.7.28 unusual rate of mail", "deferred", "throttled"),
    ("dot", 550, "5.7.26 this mail is not authenticated", "bounced", "sender_auth"),
    ("dot", 550, "5.7.1 our filter found a virus", "bounced", "content"),
    ("dot", 554, "5.6.0 malformed", "bounced", "content"),
    ("dot", 552, "5.3.4 message exceeds fixed limit", "bounced", "too_large"),
    ("mail", 552, "message is bigger than we like", "bounced", "too_large"),
    ("rcpt", 554, "5.7.1 relay access denied", "bounced", "relaying_denied"),
    ("rcpt", 556, "domain does not take mail", "bounced", "bad_domain"),
    ("rcpt", 550, "5.1.2 unknown host", "bounced", "bad_domain"),
    ("data", 503, "5.5.1 bad sequence", "bounced", "protocol"),
    ("rcpt", 550, "go away", "bounced", "undetermined"),
    ("rcpt", 451, "4.3.0 try later", "deferred", "undetermined"),
    ("mail", 354, "what", "deferred", "undetermined"),
]


@pytest.mark.parametrize(("stage", "code", "text", "kind", "category"), REPLIES, ids=range(len(REPLIES)))
def test_a_reply_is_misread(stage: str, code: int, text: str, kind: str, category: str) -> None:
    assert classify(stage, code, text)[:2] == (kind, category)


@pytest.mark.parametrize("rule", RULES, ids=range(len(RULES)))
def test_the_recipients_own_address_looks_like_a_verdict(rule: object) -> None:
    local = str(getattr(rule, "text", None) or "x").replace(" ", ".")
    for shown in (f"<{local}@example.net>", f"{local}@example.net"):
        assert classify("rcpt", 550, f"5.1.1 {shown} unknown")[1] == "invalid_recipient"


def test_a_soft_or_foreign_fault_suppresses() -> None:
    found = {category for _, _, _, _, category in REPLIES if suppresses(category)}
    assert found == {"invalid_recipient"}
    assert not any(suppresses(classify(stage, 450, text)[1]) for stage, _, text, _, _ in REPLIES)


def test_a_rule_holds_capitals_and_never_matches() -> None:
    assert all(rule.text is None or rule.text == rule.text.lower() for rule in RULES)
