"""Clients that stall in the middle of a mail: they must not hold up the others, nor stay for ever."""

import asyncio
import smtplib
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.fakes.ports import listening
from workers.listening import Crowd, Port, Session, serve
from workers.receiving import SMALL, Patience

LINE = b"x" * 70 + b"\r\n"
LARGE = LINE * (2 * SMALL // len(LINE))
QUICK = Patience(tick=0.1, lull=1.0, least=500, least_waited_for=200_000, whole=3.0, turn=5.0)


class Taking:
    """Takes everything, and keeps it."""

    def __init__(self) -> None:
        self.taken: list[bytes] = []

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:
        self.taken.append(envelope.content)
        return "250 2.0.0 kept"


@pytest.fixture
def taking() -> Taking:
    return Taking()


@pytest.fixture
def port(taking: Taking) -> Iterator[int]:
    async def run(stop: asyncio.Event, started: Callable[[Any], None]) -> None:
        crowd, loop = Crowd(50, 50, most_receiving=2, patience=QUICK), asyncio.get_running_loop()

        def make() -> Session:
            return Session(taking, crowd, data_size_limit=1_000_000, hostname="mx.example.com", loop=loop)

        await serve([Port("127.0.0.1", 0)], crowd, make, None, stop, started)

    with listening(run) as found:
        yield found[0]


def in_data(port: int, first: bytes) -> socket.socket:
    """A client that was told to go ahead and sent `first`."""
    wire = socket.create_connection(("127.0.0.1", port), 20)
    wire.recv(1000)
    for command in (b"HELO x", b"MAIL FROM:<a@example.com>", b"RCPT TO:<b@example.com>", b"DATA"):
        wire.sendall(command + b"\r\n")
        answer = wire.recv(4000)
    assert answer.startswith(b"354")
    wire.sendall(first)
    return wire


def send(port: int, body: bytes) -> int:
    with smtplib.SMTP("127.0.0.1", port, timeout=20) as smtp:
        smtp.ehlo()
        smtp.mail("a@example.com")
        smtp.rcpt("b@example.com")
        return smtp.data(body)[0]


def last_line(wire: socket.socket) -> bytes:
    with wire:
        return b"".join(iter(lambda: wire.recv(1000), b""))


def test_two_clients_stalled_with_large_mails_hold_up_a_third(port: int, taking: Taking) -> None:
    stalled = [in_data(port, LARGE) for _ in range(2)]
    assert send(port, LARGE) == 250  # a turn of the slow is given to whoever waits
    ends = sorted(last_line(each) for each in stalled)
    assert ends == [b"421 4.4.2 the mail came too slowly\r\n"] * 2 and taking.taken == [LARGE]


def test_a_small_mail_waits_for_the_stalled(port: int, taking: Taking) -> None:
    stalled = [in_data(port, LARGE) for _ in range(2)] + [in_data(port, b"") for _ in range(20)]
    assert send(port, b"Subject: x\r\n\r\nhi") == 250
    assert all(last_line(each) == b"421 4.4.2 the mail came too slowly\r\n" for each in stalled)


def test_one_octet_at_a_time_lasts_for_ever(port: int) -> None:
    wire, ended = in_data(port, LINE), threading.Event()

    def drip() -> None:
        while not ended.wait(0.02):
            try:
                wire.sendall(LINE)
            except OSError:
                return

    dripping = threading.Thread(target=drip)
    dripping.start()
    try:
        answer = wire.recv(1000)
    finally:
        ended.set()
        dripping.join()
        wire.close()
    assert answer == b"421 4.4.2 the mail came too slowly\r\n"


@pytest.mark.parametrize("body", [b"", b"\r\n", b".\r\n", b"a\r\n..\r\n.b", b"x" * 65_535], ids=range(5))
@pytest.mark.parametrize("size", [1, 2, 3, 100_000])
def test_a_mail_is_read_otherwise_than_sent(port: int, taking: Taking, body: bytes, size: int) -> None:
    stuffed = (b"\r\n" + body).replace(b"\r\n.", b"\r\n..")[2:] + b"\r\n"
    sent = (stuffed if body else b"") + b".\r\nNOOP\r\n"
    if len(body) > 100 and size < 100:
        size = 30_001
    with in_data(port, b"") as wire:
        for at in range(0, len(sent), size):
            wire.sendall(sent[at : at + size])
        answer = b""
        while answer.count(b"\r\n") < 2:
            answer += wire.recv(1000)
    assert answer.startswith(b"250 2.0.0 kept\r\n250 ")
    assert taking.taken == [body + b"\r\n" if body else b""]


def test_a_line_without_end_is_taken(port: int, taking: Taking) -> None:
    assert send(port, b"x" * 65_536) == 500 and send(port, LINE * 20_000) == 552 and send(port, LINE) == 250
    assert len(taking.taken) == 1
