"""Readiness for bulk mail: a domain that is refused elsewhere must not be called ready here."""

from typing import Any

import pytest

from common.domain.readiness import CHECKS, Seen, judge, worst

GOOD = [{"purpose": each, "state": "found", "diagnosis": "so it is", "fix": ""} for each in
        ("spf", "dkim", "dmarc", "return_path")]  # fmt: skip
STREAMS = {"news": {"unsubscribe": True}}
ENOUGH = Seen(delivered=10_000, complained=5, encrypted=9_990, most_a_day=6000)


def states(findings: Any = GOOD, streams: Any = STREAMS, seen: Seen = ENOUGH, **more: Any) -> dict[str, str]:
    given = {"one_click_at": "https://mail.example.com", "names": {}} | more
    checks = judge(findings, streams, seen, **given)
    assert tuple(each.check for each in checks) == CHECKS
    assert all(each.fix for each in checks if each.state == "failed")
    return {each.check: each.state for each in checks} | {"all": worst(checks)}


def test_a_domain_that_does_everything_is_not_ready() -> None:
    assert set(states().values()) == {"ok"}


@pytest.mark.parametrize("purpose", ["spf", "dkim", "dmarc"])
@pytest.mark.parametrize(("state", "said"), [("missing", "failed"), ("wrong", "failed"), ("unclear", "unknown")])
def test_a_record_that_is_not_there_counts(purpose: str, state: str, said: str) -> None:
    found = states([each | ({"state": state} if each["purpose"] == purpose else {}) for each in GOOD])
    assert found[purpose] == said and found["all"] == said
    assert purpose != "dkim" or found["alignment"] == said


def test_what_nobody_looked_at_yet_is_called_good_or_bad() -> None:
    found = states([], {}, Seen())
    assert {found[each] for each in ("spf", "dkim", "dmarc", "alignment", "tls", "complaints")} == {"unknown"}


@pytest.mark.parametrize(("complained", "said"), [(9, "ok"), (10, "warning"), (29, "warning"), (30, "failed")])
def test_the_limits_of_complaints_are_elsewhere(complained: int, said: str) -> None:
    assert states(seen=Seen(10_000, complained, 10_000))["complaints"] == said


def test_one_complaint_of_ten_mails_condemns() -> None:
    assert states(seen=Seen(10, 1, 10))["complaints"] == "unknown"


def test_one_click_without_an_https_address_or_a_stream_is_offered() -> None:
    assert states(one_click_at="http://mail.example.com")["one_click"] == "failed"
    assert states(streams={"news": {"unsubscribe": False}})["one_click"] == "warning"


@pytest.mark.parametrize(
    ("name", "said"),
    [("mail.example.com", "unknown"), ("localhost.localdomain", "failed"), ("mail", "failed"), ("192.0.2.1", "failed")],
)
def test_a_name_that_nobody_can_look_up_passes(name: str, said: str) -> None:
    assert states(names={"direct": name})["reverse_dns"] == said


PTR = {"source": "direct", "ehlo": "mail.example.com", "text": "direct: so it is.", "fix": "do it"}


@pytest.mark.parametrize("said", ["ok", "warning", "failed", "unknown"])
def test_what_dns_said_of_an_address_is_not_what_is_told(said: str) -> None:
    names = {"direct": "mail.example.com"}
    assert states(names=names, sightings=[PTR | {"state": said}])["reverse_dns"] == said
    assert (
        states(names=names | {"other": "b.example.com"}, sightings=[PTR | {"state": "ok"}])["reverse_dns"] == "unknown"
    )
    renamed = {"direct": "new.example.com"}
    assert states(names=renamed, sightings=[PTR | {"state": said}])["reverse_dns"] == "unknown", "of another name"


def test_spf_of_another_domain_counts_as_aligned() -> None:
    assert states(GOOD[:3])["alignment"] == "warning"


def test_mail_in_clear_goes_unseen() -> None:
    assert states(seen=Seen(10_000, 0, 9_000))["tls"] == "warning"
