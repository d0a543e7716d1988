"""Mail that comes back: what it changes, what must change nothing, and what the port must not take."""

import smtplib
import socket
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from common.config import current_settings, read_settings
from common.db.session import rows, run, transaction
from common.domain.errors import NotFound
from common.domain.return_paths import BOUNCE, UNSUBSCRIBE, write_local_part
from common.services import inbound
from common.services.keys import server_secret
from tests.builders import Account, a_message, an_account
from tests.fakes.certificates import authority, localhost
from tests.fakes.injecting import INJECTIONS, answer_behind_tls
from tests.fakes.ports import listening
from workers.inbound import server

pytestmark = pytest.mark.usefixtures("database")

DSN = """From: MAILER-DAEMON@mx.example.net
To: {to}
Subject: Undelivered Mail Returned to Sender
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="b"

--b
Content-Type: text/plain

The mail could not be delivered.
--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.net

Final-Recipient: rfc822; {recipient}
Action: {action}
Status: {status}
Diagnostic-Code: smtp; {code} {status} {words}
--b--
"""
ARF = """From: feedback@mx.example.net
To: {to}
Subject: complaint
MIME-Version: 1.0
Content-Type: multipart/report; report-type=feedback-report; boundary="b"

--b
Content-Type: text/plain

This is a report.
--b
Content-Type: message/feedback-report

Feedback-Type: abuse
User-Agent: Test/1
Version: 1

--b
Content-Type: message/rfc822

Return-Path: <{token}@bounces.example.com>
From: hello@example.com
To: user0@example.net
Subject: Hello

Hello.
--b--
"""


@pytest.fixture
def port() -> Iterator[int]:
    settings = read_settings(inbound_port=0, database_url=current_settings().database_url)
    with listening(lambda stop, started: server.run(settings, stop, started)) as found:
        yield found


@pytest.fixture
def delivered() -> tuple[Account, UUID]:
    account = an_account()
    message_id = a_message(account)
    with transaction() as connection:
        run(connection, "UPDATE messages SET status = 'delivered', delivered_at = now(), ended_at = now()"
                        " WHERE id = %s", message_id)  # fmt: skip
    return account, message_id


def address(message_id: UUID, kind: str = BOUNCE) -> str:
    return f"{write_local_part(server_secret(current_settings()), kind, message_id)}@bounces.example.com"


def post(port: int, to: str, text: str, sender: str = "") -> tuple[int, bytes]:
    with smtplib.SMTP("127.0.0.1", port, timeout=20) as client:
        client.ehlo("mx.example.net")
        code, words = client.docmd("MAIL", f"FROM:<{sender}>")
        assert code == 250, words
        code, words = client.docmd("RCPT", f"TO:<{to}>")
        return (code, words) if code != 250 else client.data(text.replace("\n", "\r\n"))


def bounce(to: str, action: str = "failed", status: str = "5.1.1", code: int = 550, words: str = "no such user") -> str:
    return DSN.format(to=to, recipient="user0@example.net", action=action, status=status, code=code, words=words)


def state(message_id: UUID) -> str:
    with transaction() as connection:
        return str(rows(connection, "SELECT status FROM messages WHERE id = %s", message_id)[0].status)


def last_event(message_id: UUID) -> tuple[str, dict[str, object]]:
    with transaction() as connection:
        row = rows(connection, "SELECT type, data FROM events WHERE message_id = %s ORDER BY seq DESC", message_id)[0]
    return row.type, row.data


def suppressed(account: Account) -> list[tuple[str, str]]:
    with transaction() as connection:
        found = rows(connection, "SELECT reason, scope FROM suppressions WHERE account_id = %s", account.id)
    return [(row.reason, row.scope) for row in found]


def kept(message_id: UUID | None) -> list[tuple[str, str]]:
    with transaction() as connection:
        found = rows(connection, "SELECT kind, effect FROM inbound_mails WHERE message_id IS NOT DISTINCT FROM %s"
                                 " ORDER BY received_at", message_id)  # fmt: skip
    return [(row.kind, row.effect) for row in found]


def test_s55_a_bounce_that_comes_later_leaves_the_message_delivered(port: int, delivered: tuple[Account, UUID]) -> None:
    account, message_id = delivered
    assert post(port, address(message_id), bounce(address(message_id)))[0] == 250
    assert state(message_id) == "bounced"
    name, data = last_event(message_id)
    assert (name, data["late"], data["bounce"]) == (
        "message.bounced",
        True,
        {"type": "hard", "reason": "invalid_recipient"},
    )
    assert suppressed(account) == [("hard_bounce", "all")]
    assert kept(message_id) == [("bounce", "bounced")]


def test_a_full_mailbox_is_held_against_the_address(port: int, delivered: tuple[Account, UUID]) -> None:
    account, message_id = delivered
    post(port, address(message_id), bounce("x", status="5.2.2", code=552, words="mailbox full, quota exceeded"))
    assert state(message_id) == "bounced" and suppressed(account) == []


def test_a_bounce_repeated_is_told_twice(port: int, delivered: tuple[Account, UUID]) -> None:
    _, message_id = delivered
    assert [post(port, address(message_id), bounce("x"))[0] for _ in range(2)] == [250, 250]
    assert kept(message_id) == [("bounce", "bounced"), ("bounce", "none")]


def test_a_warning_of_a_delay_is_taken_for_a_bounce(port: int, delivered: tuple[Account, UUID]) -> None:
    account, message_id = delivered
    post(port, address(message_id), bounce("x", action="delayed", status="4.4.1", code=451, words="timed out"))
    assert state(message_id) == "delivered" and suppressed(account) == []
    assert last_event(message_id)[0] == "message.deferred"


def test_a_complaint_to_abuse_finds_its_message_by_the_return_path_it_quotes(
    port: int, delivered: tuple[Account, UUID]
) -> None:
    account, message_id = delivered
    token = address(message_id).partition("@")[0]
    assert post(port, "abuse@example.com", ARF.format(to="abuse@example.com", token=token))[0] == 250
    assert state(message_id) == "complained" and suppressed(account) == [("complaint", "all")]


@pytest.mark.parametrize("forged", ["b" + "a" * 39, "b" * 40])
def test_b8_a_forged_report_changes_a_message(port: int, delivered: tuple[Account, UUID], forged: str) -> None:
    account, message_id = delivered
    assert post(port, f"{forged}@bounces.example.com", bounce("x"))[0] == 550
    assert post(port, "postmaster@example.com", ARF.format(to="x", token=forged))[0] == 250
    other = address(uuid4()).partition("@")[0]
    assert post(port, "abuse@example.com", ARF.format(to="x", token=other))[0] == 250
    assert state(message_id) == "delivered" and suppressed(account) == []


def test_b8_a_token_is_believed_for_ever(port: int, delivered: tuple[Account, UUID]) -> None:
    account, message_id = delivered
    with transaction() as connection:
        run(connection, "UPDATE messages SET delivered_at = now() - interval '8 days' WHERE id = %s", message_id)
    assert post(port, address(message_id), bounce("x"))[0] == 250
    assert state(message_id) == "delivered" and kept(message_id) == [("bounce", "none")]


def test_a_bounce_overtakes_the_outcome_of_its_delivery_and_is_lost(port: int) -> None:
    message_id = a_message(an_account())
    assert post(port, address(message_id), bounce("x"))[0] == 451
    assert kept(message_id) == []


def test_s50_mail_to_the_unsubscribe_address_is_no_unsubscribe(port: int, delivered: tuple[Account, UUID]) -> None:
    account, message_id = delivered
    to = address(message_id, UNSUBSCRIBE)
    mail = f"From: user0@example.net\nTo: {to}\nSubject: unsubscribe\n\n"
    assert [post(port, to, mail, "user0@example.net")[0] for _ in range(2)] == [250, 250]
    assert suppressed(account) == [("user_unsubscribed", "all")]
    assert kept(message_id) == [("unsubscribe", "unsubscribed"), ("unsubscribe", "none")]


def test_an_absence_note_unsubscribes_or_bounces(port: int, delivered: tuple[Account, UUID]) -> None:
    account, message_id = delivered
    note = "From: user0@example.net\nTo: x\nSubject: Out of office\nAuto-Submitted: auto-replied\n\nI am away.\n"
    for kind in (BOUNCE, UNSUBSCRIBE):
        assert post(port, address(message_id, kind), note, "user0@example.net")[0] == 250
    assert state(message_id) == "delivered" and suppressed(account) == []


@pytest.mark.parametrize("to", ["user@example.com", "hello@localhost", "user%x@example.com", "b@example.com", "@a:b@c"])
def test_b6_the_port_relays(port: int, to: str) -> None:
    assert post(port, to, "x", "a@example.org")[0] >= 500


def test_b9_a_loop_goes_round_again(port: int, delivered: tuple[Account, UUID]) -> None:
    mail = "Received: from a by b; today\n" * 26 + bounce("x")
    assert post(port, address(delivered[1]), mail)[0] == 554


@pytest.mark.parametrize("ending", [b"\n.\n", b"\r\n.\n", b"\n.\r\n", b"\r.\r", b"\r\n.\r", b"\r.\r\n", b"\n\n.\r\n"])
def test_b4_a_second_mail_is_smuggled_in_behind_a_strange_end(
    port: int, delivered: tuple[Account, UUID], ending: bytes
) -> None:
    to = address(delivered[1]).encode()
    with socket.create_connection(("127.0.0.1", port), 20) as wire:
        file = wire.makefile("rb")
        file.readline()
        for line in (b"HELO mx", b"MAIL FROM:<>", b"RCPT TO:<" + to + b">", b"DATA"):
            wire.sendall(line + b"\r\n")
            assert file.readline()[:1] in b"23"
        inner = b"MAIL FROM:<a@example.org>\r\nRCPT TO:<" + to + b">\r\nDATA\r\nSubject: inner\r\n\r\ninner"
        wire.sendall(b"Subject: outer\r\n\r\nouter" + ending + inner + b"\r\n.\r\nQUIT\r\n")
        answers = [line[:3] for line in file]
    assert answers == [b"550", b"221"]


def test_what_came_back_is_shown_to_another_account(port: int, delivered: tuple[Account, UUID]) -> None:
    account, message_id = delivered
    post(port, address(message_id), bounce("x"))
    with transaction() as connection:
        found = inbound.of_message(connection, account.principal, message_id)
        assert [(each["kind"], each["effect"], each["categories"]) for each in found] == [
            ("bounce", "bounced", ["invalid_recipient"])
        ]
        with pytest.raises(NotFound):
            inbound.of_message(connection, an_account().principal, message_id)


@pytest.mark.parametrize("injected", INJECTIONS, ids=range(len(INJECTIONS)))
def test_b5_what_came_before_tls_counts_after_it(
    tmp_path: Path, delivered: tuple[Account, UUID], injected: bytes
) -> None:
    (tmp_path / "chain.pem").write_bytes(localhost().pem)
    settings = read_settings(
        inbound_port=0, smtp_tls_certificate=str(tmp_path / "chain.pem"), database_url=current_settings().database_url
    )
    injected = injected.replace(b"user@example.net", address(delivered[1]).encode())
    with listening(lambda stop, started: server.run(settings, stop, started)) as port:
        assert answer_behind_tls(port, authority().client_context(), injected).startswith(b"503")
    assert kept(delivered[1]) == kept(None) == []
