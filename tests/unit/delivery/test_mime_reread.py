"""Mails read back by the standard library's parser: what it sees must be exactly what was meant."""

import email
import email.policy
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from email.header import decode_header, make_header
from email.message import EmailMessage
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.domain.mime import Attachment, Letter, build

PLAIN = Letter(
    message_id="msg_01hzy3abcdefghijklmnopqrst",
    message_id_domain="example.com",
    created_at=datetime(2026, 3, 1, 12, 30, 5, tzinfo=UTC),
    sender=("Acme", "no-reply@example.com"),
    recipient=(None, "b@example.net"),
    subject="Your code",
    text="1234\n",
)
BREAKS = ["\r", "\n", "\r\n", "\0"]
LINE_ENDS_OF_SOME = ["\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u2029"]


def parsed(letter: Letter) -> EmailMessage:
    found = email.message_from_bytes(build(letter), policy=email.policy.default)
    assert isinstance(found, EmailMessage)
    assert not [defect for part in found.walk() for defect in part.defects]
    return found


def seen(raw: bytes, name: str) -> str:
    """A header through the other parser of the standard library, which shares no code for values."""
    value = email.message_from_bytes(raw, policy=email.policy.compat32)[name]
    return str(make_header(decode_header(re.sub(r"\r?\n", "", value))))


def check_wire_form(raw: bytes) -> None:
    assert raw.isascii()
    assert b"\0" not in raw
    assert raw.endswith(b"\r\n")
    assert raw.count(b"\n") == raw.count(b"\r") == raw.count(b"\r\n")
    assert max(map(len, raw.split(b"\r\n"))) <= 998


def test_a_plain_mail_has_exactly_the_headers_it_should() -> None:
    found = parsed(PLAIN)
    assert found.keys() == [
        "From",
        "To",
        "Subject",
        "Date",
        "Message-ID",
        "X-Sendarix-Message-Id",
        "Auto-Submitted",
        "X-Auto-Response-Suppress",
        "MIME-Version",
        "Content-Type",
        "Content-Transfer-Encoding",
    ]
    assert found["From"] == "Acme <no-reply@example.com>"
    assert found["Message-ID"] == "<msg_01hzy3abcdefghijklmnopqrst@example.com>"
    assert found["Date"].datetime == PLAIN.created_at
    assert found.get_content() == "1234\r\n"


def test_a_retry_builds_other_bytes() -> None:
    letter = replace(PLAIN, html="<p>x</p>", attachments=[Attachment("a.txt", "text/plain", b"x")])
    assert build(letter) == build(replace(letter))
    elsewhere = replace(letter, created_at=letter.created_at.astimezone(timezone(timedelta(hours=9))))
    assert build(elsewhere) == build(letter)


def test_inline_images_and_attachments_lose_their_place() -> None:
    logo, bill = (
        Attachment("logo.png", "image/png", b"\x89PNG", "logo"),
        Attachment("bill.pdf", "application/pdf", b"%P"),
    )
    found = parsed(replace(PLAIN, html='<img src="cid:logo">', attachments=[logo, bill]))
    assert [part.get_content_type() for part in found.walk()] == [
        "multipart/mixed",
        "multipart/alternative",
        "text/plain",
        "multipart/related",
        "text/html",
        "image/png",
        "application/pdf",
    ]
    [image] = [part for part in found.walk() if part["Content-ID"] == "<logo>"]
    assert (image.get_content(), image.get_content_disposition()) == (b"\x89PNG", "inline")
    [attached] = list(found.iter_attachments())
    assert (attached.get_content(), attached.get_filename()) == (b"%P", "bill.pdf")


def test_an_inline_image_without_html_is_lost() -> None:
    found = parsed(replace(PLAIN, attachments=[Attachment("logo.png", "image/png", b"\x89PNG", "logo")]))
    assert [part.get_content_type() for part in found.walk()][-1] == "image/png"


def test_cc_and_reply_to_are_shown_and_bcc_never() -> None:
    found = parsed(replace(PLAIN, cc=[("C, D", "c@example.org"), (None, "d@example.org")], reply_to=[("é", "e@e.org")]))
    assert [(each.display_name, each.addr_spec) for each in found["Cc"].addresses] == [
        ("C, D", "c@example.org"),
        ("", "d@example.org"),
    ]
    assert found["Reply-To"].addresses[0].display_name == "é"
    assert found["Bcc"] is None


@pytest.mark.parametrize("name", ["Bcc", "from", "Subject", "Message-ID", "Content-Type", "MIME-Version", "Resent-To"])
def test_an_extra_header_repeats_one_of_ours(name: str) -> None:
    with pytest.raises(ValueError, match="set by the service"):
        build(replace(PLAIN, headers={name: "x"}))


def test_a_copied_id_or_auto_submitted_header_appears_twice() -> None:
    found = parsed(replace(PLAIN, headers={"X-Sendarix-Message-Id": "msg_other", "auto-submitted": "auto-replied"}))
    assert found.get_all("X-Sendarix-Message-Id") == [PLAIN.message_id]
    assert found.get_all("Auto-Submitted") == ["auto-replied"]


INJECTIONS: dict[str, Any] = {
    "subject": lambda bad: replace(PLAIN, subject=bad),
    "header value": lambda bad: replace(PLAIN, headers={"X-A": bad}),
    "header name": lambda bad: replace(PLAIN, headers={f"X-{bad}": "v"}),
    "sender name": lambda bad: replace(PLAIN, sender=(bad, "a@example.com")),
    "sender": lambda bad: replace(PLAIN, sender=(None, f"a@example.com{bad}")),
    "recipient name": lambda bad: replace(PLAIN, recipient=(bad, "b@example.net")),
    "recipient": lambda bad: replace(PLAIN, recipient=(None, f"b{bad}@example.net")),
    "cc": lambda bad: replace(PLAIN, cc=[(None, f"c{bad}@example.net")]),
    "reply to": lambda bad: replace(PLAIN, reply_to=[(bad, "d@example.net")]),
    "filename": lambda bad: replace(PLAIN, attachments=[Attachment(bad, "text/plain", b"x")]),
    "content type": lambda bad: replace(PLAIN, attachments=[Attachment("a", f"text/plain{bad}", b"x")]),
    "content id": lambda bad: replace(PLAIN, attachments=[Attachment("a", "x/y", b"x", f"id{bad}")]),
    "message id domain": lambda bad: replace(PLAIN, message_id_domain=f"example.com{bad}"),
}


@pytest.mark.parametrize("field", INJECTIONS)
@pytest.mark.parametrize("line_end", BREAKS, ids=repr)
def test_a_line_break_in_a_header_gets_through(field: str, line_end: str) -> None:
    for bad in (f"x{line_end}Bcc: victim@example.org", line_end, f"x{line_end}", f"{line_end}{line_end}body"):
        with pytest.raises(ValueError):
            build(INJECTIONS[field](bad))


@pytest.mark.parametrize("field", INJECTIONS)
@pytest.mark.parametrize("line_end", LINE_ENDS_OF_SOME, ids=repr)
def test_what_some_parser_takes_for_a_line_end_makes_a_header(field: str, line_end: str) -> None:
    try:
        raw = build(INJECTIONS[field](f"x{line_end}Bcc: victim@example.org"))
    except ValueError:
        return
    check_wire_form(raw)
    assert not re.search(rb"^Bcc", raw, re.MULTILINE)
    assert line_end.encode() not in raw


@pytest.mark.parametrize(
    "address", ["a@x.org,b@y.org", "a@x.org> <b@y.org", "a@b@c", "a b@x.org", "", "@x.org", "(c)@x"]
)
def test_an_address_field_holds_a_second_address(address: str) -> None:
    with pytest.raises(ValueError):
        build(replace(PLAIN, recipient=(None, address)))


BODIES = [
    "",
    ".",
    ".\n.\n..\n",
    "a\r\n.\r\nMAIL FROM:<x@example.org>\r\n",
    "a\n.\r\nb",
    "a\r.\rb",
    "From here\n",
    "tab\t \ntrailing blanks   \n",
    "x" * 5000,
    "ünï\n" * 3 + "plain and long " * 300,
    "日本語の本文です。\n" * 50,
    "nul\0here",
    "--sdx-\n--",
    "\ud800 lone surrogate",
]


@pytest.mark.parametrize("body", BODIES, ids=range(len(BODIES)))
def test_a_body_changes_or_leaves_the_wire_form(body: str) -> None:
    letter = replace(
        PLAIN, text=body, html=f"<p>{body}</p>", attachments=[Attachment("a", "x/y", body.encode(errors="replace"))]
    )
    check_wire_form(build(letter))
    meant = body.replace("\r\n", "\n").replace("\r", "\n").replace("\ud800", "?")
    found = parsed(letter)
    part = found.get_body(("plain",))
    assert part is not None
    assert part.get_content().replace("\r\n", "\n").removesuffix("\n") == meant.removesuffix("\n")
    [attached] = list(found.iter_attachments())
    assert attached.get_payload(decode=True) == body.encode(errors="replace")


NAMES = [
    "a.txt",
    'q"uo\\te.txt',
    "résumé.pdf",
    "請求書.pdf",
    "x" * 250,
    "日" * 120,
    "tab\there",
    "a;b=c.txt",
    "100%.txt",
]


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_a_filename_changes(name: str) -> None:
    letter = replace(PLAIN, attachments=[Attachment(name, "application/pdf", b"x")])
    check_wire_form(build(letter))
    [attached] = list(parsed(letter).iter_attachments())
    assert attached.get_filename() == name


@pytest.mark.parametrize("given_type", ["nonsense", "multipart/mixed", "message/rfc822", "texté/plain", "a/b/c", ""])
def test_an_impossible_content_type_spoils_the_mail(given_type: str) -> None:
    letter = replace(PLAIN, attachments=[Attachment("a", given_type, b"x")])
    [attached] = list(parsed(letter).iter_attachments())
    assert attached.get_content_type() == "application/octet-stream"


CHARACTERS = st.characters(blacklist_categories=("Cs",), blacklist_characters="\0\r\n")
VALUES = st.one_of(
    st.text(CHARACTERS, max_size=200),
    st.text(" ab=?", max_size=200),
    st.lists(st.text("abc=?_-<>", max_size=90)).map(" ".join),
    st.text("abc", min_size=900, max_size=2000),
)


@given(subject=VALUES, value=VALUES, name=VALUES)
def test_a_parser_sees_other_headers_than_intended(subject: str, value: str, name: str) -> None:
    raw = build(replace(PLAIN, subject=subject, headers={"X-Extra": value}, sender=(name, "a@example.com")))
    check_wire_form(raw)
    assert seen(raw, "Subject") == subject
    assert seen(raw, "X-Extra") == value
    found = email.message_from_bytes(raw, policy=email.policy.compat32)
    assert sorted(found.keys()) == sorted([*email.message_from_bytes(build(PLAIN)).keys(), "X-Extra"])
    head = raw.partition(b"\r\n\r\n")[0]
    assert not any(line.isspace() for line in head.split(b"\r\n"))
    _, _, address = seen(raw, "From").rpartition("<") if name else ("", "", "a@example.com>")
    assert address == "a@example.com>"


@given(name=st.text(CHARACTERS, min_size=1, max_size=80))
def test_a_display_name_changes(name: str) -> None:
    raw = build(replace(PLAIN, sender=(name, "a@example.com")))
    line = email.message_from_bytes(raw, policy=email.policy.compat32)["From"]
    shown = re.sub(r"\r?\n", "", line).removesuffix(" <a@example.com>")
    if shown.startswith('"'):
        shown = re.sub(r"\\(.)", r"\1", shown[1:-1])
    assert str(make_header(decode_header(shown))) == name


def test_long_headers_stay_on_one_line() -> None:
    letter = replace(PLAIN, subject="word " * 60 + "end", headers={"X-Non-Ascii-Name": "é" * 300})
    assert max(map(len, build(letter).split(b"\r\n"))) <= 80
    assert parsed(letter)["Subject"] == letter.subject
