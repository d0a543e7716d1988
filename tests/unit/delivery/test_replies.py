"""Replies as servers word them, above all those that tempt to suppress a good address."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.domain.categories import CATEGORIES, suppresses
from common.domain.replies import Verdict, classify, judge
from common.domain.reply_matching import Facts, Rule, plain
from common.domain.reply_rules import RULES

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
    ("rcpt", 451, "4.3.0 try later", "deferred", "remote_error"),
    ("mail", 354, "what", "deferred", "undetermined"),
    ("mail", 421, "4.7.28 unusual rate", "deferred", "throttled"),
    ("mail", 451, "too many connections", "deferred", "throttled"),
    ("rcpt", 451, "graylisting in effect", "deferred", "greylisted"),
    ("dot", 554, "message looks like spam", "bounced", "content"),
    ("rcpt", 550, "rejected", "bounced", "undetermined"),
    ("dot", 250, "2.0.0 ok", "deferred", "undetermined"),
    # Google
    (
        "rcpt",
        550,
        "5.1.1 The email account that you tried to reach does not exist. Please try double-checking"
        " the recipient's email address for typos or unnecessary spaces. https://support.example/?p=NoSuchUser"
        " d2e1a72fcca58-72 - gsmtp",
        "bounced",
        "invalid_recipient",
    ),
    ("rcpt", 452, "4.2.2 The email account that you tried to reach is over quota.", "deferred", "mailbox_full"),
    ("rcpt", 552, "5.2.2 The recipient's inbox is out of storage space and inactive.", "bounced", "mailbox_disabled"),
    ("rcpt", 550, "5.2.1 The email account that you tried to reach is disabled.", "bounced", "mailbox_disabled"),
    ("rcpt", 450, "4.2.1 The user you are trying to contact is receiving mail too quickly.", "deferred", "throttled"),
    (
        "dot",
        421,
        "4.7.0 [192.0.2.1 15] Our system has detected an unusual rate of unsolicited mail originating from"
        " your IP address.",
        "deferred",
        "reputation",
    ),
    (
        "dot",
        550,
        "5.7.1 [192.0.2.1 7] Our system has detected that this message is likely unsolicited mail.",
        "bounced",
        "content",
    ),
    (
        "dot",
        550,
        "5.7.1 Our system has detected that this message is likely suspicious due to the very low reputation"
        " of the sending domain.",
        "bounced",
        "reputation",
    ),
    (
        "dot",
        550,
        "5.7.26 Unauthenticated email from example.com is not accepted due to domain's DMARC policy.",
        "bounced",
        "sender_auth",
    ),
    ("dot", 421, "4.7.29 This mail has been rate limited because it was not sent over TLS", "deferred", "throttled"),
    # Microsoft
    (
        "rcpt",
        550,
        "5.5.0 Requested action not taken: mailbox unavailable (S2017062302).",
        "bounced",
        "invalid_recipient",
    ),
    ("rcpt", 550, "5.4.1 Recipient address rejected: Access denied. AS(201806281)", "bounced", "invalid_recipient"),
    (
        "dot",
        550,
        "5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup",
        "bounced",
        "invalid_recipient",
    ),
    (
        "mail",
        550,
        "5.7.1 Unfortunately, messages from [192.0.2.1] weren't sent. Please contact your Internet service"
        " provider since part of their network is on our block list (S3150).",
        "bounced",
        "reputation",
    ),
    (
        "dot",
        550,
        "5.7.515 Access denied, sending domain example.com does not meet the required authentication level.",
        "bounced",
        "sender_auth",
    ),
    ("mail", 451, "4.7.500 Server busy. Please try again later from [192.0.2.1].", "deferred", "throttled"),
    ("rcpt", 550, "5.7.1 RESOLVER.RST.AuthRequired; authentication required", "bounced", "policy"),
    ("dot", 554, "5.2.2 mailbox full; STOREDRV.Deliver.Exception:QuotaExceededException", "deferred", "mailbox_full"),
    ("dot", 550, "5.2.3 RESOLVER.RST.RecipSizeLimit; message too large for this recipient", "bounced", "too_large"),
    ("mail", 550, "5.7.606 Access denied, banned sending IP [192.0.2.1].", "bounced", "reputation"),
    # Yahoo, Apple and others
    (
        "mail",
        421,
        "4.7.0 [TSS04] Messages from 192.0.2.1 temporarily deferred due to unexpected volume or user"
        " complaints - 4.16.55.1",
        "deferred",
        "reputation",
    ),
    (
        "dot",
        554,
        "delivery error: dd This user doesn't have a yahoo.com account (someone@yahoo.com) [0]",
        "bounced",
        "invalid_recipient",
    ),
    (
        "dot",
        554,
        "delivery error: dd Sorry, your message to someone@yahoo.com cannot be delivered. This mailbox is"
        " disabled (554.30).",
        "bounced",
        "mailbox_disabled",
    ),
    (
        "mail",
        553,
        "5.7.1 [BL21] Connections will not be accepted from 192.0.2.1, because the ip is in Spamhaus's list",
        "bounced",
        "reputation",
    ),
    ("dot", 554, "5.7.1 [CS01] Message rejected due to local policy.", "bounced", "content"),
    ("rcpt", 550, "5.1.1 <a@icloud.com>: user does not exist", "bounced", "invalid_recipient"),
    (
        "rcpt",
        554,
        "5.7.1 Service unavailable; Client host [192.0.2.1] blocked using bl.spamcop.net",
        "bounced",
        "reputation",
    ),
    (
        "rcpt",
        450,
        "4.7.1 Client host rejected: cannot find your reverse hostname, [192.0.2.1]",
        "deferred",
        "sender_auth",
    ),
    (
        "rcpt",
        550,
        "5.1.1 Recipient address rejected: User unknown in virtual mailbox table",
        "bounced",
        "invalid_recipient",
    ),
    ("rcpt", 550, "5.1.1 unknown or illegal alias: someone@example.net", "bounced", "invalid_recipient"),
    ("rcpt", 550, "Invalid recipient: <someone@softbank.ne.jp>", "bounced", "invalid_recipient"),
    ("rcpt", 550, "Unknown user someone@docomo.ne.jp", "bounced", "invalid_recipient"),
    ("rcpt", 550, "sorry, no mailbox here by that name (#5.1.1 - chkuser)", "bounced", "invalid_recipient"),
    ("rcpt", 553, "sorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)", "bounced", "relaying_denied"),
    ("rcpt", 550, "5.7.1 Unable to relay", "bounced", "relaying_denied"),
    ("rcpt", 550, "Sender verify failed", "bounced", "sender_rejected"),
    ("mail", 553, "sorry, your envelope sender is in my badmailfrom list (#5.7.1)", "bounced", "sender_rejected"),
    ("rcpt", 550, "Requested action not taken: mailbox unavailable", "bounced", "invalid_recipient"),
    ("rcpt", 550, "Mailbox unavailable because the owner's account is suspended", "bounced", "mailbox_disabled"),
    ("rcpt", 550, "User suspended", "bounced", "mailbox_disabled"),
    ("rcpt", 550, "Account closed due to inactivity", "bounced", "mailbox_disabled"),
    ("rcpt", 550, "User someone (someone@example.net) not listed in Domino Directory", "bounced", "invalid_recipient"),
    ("dot", 523, "5.2.3 Message size exceeds fixed maximum message size", "bounced", "too_large"),
    (
        "dot",
        552,
        "5.7.0 This message was blocked because its content presents a potential security issue.",
        "bounced",
        "content",
    ),
    ("rcpt", 550, "5.7.1 Recipient rejected your mail", "bounced", "recipient_filtered"),
    ("rcpt", 550, "5.7.1 Message rejected due to security policy", "bounced", "policy"),
    ("connect", 421, "4.4.2 Connection timed out", "deferred", "connection"),
    ("banner", 554, "5.7.1 No SMTP service here, you are on a blacklist", "bounced", "reputation"),
    ("starttls", 454, "4.7.0 TLS not available due to local problem", "deferred", "tls"),
    (
        "rcpt",
        450,
        "4.2.0 <a@example.net>: Recipient address rejected: Greylisted, see http://example.org",
        "deferred",
        "greylisted",
    ),
    ("rcpt", 451, "4.7.1 Please try again later, your server is not yet known (postgrey)", "deferred", "greylisted"),
    ("rcpt", 550, "the user's mailbox is full", "deferred", "mailbox_full"),
    ("dot", 454, "Throttling failure: Maximum sending rate exceeded.", "deferred", "throttled"),
    ("rcpt", 550, "5.4.4 Host or domain name not found", "bounced", "bad_domain"),
]


@pytest.mark.parametrize(("stage", "code", "text", "kind", "category"), REPLIES, ids=range(len(REPLIES)))
def test_a_reply_is_misread(stage: str, code: int, text: str, kind: str, category: str) -> None:
    verdict = classify(stage, code, text)
    assert (verdict.kind, verdict.category) == (kind, category)


PHRASES = [(rule, phrase) for rule in RULES for phrase in rule.says]


@pytest.mark.parametrize(("rule", "phrase"), PHRASES, ids=[f"{rule.name}-{phrase}" for rule, phrase in PHRASES])
def test_a_phrase_is_out_of_reach(rule: Rule, phrase: str) -> None:
    assert phrase == " ".join(phrase.lower().split()) == plain(phrase), "no reply can ever say this"


@pytest.mark.parametrize("rule", RULES, ids=[rule.name for rule in RULES])
def test_the_recipients_own_address_looks_like_a_verdict(rule: Rule) -> None:
    for phrase in rule.says or ("x",):
        local = phrase.replace(" ... ", ".").replace(" ", ".")
        for shown in (f"<{local}@example.net>", f"someone+{local[:20].strip('.')}@example.net"):
            assert classify("rcpt", 550, f"5.1.1 {shown} unknown").category == "invalid_recipient", phrase


@pytest.mark.parametrize("rule", RULES, ids=[rule.name for rule in RULES])
def test_a_temporary_reply_becomes_a_bounce(rule: Rule) -> None:
    for phrase in rule.says:
        assert classify((*rule.stages, "dot")[0], 450, phrase.replace(" ... ", " x ")).kind == "deferred"


def test_a_soft_or_foreign_fault_suppresses() -> None:
    found = {category for _, _, _, kind, category in REPLIES if suppresses(category) and kind == "bounced"}
    assert found == {"invalid_recipient", "mailbox_disabled"}
    assert not any(suppresses(classify(stage, 450, text).category) for stage, _, text, _, _ in REPLIES)
    assert not any(suppresses(classify("mail", code, text).category) for _, code, text, _, _ in REPLIES)


def test_a_rule_names_a_category_that_does_not_exist() -> None:
    assert {rule.category for rule in RULES} <= set(CATEGORIES)
    assert len({rule.name for rule in RULES}) == len(RULES)


def test_an_operators_rule_comes_too_late() -> None:
    own = Rule("ours", "throttled", ("user unknown",), code_class=5, provider="example", kind="deferred")
    facts = Facts("5.1.1 user unknown", 550, "5.1.1", "rcpt", "example")
    assert judge(facts, (own, *RULES)) == Verdict("deferred", "throttled", "5.1.1", "ours")
    assert judge(replace(facts, provider=None), (own, *RULES)).category == "invalid_recipient"


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=400), st.integers(200, 599), st.sampled_from(["mail", "rcpt", "dot", "banner"]))
def test_a_strange_reply_breaks_classification(text: str, code: int, stage: str) -> None:
    verdict = classify(stage, code, text)
    kind, category = verdict.kind, verdict.category
    assert kind in ("bounced", "deferred") and category in CATEGORIES
