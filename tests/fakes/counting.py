"""An SMTP receiver on loopback that counts: connections open at once, mails by second, and 421 beyond a limit.

One thread looks at all sockets; it reads what clients said (a QUIT above all) before it takes new connections,
so that a connection that was closed first is counted as closed first. Never here: what a sender should do.
"""

import selectors
import socket
import threading
import time
from dataclasses import dataclass, field
from typing import Self


@dataclass(slots=True)
class _Client:
    socket: socket.socket
    buffer: bytearray = field(default_factory=bytearray)
    content: bool = False
    turned_away: bool = False
    recipient: str = ""
    thinking: bool = False


class Receiver:
    """Use as a context manager. `most` connections, the others hear 421; `delay` seconds pass before each final 250."""

    def __init__(
        self, most: int = 1000, *, delay: float = 0.0, refusal: str = "421 4.7.0 Too many connections"
    ) -> None:
        self.most, self._delay, self._refusal = most, delay, refusal
        self.taken: list[tuple[float, str]] = []
        self.turned_away: list[float] = []
        self.peak = 0
        self._open: dict[socket.socket, _Client] = {}
        self._held: list[tuple[float, _Client]] = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self._listener.setblocking(False)
        self.port = int(self._listener.getsockname()[1])
        self._selector = selectors.DefaultSelector()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(5)
        for each in [self._listener, *self._open]:
            each.close()
        self._selector.close()

    def _run(self) -> None:
        while not self._stop.is_set():
            ready = self._selector.select(0.005 if self._held else 0.05)
            for key, _ in ready:
                if key.fileobj is not self._listener:
                    self._read(self._open[key.fileobj])  # type: ignore[index]
            if any(key.fileobj is self._listener for key, _ in ready):
                self._accept()
            now = time.monotonic()
            due, self._held = [e for e in self._held if e[0] <= now], [e for e in self._held if e[0] > now]
            for _, client in due:
                client.thinking = False
                self._say(client, "250 2.0.0 taken")
                self._go_on(client)

    def _go_on(self, client: _Client) -> None:
        while client.socket in self._open and not client.thinking and self._step(client):
            pass

    def _accept(self) -> None:
        # What was said before this connection came is read first.
        for client in list(self._open.values()):
            self._read(client)
        accepted, _ = self._listener.accept()
        accepted.setblocking(False)
        accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client = _Client(accepted)
        serving = sum(not each.turned_away for each in self._open.values())
        self._open[accepted] = client
        self._selector.register(accepted, selectors.EVENT_READ)
        if serving >= self.most:
            client.turned_away = True
            self.turned_away.append(time.monotonic())
            self._say(client, self._refusal)
            self._close(client)
        else:
            self.peak = max(self.peak, serving + 1)
            self._say(client, "220 receiver ESMTP")

    def _read(self, client: _Client) -> None:
        try:
            data = client.socket.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._close(client)
            return
        client.buffer += data
        self._go_on(client)

    def _step(self, client: _Client) -> bool:
        if client.content:
            end = client.buffer.find(b"\r\n.\r\n")
            if end < 0:
                return False
            del client.buffer[: end + 5]
            client.content = False
            self.taken.append((time.monotonic(), client.recipient))
            if self._delay:
                client.thinking = True
                self._held.append((time.monotonic() + self._delay, client))
            else:
                self._say(client, "250 2.0.0 taken")
            return True
        line, found, rest = bytes(client.buffer).partition(b"\r\n")
        if not found:
            return False
        client.buffer[:] = rest
        self._answer(client, line.decode())
        return True

    def _answer(self, client: _Client, line: str) -> None:
        verb = line[:4].upper()
        if verb == "EHLO":
            self._say(client, "250-receiver\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 SIZE 50000000")
        elif verb == "RCPT":
            client.recipient = line.partition("<")[2].partition(">")[0]
            self._say(client, "250 2.1.5 ok")
        elif verb == "DATA":
            client.content = True
            self._say(client, "354 go on")
        elif verb == "QUIT":
            self._say(client, "221 2.0.0 bye")
            self._close(client)
        else:
            self._say(client, "250 2.0.0 ok")

    def _say(self, client: _Client, text: str) -> None:
        try:
            client.socket.sendall(text.encode() + b"\r\n")
        except OSError:
            self._close(client)

    def _close(self, client: _Client) -> None:
        if self._open.pop(client.socket, None) is not None:
            self._selector.unregister(client.socket)
            client.socket.close()
