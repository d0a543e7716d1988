"""Mail submitted by SMTP: the same message as by the API, by whoever has the right, and never two."""

import smtplib
import ssl
from collections.abc import Iterator
from email.message import EmailMessage
from typing import Any
from uuid import UUID

import pytest

from common.config import current_settings, read_settings
from common.db.session import rows, run, transaction
from common.domain.ids import decode
from common.services import composing, keys, messages, quickstart
from common.services.quickstart import QUICKSTART_ACCOUNT
from tests.fakes.certificates import authority, localhost
from tests.fakes.injecting import INJECTIONS, answer_behind_tls
from tests.fakes.ports import listening
from workers.relay import server

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture
def tokens(database: None) -> Iterator[dict[str, str]]:
    keys.forget()
    composing.forget()
    with transaction() as connection:
        made = quickstart.prepare(connection, current_settings())
    yield made
    keys.forget()


@pytest.fixture
def port(tokens: dict[str, str]) -> Iterator[int]:
    settings = read_settings(smtp_port=0, database_url=current_settings().database_url, max_body_bytes=1_000_000)
    with listening(lambda stop, started: server.run(settings, stop, started)) as found:
        yield found[0]


def a_mail(**headers: str) -> EmailMessage:
    mail = EmailMessage()
    fields = {"From": "Example <hello@example.com>", "To": "user@example.net", "Subject": "Your code"} | headers
    for name, value in fields.items():
        mail[name.replace("_", "-")] = value
    mail.set_content("847291\n")
    mail.add_alternative("<p>847291</p>", subtype="html")
    return mail


def client(port: int, password: str | None) -> smtplib.SMTP:
    made = smtplib.SMTP("127.0.0.1", port, timeout=20)
    if password is not None:
        made.login("apikey", password)
    return made


def submit(port: int, password: str, mail: EmailMessage, *recipients: str) -> tuple[int, str]:
    """The reply to the final dot, or to the step that was refused."""
    with client(port, password) as smtp:
        smtp.ehlo()
        for command in ("MAIL FROM:<hello@example.com>", *(f"RCPT TO:<{each}>" for each in recipients)):
            code, words = smtp.docmd(command)
            if code != 250:
                return code, words.decode()
        code, words = smtp.data(mail.as_bytes())
        return code, words.decode()


def ids_of(reply: str) -> list[UUID]:
    found = [decode("msg", word) for word in reply.split() if word.startswith("msg_")]
    return [each for each in found if each is not None]


def stored(message_id: UUID) -> Any:
    with transaction() as connection:
        return rows(connection, "SELECT c.*, m.recipient, m.status, m.tier, m.stream, m.expires_at, m.environment"
                                " FROM messages m JOIN message_contents c ON c.message_id = m.id WHERE m.id = %s",
                    message_id)[0]  # fmt: skip


def count() -> int:
    with transaction() as connection:
        return int(rows(connection, "SELECT count(*) AS n FROM messages")[0].n)


def test_s66_the_reply_names_no_message_or_another(port: int, tokens: dict[str, str]) -> None:
    code, words = submit(port, tokens["live_key"], a_mail(), "user@example.net")
    assert code == 250 and words.startswith("2.0.0 Ok queued as msg_")
    row = stored(ids_of(words)[0])
    assert (row.recipient, row.subject, row.sender) == (
        "user@example.net", "Your code", {"email": "hello@example.com", "name": "Example"}
    )  # fmt: skip
    with transaction() as connection:
        principal = keys.authenticate(tokens["live_key"], "127.0.0.1")
        shown = messages.content(connection, principal, row.message_id)
    assert (shown["text"], shown["html"]) == ("847291\n", "<p>847291</p>\n")


def test_several_recipients_become_one_message_or_lose_one(port: int, tokens: dict[str, str]) -> None:
    names = [f"user{number}@example.net" for number in range(20)]
    code, words = submit(port, tokens["live_key"], a_mail(Bcc="secret@example.net"), *names, names[0])
    assert code == 250
    found = [stored(each) for each in ids_of(words)]
    assert [row.recipient for row in found] == names
    assert b"secret" not in bytes(found[0].mime) and b"To: user@example.net" in bytes(found[0].mime)


def test_the_mail_is_composed_anew(port: int, tokens: dict[str, str]) -> None:
    mail = a_mail(X_Mailer="Old tool 3", Message_ID="<1@example.com>", Date="Mon, 20 Apr 2026 10:00:00 +0000")
    raw = mail.as_bytes().replace(b"\n", b"\r\n")
    with client(port, tokens["live_key"]) as smtp:
        smtp.mail("hello@example.com")
        smtp.rcpt("user@example.net")
        words = smtp.data(raw)[1].decode()
    kept = bytes(stored(ids_of(words)[0]).mime)
    assert kept.startswith(b"Received: from ") and kept.endswith(raw)


def test_what_a_server_may_refuse_leaves_as_it_came(port: int, tokens: dict[str, str]) -> None:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "hello@example.com", "user@example.net", "x"
    mail.set_content("Grüße. " * 400, cte="8bit")
    _, words = submit(port, tokens["live_key"], mail, "user@example.net")
    row = stored(ids_of(words)[0])
    kept = bytes(row.mime)
    assert kept.isascii() and max(map(len, kept.split(b"\r\n"))) <= 998
    with transaction() as connection:
        text = messages.content(connection, keys.authenticate(tokens["live_key"], "x"), row.message_id)["text"]
    assert text.strip() == ("Grüße. " * 400).strip()


def test_options_in_headers_reach_the_recipient(port: int, tokens: dict[str, str]) -> None:
    mail = a_mail(X_Metadata_Order="1017", X_Stream="billing", X_Priority_Tier="critical",
                  X_Expires_At="2096-01-01T00:00:00Z", X_PM_Tag="invoice", X_SES_Message_Tags="team=a, region=b",
                  X_SMTPAPI='{"category": ["welcome"], "unique_args": {"n": 7}}')  # fmt: skip
    mail["X-Mailgun-Variables"] = '{"m": "1"}'
    mail["X-Tag"] = "one"
    mail["X-Tag"] = "two"
    _, words = submit(port, tokens["live_key"], mail, "user@example.net")
    row = stored(ids_of(words)[0])
    assert sorted(row.tags) == ["invoice", "one", "two", "welcome"] and row.stream == "billing" and row.tier == 0
    assert row.metadata == {"order": "1017", "team": "a", "region": "b", "n": 7, "m": "1"}
    assert b"\r\nX-" not in bytes(row.mime).partition(b"\r\n\r\n")[0]


def test_a_template_by_header_is_sent_as_the_text_of_the_mail(port: int, tokens: dict[str, str]) -> None:
    mail = a_mail(X_Template="otp-code", X_Template_Data='{"code": "123456", "expires_in": "5 minutes"}')
    _, words = submit(port, tokens["live_key"], mail, "user@example.net")
    row = stored(ids_of(words)[0])
    assert (row.template_slug, row.mime, row.template_data["code"]) == ("otp-code", None, "123456")


@pytest.mark.parametrize(("header", "value", "word"), [
    ("X-Sendarix-Color", "red", "x-sendarix-color"), ("X-Priority-Tier", "urgent", "x-priority-tier"),
    ("X-Scheduled-Time", "tomorrow", "x-scheduled-time"), ("X-Template-Data", "{", "x-template-data"),
    ("X-Template", "no-such", "template"), ("X-Tag", "a" * 101, "x-tag"), ("From", "b@example.com", "from"),
    ("X-SMTPAPI", '{"sub": {"%name%": ["A"]}}', "x-smtpapi"), ("X-Expires-At", "2001-01-01T00:00:00Z", "expires_at"),
])  # fmt: skip
def test_a_wrong_option_is_ignored_or_does_not_say_which(
    port: int, tokens: dict[str, str], header: str, value: str, word: str
) -> None:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "hello@example.com", "user@example.net", "x"
    raw = f"{header}: {value}\r\n".encode() + mail.as_bytes() + b"\r\nHello.\r\n"
    with client(port, tokens["live_key"]) as smtp:
        smtp.mail("hello@example.com")
        smtp.rcpt("user@example.net")
        code, words = smtp.data(raw)
    assert code == 550 and words.startswith(b"5.6.0") and word in words.decode(), words
    assert count() == 0


def test_a_repeated_mail_is_sent_twice(port: int, tokens: dict[str, str]) -> None:
    first = submit(port, tokens["live_key"], a_mail(Idempotency_Key="order-1", Date="Mon, 20 Apr 2026 10:00:00 +0000"),
                   "a@example.net", "b@example.net")  # fmt: skip
    again = submit(port, tokens["live_key"], a_mail(Idempotency_Key="order-1"), "a@example.net", "b@example.net")
    assert ids_of(first[1]) == ids_of(again[1]) and "(duplicate)" in again[1] and count() == 2
    other = submit(
        port, tokens["live_key"], a_mail(Idempotency_Key="order-1", Subject="Other"), "a@example.net", "b@example.net"
    )
    assert other[0] >= 500 and count() == 2


def restricted(**columns: Any) -> str:
    with transaction() as connection:
        made = keys.create(connection, QUICKSTART_ACCOUNT, environment="live", scopes=["messages:send"])
        for name, value in columns.items():
            run(connection, f"UPDATE api_keys SET {name} = %s WHERE id = %s", value, made.id)
    return made.token


@pytest.mark.parametrize(("columns", "code"), [
    ({"cidrs": ["192.0.2.0/24"]}, 535), ({"scopes": ["messages:read"]}, 535), ({"revoked_at": "2020-01-01"}, 535),
    ({"expires_at": "2020-01-01"}, 535), ({"sender_domains": ["other.example"]}, 550), ({"tags": ["a"]}, 550),
    ({"streams": ["a", "b"]}, 550), ({"templates": ["otp-code"]}, 550), ({"require_idempotency": True}, 550),
])  # fmt: skip
def test_b6_a_key_may_do_more_by_smtp_than_by_http(port: int, columns: dict[str, Any], code: int) -> None:
    token = restricted(**columns)
    try:
        found = submit(port, token, a_mail(X_Tag="b"), "user@example.net")[0]
    except smtplib.SMTPAuthenticationError as error:
        found = error.smtp_code
    assert found == code and count() == 0


@pytest.mark.parametrize("commands", [
    ["MAIL FROM:<hello@example.com>"], ["EHLO x", "RCPT TO:<user@example.net>"], ["EHLO x", "DATA"],
    ["EHLO x", "MAIL FROM:<hello@example.com>", "RCPT TO:<user@example.net>", "DATA"], ["EHLO x", "VRFY root"],
    ["EHLO x", "EXPN all"], ["EHLO x", "AUTH PLAIN AAAA"], ["EHLO x", "AUTH PLAIN =", "MAIL FROM:<>"],
    ["EHLO x", "AUTH PLAIN AGFwaWtleQBza19saXZlX3Nkeg=="], ["EHLO x", "AUTH CRAM-MD5"], ["EHLO x", "AUTH LOGIN !!!"],
    ["HELO x", "AUTH PLAIN AGEAYg=="], ["EHLO x", "STARTTLS"], ["EHLO x", "XCLIENT NAME=localhost"],
    ["EHLO localhost", "MAIL FROM:<root@localhost>"], ["EHLO x", "MAIL FROM:<hello@example.com> AUTH=<>"],
])  # fmt: skip
def test_b6_mail_is_taken_without_a_right(port: int, tokens: dict[str, str], commands: list[str]) -> None:
    with client(port, None) as smtp:
        codes = [smtp.docmd(each)[0] for each in commands]
    assert codes[-1] >= 400 or (commands[-1].startswith("VRFY") and codes[-1] == 252)
    assert count() == 0


def test_b6_an_unverified_domain_sends(port: int, tokens: dict[str, str]) -> None:
    with client(port, tokens["live_key"]) as smtp:
        smtp.ehlo()
        code, words = smtp.docmd("MAIL FROM:<root@bank.example>")
        assert code == 550 and b"5.7.1" in words and b"verify" in words
        smtp.mail("hello@example.com")
        smtp.rcpt("user@example.net")
        assert smtp.data(a_mail().as_bytes().replace(b"hello@example.com", b"root@bank.example"))[0] == 550
    assert count() == 0


def test_a_stranger_may_guess_keys_for_ever(port: int, tokens: dict[str, str]) -> None:
    codes = []
    for _ in range(12):
        with client(port, None) as smtp:
            smtp.ehlo()
            codes.append(smtp.docmd("AUTH PLAIN AGFwaWtleQBub3QgYSBrZXk=")[0])
    assert codes[0] == 535 and codes[-1] == 421


def test_the_quota_is_another_than_the_api_s(port: int, tokens: dict[str, str]) -> None:
    with transaction() as connection:
        run(connection, "UPDATE accounts SET requests_per_minute = 3")
    keys.forget()
    replies = [submit(port, tokens["live_key"], a_mail(), f"u{n}@example.net") for n in range(4)]
    assert [code for code, _ in replies] == [250, 250, 250, 451] and replies[3][1].startswith("4.7.1")


def test_a_mail_too_large_is_taken_or_told_late(port: int, tokens: dict[str, str]) -> None:
    with client(port, tokens["live_key"]) as smtp:
        smtp.ehlo()
        assert smtp.docmd("MAIL FROM:<hello@example.com> SIZE=1000001") == (
            552,
            b"5.3.4 the mail is larger than is taken here",
        )
        smtp.mail("hello@example.com")
        smtp.rcpt("user@example.net")
        code, words = smtp.data(b"Subject: x\r\n\r\n" + b"x" * 70 + b"\r\n" + (b"y" * 70 + b"\r\n") * 15_000)
        assert (code, words[:5]) == (552, b"5.3.4")
        assert smtp.noop()[0] == 250
    assert count() == 0


@pytest.mark.parametrize("ending", [b"\n.\n", b"\r\n.\n", b"\n.\r\n", b"\r.\r", b"\r\n.\r", b"\r.\r\n", b"\n\n.\r\n"])
def test_b4_a_second_mail_is_smuggled_in(port: int, tokens: dict[str, str], ending: bytes) -> None:
    with client(port, tokens["live_key"]) as smtp:
        smtp.mail("hello@example.com")
        smtp.rcpt("user@example.net")
        assert smtp.docmd("DATA")[0] == 354
        inner = b"MAIL FROM:<hello@example.com>\r\nRCPT TO:<b@example.net>\r\nDATA\r\nFrom: hello@example.com\r\n\r\nx"
        smtp.send(b"From: hello@example.com\r\nSubject: a\r\n\r\nouter" + ending + inner + b"\r\n.\r\n")
        assert smtp.getreply()[0] == 250
        assert smtp.noop()[0] == 250
    assert count() == 1


@pytest.fixture
def encrypted(tokens: dict[str, str], tmp_path: Any) -> Iterator[tuple[list[int], ssl.SSLContext]]:
    leaf = localhost()
    (tmp_path / "chain.pem").write_bytes(leaf.pem)
    settings = read_settings(
        smtp_port=0, smtp_more_ports="0:tls", smtp_tls_certificate=str(tmp_path / "chain.pem"),
        database_url=current_settings().database_url,
    )  # fmt: skip
    with listening(lambda stop, started: server.run(settings, stop, started)) as found:
        yield found, authority().client_context()


def test_tls_from_the_first_byte_or_by_starttls_is_not_spoken(
    encrypted: tuple[list[int], ssl.SSLContext], tokens: dict[str, str]
) -> None:
    ports, context = encrypted
    with smtplib.SMTP("localhost", ports[0], timeout=20) as smtp:
        smtp.starttls(context=context)
        smtp.login("apikey", tokens["live_key"])
        smtp.send_message(a_mail())
    with smtplib.SMTP_SSL("localhost", ports[1], timeout=20, context=context) as smtp:
        smtp.ehlo()
        assert not smtp.has_extn("starttls")
        smtp.login("apikey", tokens["live_key"])
        smtp.send_message(a_mail())
    assert count() == 2


@pytest.mark.parametrize("injected", INJECTIONS, ids=range(len(INJECTIONS)))
def test_b5_what_came_before_tls_counts_after_it(encrypted: tuple[list[int], ssl.SSLContext], injected: bytes) -> None:
    ports, context = encrypted
    assert answer_behind_tls(ports[0], context, injected).startswith(b"503")
    assert count() == 0


def test_more_recipients_than_are_taken_are_lost_or_refused_for_good(port: int, tokens: dict[str, str]) -> None:
    with client(port, tokens["live_key"]) as smtp:
        smtp.ehlo()
        smtp.mail("hello@example.com")
        codes = [smtp.rcpt(f"u{number}@example.net")[0] for number in range(101)]
        assert codes == [250] * 100 + [452]
        code, words = smtp.data(a_mail().as_bytes())
    assert code == 250 and count() == 100 == len(ids_of(words.decode()))
