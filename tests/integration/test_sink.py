"""The sink that benchmarks and tests trust: a mail is in its log before it is answered, whatever follows."""

import hashlib
import smtplib
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.sink import Sink

CONTENT = b"Subject: Hello\r\nX-Sendarix-Message-Id: msg_1\r\n\r\n.hidden\r\n..\r\nend\r\n"


@pytest.fixture
def sink(tmp_path: Path) -> Iterator[Sink]:
    found = Sink(tmp_path / "log")
    yield found
    found.stop()


def test_an_answered_mail_is_in_the_log(sink: Sink) -> None:
    before = time.time_ns()
    with smtplib.SMTP("127.0.0.1", sink.port, timeout=10) as client:
        client.sendmail("a@example.com", ["u@example.net", "v@example.net"], CONTENT)
        assert sink.count() == 2
    first, second = sink.taken()
    assert (first.sender, first.recipient, second.recipient) == ("a@example.com", "u@example.net", "v@example.net")
    assert first.message_id == "msg_1" and first.sha256 == second.sha256 and not first.dropped
    assert before < first.first_byte <= first.taken <= time.time_ns()


def test_the_digest_is_of_the_content_without_dot_stuffing(sink: Sink) -> None:
    with smtplib.SMTP("127.0.0.1", sink.port, timeout=10) as client:
        client.sendmail("a@example.com", ["u@example.net"], CONTENT)
        client.sendmail("a@example.com", ["u@example.net"], b".\r\n" + CONTENT)
    assert [each.sha256 for each in sink.taken()] == [
        hashlib.sha256(CONTENT).hexdigest(),
        hashlib.sha256(b".\r\n" + CONTENT).hexdigest(),
    ]


def test_an_empty_mail_and_a_pipelined_next_one_are_both_taken(sink: Sink) -> None:
    envelope = b"MAIL FROM:<a@b.c>\r\nRCPT TO:<d@e.f>\r\nDATA\r\n"
    with socket.create_connection(("127.0.0.1", sink.port), timeout=10) as raw, raw.makefile("rb") as replies:
        raw.sendall(envelope + b".\r\n" + envelope + CONTENT + b".\r\n")
        assert [int(replies.readline()[:3]) for _ in range(9)] == [220, 250, 250, 354, 250, 250, 250, 354, 250]
    assert sink.count() == 2


def test_a_dropped_mail_is_logged_and_never_answered(tmp_path: Path) -> None:
    sink = Sink(tmp_path / "log", drop=100.0, fsync=True)
    try:
        with smtplib.SMTP("127.0.0.1", sink.port, timeout=10) as client, pytest.raises(smtplib.SMTPServerDisconnected):
            client.sendmail("a@example.com", ["u@example.net"], CONTENT)
        assert [each.dropped for each in sink.taken()] == [True]
    finally:
        sink.stop()


def test_the_same_seed_refuses_the_same_mails(tmp_path: Path) -> None:
    histories = []
    for turn in range(2):
        sink = Sink(tmp_path / f"log{turn}", tempfail=50.0, seed=7)
        try:
            with smtplib.SMTP("127.0.0.1", sink.port, timeout=10) as client:
                client.helo("test")
                codes = []
                for _ in range(20):
                    client.mail("a@example.com")
                    codes.append(client.rcpt("u@example.net")[0])
                    client.rset()
                histories.append(codes)
        finally:
            sink.stop()
    assert histories[0] == histories[1] and set(histories[0]) == {250, 451}
