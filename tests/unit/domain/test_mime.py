"""A letter read back must be the letter that was meant: no header more, none less, no byte that a relay would touch."""

import email.policy
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from email.message import EmailMessage
from email.parser import BytesParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.domain.mime import Attachment, Letter, build

LETTER = Letter(
    message_id="msg_01k6z3v5e8f9g0h1j2k3m4n5p6",
    message_id_domain="example.com",
    created_at=datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC),
    sender=("Example", "no-reply@example.com"),
    recipient=("Anna", "anna@example.net"),
    subject="Hello",
    text="Hello.\n",
)
OUR_HEADERS = [
    "From", "To", "Subject", "Date", "Message-ID", "X-Sendarix-Message-Id", "Auto-Submitted",
    "X-Auto-Response-Suppress", "MIME-Version",
]  # fmt: skip
BODY_HEADERS = {"Content-Type", "Content-Transfer-Encoding"}

one_line = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), max_size=300)
header_names = st.from_regex(r"X-[A-Za-z0-9-]{1,40}", fullmatch=True).filter(lambda name: "Sendarix" not in name)


def parsed(source: bytes) -> EmailMessage:
    return BytesParser(_class=EmailMessage, policy=email.policy.default).parsebytes(source)  # type: ignore[call-overload,no-any-return]


def assert_fit_for_the_wire(source: bytes) -> None:
    assert source.isascii()
    assert b"\0" not in source
    assert source.endswith(b"\r\n")
    assert source.count(b"\r") == source.count(b"\n") == source.count(b"\r\n")
    assert max(map(len, source.split(b"\r\n"))) <= 998


def squeezed(text: str) -> str:
    return " ".join(text.split())


@given(subject=one_line, name=one_line, headers=st.dictionaries(header_names, one_line, max_size=4))
@settings(max_examples=200, deadline=None)
def test_headers_are_exactly_the_intended_ones(subject: str, name: str, headers: Mapping[str, str]) -> None:
    headers = {key: value for at, (key, value) in enumerate(headers.items()) if key.lower() not in
               {other.lower() for other in list(headers)[:at]}}  # fmt: skip
    letter = replace(LETTER, subject=subject, sender=(name, "no-reply@example.com"), headers=headers)
    source = build(letter)
    assert_fit_for_the_wire(source)
    read = parsed(source)
    assert set(read.keys()) == {*OUR_HEADERS, *headers, *BODY_HEADERS}
    assert len(read.keys()) == len(OUR_HEADERS) + len(headers) + 2
    assert squeezed(read["Subject"]) == squeezed(subject)
    assert [address.addr_spec for address in read["From"].addresses] == ["no-reply@example.com"]
    # The parser at hand adds a blank between two encoded words of a name; RFC 2047 does not.
    assert "".join(read["From"].addresses[0].display_name.split()) == "".join(name.split())
    for key, value in headers.items():
        assert squeezed(read[key]) == squeezed(value)


@pytest.mark.parametrize("bad", ["a\r\nBcc: x@y.zz", "a\nb", "a\rb", "a\0b"])
def test_a_line_break_in_any_header_is_refused(bad: str) -> None:
    attachment = Attachment("a.txt", "text/plain", b"x")
    letters = [
        replace(LETTER, subject=bad),
        replace(LETTER, sender=(bad, "a@example.com")),
        replace(LETTER, sender=(None, bad)),
        replace(LETTER, recipient=(bad, "a@example.com")),
        replace(LETTER, recipient=(None, bad)),
        replace(LETTER, cc=[(bad, "a@example.com")]),
        replace(LETTER, reply_to=[(None, bad)]),
        replace(LETTER, headers={"X-A": bad}),
        replace(LETTER, headers={bad: "x"}),
        replace(LETTER, headers={"X-A\n": "x"}),
        replace(LETTER, attachments=[replace(attachment, filename=bad)]),
        replace(LETTER, attachments=[replace(attachment, content_type=f"text/plain; a={bad}")]),
        replace(LETTER, attachments=[replace(attachment, content_id=bad)]),
        replace(LETTER, message_id=bad),
        replace(LETTER, message_id_domain=bad),
    ]
    for letter in letters:
        with pytest.raises(ValueError, match="header|address"):
            build(letter)


@given(text=st.text(st.characters(exclude_categories=["Cs"]), max_size=2000), html=st.text(max_size=500) | st.none())
@settings(max_examples=150, deadline=None)
def test_text_survives(text: str, html: str | None) -> None:
    source = build(replace(LETTER, text=text, html=html))
    assert_fit_for_the_wire(source)
    body = parsed(source).get_body(("plain",))
    assert body is not None
    found = body.get_content()
    wanted = text.replace("\r\n", "\n").replace("\r", "\n")
    assert found.replace("\r\n", "\n").removesuffix("\n") == wanted.removesuffix("\n")


@pytest.mark.parametrize("text", ["x" * 5000, "ü" * 5000, ("y" * 989 + "\n") * 3, "z" * 997, ".\n..\n.x", "From me\n"])
def test_long_lines_and_dots_survive(text: str) -> None:
    source = build(replace(LETTER, text=text))
    assert_fit_for_the_wire(source)
    assert parsed(source).get_content().replace("\r\n", "\n").rstrip("\n") == text.rstrip("\n")


@given(name=one_line.filter(lambda each: each.strip()), content=st.binary(max_size=500))
@settings(max_examples=150, deadline=None)
def test_attachments_come_back_whole(name: str, content: bytes) -> None:
    attached = [Attachment(name, "application/pdf", content), Attachment("logo.png", "image/png", b"PNG", "logo")]
    source = build(replace(LETTER, html='<img src="cid:logo">', attachments=attached))
    assert_fit_for_the_wire(source)
    parts = {part.get_content_type(): part for part in parsed(source).walk()}
    assert set(parts) == {
        "multipart/mixed", "multipart/alternative", "text/plain", "multipart/related", "text/html", "image/png",
        "application/pdf",
    }  # fmt: skip
    assert parts["application/pdf"].get_payload(decode=True) == content
    assert squeezed(parts["application/pdf"].get_filename() or "") == squeezed(name)
    assert parts["image/png"]["Content-ID"] == "<logo>"
    assert parts["image/png"].get_content_disposition() == "inline"


def test_the_same_letter_is_the_same_bytes() -> None:
    letter = replace(LETTER, html="<p>ä</p>", attachments=[Attachment("ä.bin", "a/b", b"\xff" * 1000)])
    assert build(letter) == build(replace(letter))


@pytest.mark.parametrize("text", ["--sdx-e8f9g0h1j2k3m4n5p6-m", "--sdx-5e8f9g0h1j2k3m4n5p6-a--"])
def test_text_that_looks_like_our_boundary_splits_nothing(text: str) -> None:
    boundary = LETTER.message_id[-24:]
    body = "\n".join([text, f"--=_sdx-{boundary}-a", f"--=_sdx-{boundary}-m--", "rest"])
    read = parsed(build(replace(LETTER, text=body, html="<p>x</p>", attachments=[Attachment("a", "a/b", b"x")])))
    assert [part.get_content_type() for part in read.walk()] == [
        "multipart/mixed", "multipart/alternative", "text/plain", "text/html", "a/b",
    ]  # fmt: skip


def test_a_long_list_unsubscribe_survives_folding() -> None:
    value = f"<https://example.com/unsubscribe?token={'t' * 400}>, <mailto:leave@example.com?subject={'s' * 80}>"
    source = build(replace(LETTER, headers={"List-Unsubscribe": value}))
    assert_fit_for_the_wire(source)
    assert squeezed(parsed(source)["List-Unsubscribe"]) == value
    unfolded = source.replace(b"\r\n ", b" ").decode()
    assert f"List-Unsubscribe: {value}\r\n" in unfolded


@pytest.mark.parametrize("value", ["v" * 2000, "ü" * 2000, "a" * 70 + " " + "b" * 1500])
def test_33_a_value_without_spaces_makes_a_line_over_998(value: str) -> None:
    assert_fit_for_the_wire(build(replace(LETTER, subject=value, headers={"X-Long": value})))


def test_many_addresses_are_folded_and_all_there() -> None:
    cc = [(f"Person, {n}" if n % 2 else f"Persön {n}", f"p{n}@example.net") for n in range(60)]
    source = build(replace(LETTER, cc=cc, reply_to=[(None, "help@example.com")]))
    assert_fit_for_the_wire(source)
    read = parsed(source)
    assert [(each.display_name, each.addr_spec) for each in read["Cc"].addresses] == cc
    assert read["Reply-To"].addresses[0].addr_spec == "help@example.com"


def test_date_and_message_id_come_from_the_row() -> None:
    source = build(LETTER).decode()
    assert "Date: Wed, 04 Mar 2026 05:06:07 +0000\r\n" in source
    assert re.search(r"^Message-ID: <msg_01k6z3v5e8f9g0h1j2k3m4n5p6@example\.com>\r$", source, re.M)


def test_an_old_japanese_mobile_address_is_refused_or_changed() -> None:
    source = build(replace(LETTER, recipient=("太郎", '"taro..yamada"@docomo.ne.jp')))
    assert_fit_for_the_wire(source)
    assert b' <"taro..yamada"@docomo.ne.jp>\r\n' in source
    assert [each.username for each in parsed(source)["To"].addresses] == ["taro..yamada"]
    with pytest.raises(ValueError):
        build(replace(LETTER, recipient=(None, '"a b"@docomo.ne.jp')))


def test_only_an_address_makes_a_header_leave_ascii() -> None:
    source = build(replace(LETTER, recipient=("用户", "用户@例え.jp")))
    head, _, body = source.partition(b"\r\n\r\n")
    assert body.isascii()
    assert "To: =?utf-8?B?55So5oi3?= <用户@例え.jp>".encode() in head


def test_a_display_name_of_blanks_and_commas_makes_a_group_or_a_second_address() -> None:
    for name in ("a, b", "group:a;", "x;y", "<a@b.c>", "a@b.c,", "(c)", '"'):
        read = parsed(build(replace(LETTER, recipient=(name, "b@example.net"))))
        assert [each.addr_spec for each in read["To"].addresses] == ["b@example.net"]
        assert not [group for group in read["To"].groups if group.display_name is not None]


@pytest.mark.parametrize(
    "subject", ["Ihre Rechnung für März " * 5, "日本語の件名" * 20, "a  b " * 40 + "c", "x" * 1200]
)
def test_33_a_header_line_is_longer_than_it_need_be(subject: str) -> None:
    head = build(replace(LETTER, subject=subject, sender=("ü" * 60, "a@example.com"))).partition(b"\r\n\r\n")[0]
    assert max(map(len, head.split(b"\r\n"))) <= 78
    assert squeezed(parsed(head + b"\r\n\r\n")["Subject"]) == squeezed(subject)


def test_a_line_that_a_mailbox_file_would_change_leaves_as_it_is() -> None:
    source = build(replace(LETTER, text="From here\nFrom there\n"))
    assert b"\r\nFrom here" not in source and b"\r\nFrom there" not in source
    assert parsed(source).get_content().splitlines() == ["From here", "From there"]
