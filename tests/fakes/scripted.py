"""An SMTP server on loopback that plays a script: say a reply, expect a command, or drop the connection.

Each connection plays the next script of the list. Never here: what a client should make of it.
"""

import select
import socket
import ssl
import struct
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self


@dataclass(frozen=True, slots=True)
class Expect:
    """Wait for one command line that begins with `start`, then answer. An empty answer says nothing."""

    start: str
    answer: str = "250 2.0.0 ok"


@dataclass(frozen=True, slots=True)
class Say:
    """Write these lines without waiting for anything."""

    answer: str


@dataclass(frozen=True, slots=True)
class Content:
    """Take content up to its final dot, then answer."""

    answer: str = "250 2.0.0 taken"


@dataclass(frozen=True, slots=True)
class Raw:
    """Write bytes as they are."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Lonely:
    """The client must not have written anything more: nothing may come for `seconds`."""

    seconds: float = 0.05


@dataclass(frozen=True, slots=True)
class StartTls:
    """Take up TLS with this context."""

    context: ssl.SSLContext


@dataclass(frozen=True, slots=True)
class Drop:
    """Close the connection now."""


@dataclass(frozen=True, slots=True)
class Flood:
    """Send the same bytes so many times, as far as the client reads them."""

    data: bytes
    times: int


@dataclass(frozen=True, slots=True)
class Drip:
    """Send these bytes over and over, one at a time, `seconds` apart, so many in all."""

    data: bytes
    seconds: float
    count: int


@dataclass(frozen=True, slots=True)
class Deaf:
    """Neither read nor say anything until the client gives up."""


@dataclass(frozen=True, slots=True)
class Reset:
    """End the connection with a RST instead of a FIN."""


Step = Expect | Say | Content | Raw | Lonely | StartTls | Drop | Flood | Drip | Deaf | Reset

BANNER = Say("220 scripted ESMTP")


def hello(*extensions: str) -> list[Step]:
    """Banner and EHLO with these extensions."""
    lines = ["scripted", *extensions]
    text = "\r\n".join(f"250{' ' if at == len(lines) - 1 else '-'}{line}" for at, line in enumerate(lines))
    return [BANNER, Expect("EHLO", text)]


def mail(answer: str = "250 2.0.0 taken") -> list[Step]:
    """One mail to one recipient that goes well up to the dot."""
    return [Expect("MAIL"), Expect("RCPT"), Expect("DATA", "354 go on"), Content(answer)]


@dataclass(slots=True)
class Seen:
    """One connection as the server saw it. `rest` is what came after the script, until the client closed."""

    lines: list[str] = field(default_factory=list)
    contents: list[bytes] = field(default_factory=list)
    rest: bytes = b""
    problem: str | None = None


class Scripted:
    """Use as a context manager; `port` is where it listens. After the block, `seen` is complete."""

    def __init__(self, *scripts: Sequence[Step]) -> None:
        self.seen: list[Seen] = []
        self._scripts = scripts
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(10)
        self.port: int = self._listener.getsockname()[1]
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._players: list[threading.Thread] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        with socket.socket() as waker:
            waker.connect_ex(("127.0.0.1", self.port))
        self._thread.join(10)
        self._listener.close()
        for player in self._players:
            player.join(10)
        problems = [seen.problem for seen in self.seen if seen.problem]
        assert not problems, problems

    def _serve(self) -> None:
        for script in self._scripts:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            if self._stopping.is_set():
                sock.close()
                return
            self.seen.append(Seen())
            player = threading.Thread(target=self._play, args=(sock, script, self.seen[-1]), daemon=True)
            self._players.append(player)
            player.start()

    def _play(self, sock: socket.socket, script: Sequence[Step], seen: Seen) -> None:
        player = _Player(sock, seen)
        try:
            for step in script:
                if isinstance(step, Drop | Reset):
                    player.end(step)
                    return
                player.step(step)
            player.drain()
        except AssertionError as error:
            seen.problem = str(error)
        except OSError:
            pass
        finally:
            player.close()


class _Player:
    def __init__(self, sock: socket.socket, seen: Seen) -> None:
        self._sock, self._seen, self._buffer = sock, seen, b""
        sock.settimeout(10)

    def step(self, step: Step) -> None:
        match step:
            case Say(answer):
                self._say(answer)
            case Raw(data):
                self._sock.sendall(data)
            case Expect(start, answer):
                line = self._until(b"\r\n").decode()
                self._seen.lines.append(line)
                assert line.upper().startswith(start.upper()), f"expected {start}, got {line}"
                self._say(answer)
            case Content(answer):
                self._take_content(answer)
            case Lonely(seconds):
                self._stay_lonely(seconds)
            case Flood(data, times):
                for _ in range(times):
                    self._sock.sendall(data)
            case Drip(data, seconds, count):
                for at in range(count):
                    self._sock.sendall(data[at % len(data) :][:1])
                    self._wait(seconds)
            case Deaf():
                self._wait(10.0)
            case StartTls(context):
                self._sock = context.wrap_socket(self._sock, server_side=True)

    def end(self, step: Drop | Reset) -> None:
        """With what is unread left unread."""
        if isinstance(step, Reset):
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def _wait(self, seconds: float) -> None:
        """Until then, or until the client is gone."""
        poll = select.poll()
        poll.register(self._sock, select.POLLRDHUP)
        poll.poll(seconds * 1000)

    def drain(self) -> None:
        """Everything until the client closes."""
        while data := self._sock.recv(65536):
            self._buffer += data
        self._seen.rest = self._buffer

    def close(self) -> None:
        self._sock.close()

    def _say(self, answer: str) -> None:
        if answer:
            self._sock.sendall(answer.encode() + b"\r\n")

    def _take_content(self, answer: str) -> None:
        self._buffer = b"\r\n" + self._buffer
        content = self._until(b"\r\n.\r\n")[2:]
        content += b"\r\n" if content else b""
        self._seen.contents.append(content)
        self._say(answer)

    def _stay_lonely(self, seconds: float) -> None:
        self._sock.settimeout(seconds)
        try:
            self._buffer += self._sock.recv(65536)
        except TimeoutError:
            pass
        self._sock.settimeout(10)
        assert not self._buffer, f"wrote without waiting: {self._buffer[:80]!r}"

    def _until(self, end: bytes) -> bytes:
        while end not in self._buffer:
            data = self._sock.recv(65536)
            assert data, f"the client closed; the script waits for {end!r} after {self._buffer[-80:]!r}"
            self._buffer += data
        found, self._buffer = self._buffer.split(end, 1)
        return found
