"""The built-in mailbox on the wire: order of answers, magic recipients, commits, a lost database, SIGTERM."""

import smtplib
import socket
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from common.db import session
from common.services import mailbox
from deploy.engines import Engines
from tests.fakes.mailbox import Running

BODY = b"Subject: Hello\r\n\r\nHello.\r\n"


@pytest.fixture
def running(database: None) -> Iterator[Running]:
    found = Running()
    yield found
    found.stop()


class Wire:
    """A raw client that counts complete replies."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self._file = self._socket.makefile("rb")
        assert self.replies(1) == [220]

    def say(self, data: bytes) -> None:
        self._socket.sendall(data)

    def replies(self, count: int) -> list[int]:
        found: list[int] = []
        while len(found) < count:
            line = self._file.readline()
            if not line:
                break
            if line[3:4] != b"-":
                found.append(int(line[:3]))
        return found

    def close(self) -> None:
        self._file.close()
        self._socket.close()


def envelope(recipient: str, sender: str = "hello@example.com") -> bytes:
    return f"MAIL FROM:<{sender}>\r\nRCPT TO:<{recipient}>\r\nDATA\r\n".encode()


def kept(recipient: str | None = None) -> list[dict[str, Any]]:
    with session.transaction() as connection:
        return mailbox.find(connection, recipient=recipient, limit=1000).data


def test_what_is_answered_250_is_readable(running: Running) -> None:
    with smtplib.SMTP("127.0.0.1", running.port, timeout=10) as client:
        client.ehlo()
        assert all(client.has_extn(name) for name in ("pipelining", "8bitmime", "smtputf8", "size"))
        client.sendmail("hello@example.com", ["User@Example.net", "other@example.net"], BODY + b"..dots\r\n")
    found = kept("user@example.NET")
    assert [(each["from"], each["recipient"], each["subject"]) for each in found] == [
        ("hello@example.com", "User@Example.net", "Hello")
    ]
    assert len(kept()) == 2
    with session.transaction() as connection:
        row = session.rows(connection, "SELECT source, size FROM mailbox_messages LIMIT 1")[0]
    assert bytes(row.source) == BODY + b"..dots\r\n" and row.size == len(row.source)


def test_answers_keep_their_order_when_mails_are_pipelined(running: Running) -> None:
    with closing(Wire(running.port)) as wire:
        wire.say(b"EHLO test\r\n" + envelope("u0@example.net"))
        assert wire.replies(4) == [250, 250, 250, 354]
        for number in range(1, 4):
            wire.say(BODY + b".\r\n" + envelope(f"u{number}@example.net"))
            assert wire.replies(4) == [250, 250, 250, 354]
        wire.say(BODY + b".\r\nQUIT\r\n")
        assert wire.replies(2) == [250, 221]
    assert [each["recipient"] for each in kept()] == [f"u{number}@example.net" for number in (3, 2, 1, 0)]


def test_everything_at_once_is_still_answered_one_by_one(running: Running) -> None:
    with closing(Wire(running.port)) as wire:
        one = b"MAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.net>\r\nDATA\r\n" + BODY + b".\r\n"
        wire.say(b"EHLO test\r\n" + one * 50 + b"QUIT\r\n")
        assert wire.replies(202) == [250] + [250, 250, 354, 250] * 50 + [221]
    assert len(kept()) == 50


def test_a_mail_in_single_bytes_is_the_same_mail(running: Running) -> None:
    with closing(Wire(running.port)) as wire:
        for byte in b"HELO test\r\n" + envelope("u@example.net") + BODY + b".\r\n":
            wire.say(bytes([byte]))
        assert wire.replies(5) == [250, 250, 250, 354, 250]
    assert kept()[0]["size"] == len(BODY)


def test_a_refused_recipient_does_not_block_the_next_mail(running: Running) -> None:
    with closing(Wire(running.port)) as wire:
        wire.say(envelope("bounced+x@Simulator.Sendarix.test") + envelope("u@example.net") + BODY + b".\r\n")
        assert wire.replies(7) == [250, 550, 503, 250, 250, 354, 250]


@pytest.mark.parametrize(
    ("name", "codes"),
    [
        ("delivered", [250, 250]),
        ("Complained+label", [250, 250]),
        ("unsubscribed", [250, 250]),
        ("bounced", [550, 550]),
        ("deferred+a", [451, 451]),
        ("deferred-then-delivered", [451, 250, 451, 250]),
        ("nobody", [550, 550]),
        ("slowly", [550]),
    ],
)
def test_magic_recipients_play_their_part(running: Running, name: str, codes: list[int]) -> None:
    found = []
    with closing(Wire(running.port)) as wire:
        for _ in codes:
            wire.say(f"RSET\r\nMAIL FROM:<a@example.com>\r\nRCPT TO:<{name}@simulator.sendarix.test>\r\n".encode())
            found.append(wire.replies(3)[2])
    assert found == codes


def test_slow_takes_two_seconds_and_keeps_the_mail(running: Running) -> None:
    with closing(Wire(running.port)) as wire:
        wire.say(envelope("slow@simulator.sendarix.test"))
        assert wire.replies(3) == [250, 250, 354]
        began = time.monotonic()
        wire.say(BODY + b".\r\n")
        assert wire.replies(1) == [250]
        assert time.monotonic() - began >= 2
    assert len(kept()) == 1


@pytest.mark.parametrize(
    "source",
    [
        b"\xff\xfe\x00\r\n\r\n\x00\r\n",
        b"Subject: =?utf-8?b?////?= =?x-none?q?a?=\r\n\r\nx\r\n",
        b"Subject: =?utf-8?q?=00=ED=A0=80?=\r\nContent-Type: text/plain; charset=x-none\r\n\r\n\xff\r\n",
        b"Content-Type: multipart/mixed; boundary=\r\n\r\n--\r\n",
        b"",
    ],
)
def test_hostile_content_is_kept_and_can_be_read(running: Running, source: bytes) -> None:
    with closing(Wire(running.port)) as wire:
        wire.say(envelope("u@example.net") + source + b".\r\n")
        assert wire.replies(4) == [250, 250, 354, 250]
    with session.transaction() as connection:
        row = session.rows(connection, "SELECT id FROM mailbox_messages")[0]
        found = mailbox.get(connection, row.id)
    assert found is not None and found["size"] == len(source)


def test_only_the_newest_mails_stay(database: None) -> None:
    small = Running(mailbox_keep=20)
    try:
        with closing(Wire(small.port)) as wire:
            for _ in range(3):
                wire.say((envelope("u@example.net") + BODY + b".\r\n") * 400)
                wire.replies(1600)
        with session.transaction() as connection:
            count = session.rows(connection, "SELECT count(*) AS n FROM mailbox_messages")[0].n
        assert 20 <= count <= 20 + 1000
        assert count < 1200
    finally:
        small.stop()


def test_without_a_database_the_answer_is_451_and_later_250_again(running: Running, engines: Engines) -> None:
    assert engines.postgres is not None
    with closing(Wire(running.port)) as wire:
        wire.say(envelope("before@example.net") + BODY + b".\r\n")
        assert wire.replies(4) == [250, 250, 354, 250]
        engines.postgres.stop()
        try:
            wire.say(envelope("while@example.net") + BODY + b".\r\n")
            assert wire.replies(4) == [250, 250, 354, 451]
        finally:
            engines.postgres.start()
            session.close()
        wire.say(envelope("after@example.net") + BODY + b".\r\n")
        assert wire.replies(4) == [250, 250, 354, 250]
    assert sorted(each["recipient"] for each in kept()) == ["after@example.net", "before@example.net"]


def test_a_stop_answers_what_was_taken_and_says_goodbye_to_the_rest(running: Running) -> None:
    with closing(Wire(running.port)) as busy, closing(Wire(running.port)) as idle:
        busy.say(envelope("slow@simulator.sendarix.test"))
        assert busy.replies(3) == [250, 250, 354]
        busy.say(BODY + b".\r\n")
        idle.say(b"NOOP\r\n")  # answered by the same loop: what came before it over loopback has been read
        assert idle.replies(1) == [250]
        running.ask_to_stop()
        assert idle.replies(2) == [421]
        assert busy.replies(3) == [250, 421]
    running.stop()
    assert len(kept()) == 1
