"""Forty and more whole mails of each common form: each must be read as what it is, and quickly."""

import time
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.domain.inbound.charsets import text_of
from common.domain.inbound.reports import KINDS, classify
from tests.unit.inbound.languages import OWN
from tests.unit.inbound.samples import REMOTE, Sample, remote_samples

SOME = [sample for writer in REMOTE.values() for sample in list(remote_samples(writer))[:3]]


def wrong(samples: Iterator[Sample]) -> list[str]:
    """What was misread, and how."""
    found, count = [], 0
    for sample in samples:
        count += 1
        report = classify(sample.raw)
        named = sorted(each.recipient for each in report.recipients)
        categories = {each.category for each in report.recipients}
        if (report.kind, named) != (sample.kind, sorted(sample.recipients)) or not categories <= set(sample.categories):
            found.append(
                f"{report.kind} {named} {categories}, not {sample.kind} {sample.recipients} {sample.categories}"
            )
    assert count >= 40
    return found


@pytest.mark.parametrize("form", sorted(REMOTE))
def test_what_a_server_said_is_lost_in_the_form_of_another(form: str) -> None:
    assert wrong(remote_samples(REMOTE[form])) == []


@pytest.mark.parametrize("form", sorted(OWN))
def test_a_mail_in_its_system_s_own_words_is_misread(form: str) -> None:
    writer: Callable[[], Iterator[Sample]] = OWN[form]
    assert wrong(writer()) == []


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(SOME), st.lists(st.tuples(st.integers(0, 6000), st.binary(max_size=30)), max_size=8))
def test_a_damaged_mail_raises(sample: Sample, damages: list[tuple[int, bytes]]) -> None:
    raw = sample.raw
    for at, noise in damages:
        raw = raw[:at] + noise + raw[at + len(noise) :]
    assert classify(raw).kind in KINDS


@settings(max_examples=200, deadline=None)
@given(
    st.binary(max_size=300),
    st.sampled_from([None, "", "utf-8", "iso-2022-jp", "gb2312", "idna", "base64", "\x00", "utf-7"]),
)
def test_octets_that_no_charset_fits_raise(raw: bytes, charset: str | None) -> None:
    assert isinstance(text_of(raw, charset), str)


HOSTILE = {
    "addresses": b"a@b.example " * 80_000, "at": b"@" * 900_000, "one line": b"x" * 1_000_000,
    "angles": b"<" * 900_000, "fields": b"Final-Recipient: rfc822; a@b.example\n" * 25_000,
    "words": b"undeliverable user unknown to " * 30_000, "dots": b"a." * 400_000 + b"@", "tags": b"<p" * 400_000,
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(HOSTILE))
@pytest.mark.parametrize("kind", ["text/plain", "text/html", "message/delivery-status"])
def test_a_hostile_mail_takes_long(name: str, kind: str) -> None:
    raw = b"From: postmaster@x.example\nSubject: Undeliverable\nContent-Type: %s\n\n" % kind.encode() + HOSTILE[name]
    started = time.process_time()
    classify(raw)
    assert time.process_time() - started < 1.5
