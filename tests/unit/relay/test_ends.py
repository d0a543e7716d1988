"""What a stop does to open sessions, and what a crowd does to newcomers."""

import asyncio
import smtplib
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.fakes.ports import listening
from workers.listening import Crowd, Port, Session, serve


class Slow:
    """Takes a mail when it is let."""

    def __init__(self) -> None:
        self.begun, self.let = threading.Event(), threading.Event()

    async def handle_DATA(self, _server: Any, _session: Any, _envelope: Any) -> str:
        self.begun.set()
        while not self.let.is_set():
            await asyncio.sleep(0.01)
        return "250 2.0.0 kept"


@contextmanager
def a_server(handler: Any, crowd: Crowd, stops: list[Callable[[], None]]) -> Iterator[int]:
    async def run(stop: asyncio.Event, started: Callable[[Any], None]) -> None:
        loop = asyncio.get_running_loop()
        stops.append(lambda: loop.call_soon_threadsafe(stop.set))

        def make() -> Session:
            return Session(handler, crowd, data_size_limit=1_000_000, hostname="mx.example.com", loop=loop)

        await serve([Port("127.0.0.1", 0)], crowd, make, None, stop, started)

    with listening(run) as found:
        yield found[0]


def test_a_stop_cuts_a_mail_off_or_waits_for_who_says_nothing() -> None:
    slow, stops, answers = Slow(), list[Callable[[], None]](), []

    def send(port: int) -> None:
        smtp = smtplib.SMTP("127.0.0.1", port, timeout=20)
        smtp.ehlo()
        smtp.mail("a@example.com")
        smtp.rcpt("b@example.com")
        answers.append(smtp.data(b"Subject: x\r\n\r\nx")[0])
        smtp.close()  # a QUIT hears 421: the session ends with its mail

    with a_server(slow, Crowd(50, 50), stops) as port:
        idle = socket.create_connection(("127.0.0.1", port), 20)
        assert idle.recv(1000).startswith(b"220")
        sender = threading.Thread(target=send, args=(port,))
        sender.start()
        assert slow.begun.wait(20)
        stops[0]()
        with idle:
            assert idle.recv(1000).startswith(b"421 4.3.2")
            assert idle.recv(1000) == b""
        with pytest.raises(OSError):
            socket.create_connection(("127.0.0.1", port), 20).close()
        slow.let.set()
        sender.join(20)
    assert answers == [250]


@pytest.mark.parametrize(
    ("most", "most_of_one", "words"), [(2, 50, b"too many connections;"), (50, 2, b"your address")]
)
def test_a_crowd_keeps_everybody_out_for_ever(most: int, most_of_one: int, words: bytes) -> None:
    with a_server(Slow(), Crowd(most, most_of_one), []) as port:
        first, second = (socket.create_connection(("127.0.0.1", port), 20) for _ in range(2))
        assert first.recv(1000).startswith(b"220") and second.recv(1000).startswith(b"220")
        with socket.create_connection(("127.0.0.1", port), 20) as third:
            said = third.recv(1000)
            assert said.startswith(b"421 4.7.0") and words in said
        first.sendall(b"QUIT\r\n")
        while first.recv(1000):
            pass
        first.close()
        with second, socket.create_connection(("127.0.0.1", port), 20) as again:
            assert again.recv(1000).startswith(b"220")
