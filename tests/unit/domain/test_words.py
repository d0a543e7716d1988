"""Ids, the retry schedule and the table of replies: small words that many rely on."""

import os
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.domain.ids import decode, encode, new_id
from common.domain.replies import RULES, classify, enhanced_of, suppresses
from common.domain.retry import MAX_ATTEMPTS, STANDARD, delay_after, with_jitter


@given(st.uuids())
def test_an_id_comes_back(value: UUID) -> None:
    assert decode("msg", encode("msg", value)) == value


@given(st.uuids(), st.uuids())
def test_ids_sort_as_their_uuids(one: UUID, other: UUID) -> None:
    assert (encode("msg", one) < encode("msg", other)) == (one < other)


def test_new_ids_are_version_7_and_do_not_go_back() -> None:
    found = [new_id() for _ in range(1000)]
    assert {each.version for each in found} == {7}
    assert {each.variant for each in found} == {"specified in RFC 4122"}
    moments = [each.int >> 64 for each in found]
    assert moments == sorted(moments)
    assert len(set(found)) == 1000


GOOD = encode("msg", UUID(int=1))


@pytest.mark.parametrize(
    "text",
    ["", "msg", "msg_", GOOD[:-1], GOOD + "0", GOOD.replace("msg", "evt"), GOOD.upper(), "msg_8" + "0" * 25,
     "msg_" + "u" * 26, "msg_" + "٠" * 26, GOOD + "\n"],
)  # fmt: skip
def test_what_is_no_id_is_none(text: str) -> None:
    assert decode("msg", text) is None


def test_the_standard_schedule_is_six_attempts_in_27330_seconds() -> None:
    delays = [delay_after(attempt) for attempt in range(1, MAX_ATTEMPTS + 1)]
    assert delays == [30.0, 300.0, 1800.0, 7200.0, 18000.0, None]
    assert sum(STANDARD) == 27_330


@given(st.sampled_from(STANDARD), st.floats(0, 1))
def test_jitter_is_never_early_and_at_most_a_minute(delay: float, chance: float) -> None:
    assert delay <= with_jitter(delay, chance) <= delay + min(60.0, 0.1 * delay)


@given(st.floats(60, 100_000))
def test_the_schedule_fits_into_the_life_left(life: float) -> None:
    left = life
    for attempt in range(1, MAX_ATTEMPTS):
        delay = delay_after(attempt, left)
        assert delay is not None
        assert 1.0 <= delay <= STANDARD[attempt - 1]
        left -= delay
    assert left >= 0
    assert delay_after(MAX_ATTEMPTS, left) is None


REPLIES = [
    ("rcpt", 550, "5.1.1 user unknown", "bounced", "invalid_recipient"),
    ("rcpt", 550, "No such user here", "bounced", "invalid_recipient"),
    ("rcpt", 450, "4.2.0 Greylisted, see http://example.com", "deferred", "greylisted"),
    ("rcpt", 451, "graylisting in effect", "deferred", "greylisted"),
    ("rcpt", 452, "4.2.2 mailbox full", "deferred", "mailbox_full"),
    ("rcpt", 552, "5.2.2 over quota", "deferred", "mailbox_full"),
    ("rcpt", 550, "5.2.1 account disabled", "bounced", "mailbox_disabled"),
    ("rcpt", 554, "5.7.1 relay access denied", "bounced", "relaying_denied"),
    ("mail", 550, "5.7.1 blocked, see spamhaus", "bounced", "reputation"),
    ("mail", 421, "4.7.28 unusual rate", "deferred", "throttled"),
    ("mail", 451, "too many connections", "deferred", "throttled"),
    ("dot", 550, "5.7.26 DMARC check failed", "bounced", "sender_auth"),
    ("dot", 554, "message looks like spam", "bounced", "content"),
    ("dot", 552, "5.3.4 message too large", "bounced", "too_large"),
    ("rcpt", 550, "5.1.2 bad host", "bounced", "bad_domain"),
    ("rcpt", 550, "rejected", "bounced", "undetermined"),
    ("dot", 451, "try later", "deferred", "undetermined"),
    ("dot", 250, "2.0.0 ok", "deferred", "undetermined"),
]


@pytest.mark.parametrize(("stage", "code", "text", "kind", "category"), REPLIES)
def test_a_reply_means_what_the_table_says(stage: str, code: int, text: str, kind: str, category: str) -> None:
    assert classify(stage, code, text)[:2] == (kind, category)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: f"{rule.category}-{rule.text or rule.enhanced}")
def test_no_rule_turns_a_temporary_reply_into_a_bounce(rule: object) -> None:
    text = getattr(rule, "text", None) or ""
    enhanced = getattr(rule, "enhanced", None)
    kind, _, _ = classify(getattr(rule, "stage", None) or "dot", 450, f"4.{enhanced} {text}" if enhanced else text)
    assert kind == "deferred"


def test_only_the_recipients_own_fault_suppresses() -> None:
    assert {rule.category for rule in RULES if suppresses(rule.category)} == {"invalid_recipient"}


@pytest.mark.parametrize(
    ("code", "text", "found"),
    [(550, "5.1.1 no", "5.1.1"), (550, "4.1.1 no", None), (250, "2.0.0", "2.0.0"), (550, "no 5.1.1", None)],
)
def test_an_enhanced_code_must_fit_its_code(code: int, text: str, found: str | None) -> None:
    assert enhanced_of(code, text) == found


def test_a_forked_child_draws_its_parents_ids() -> None:
    new_id()
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, b"".join(new_id().bytes[8:] for _ in range(100)))
        os._exit(0)
    os.waitpid(child, 0)
    theirs = os.read(reader, 800)
    mine = {new_id().bytes[8:] for _ in range(300)}
    assert not mine & {theirs[at : at + 8] for at in range(0, 800, 8)}
