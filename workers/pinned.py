"""One HTTP/1.1 exchange over a connection to an address that the guard admitted, within a deadline by the wall clock.

The name is not looked up again; it is in Host, in SNI and in the check of the certificate. No redirects, no proxies
from the environment, no cookies, and no more of the answer than asked for. http.client reads the answer. Never here:
which URL, or what an answer means.
"""

import http.client
import io
import select
import socket
import ssl
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from common.clock import monotonic
from workers.guard import Admitted

CONNECT_SECONDS = 5.0


@dataclass(slots=True)
class Timings:
    """Milliseconds; None for what did not happen."""

    dns: float | None = None
    connect: float | None = None
    tls: float | None = None
    first_byte: float | None = None
    total: float | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """Status, headers and at most so many bytes of the body as were asked for; `whole` when that was all."""

    status: int
    headers: Any
    body: bytes
    whole: bool


class _Timed(io.RawIOBase):
    """Reads of a socket that end together at a deadline; a timeout of the socket alone begins anew with each byte."""

    def __init__(self, sock: socket.socket, deadline: float) -> None:
        self._socket, self.deadline = sock, deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        left = self.deadline - monotonic()
        if left <= 0:
            raise TimeoutError("the answer took too long")
        self._socket.settimeout(left)
        return self._socket.recv_into(buffer)


class _Source:
    """What HTTPResponse wants of a socket."""

    def __init__(self, sock: socket.socket, deadline: float) -> None:
        self._raw = _Timed(sock, deadline)

    def makefile(self, *_: Any) -> io.BufferedReader:
        return io.BufferedReader(self._raw)


def _read(response: http.client.HTTPResponse, most: int) -> bytes:
    """What there is of the body in time: the status has been given, a body that never ends takes nothing back."""
    try:
        return response.read(most)
    except (OSError, http.client.HTTPException):
        return b""


@dataclass(slots=True)
class Pinned:
    """A connection to one of the admitted addresses, open until it is closed or the other side ends it."""

    socket: socket.socket
    ip: str
    used_at: float = field(default_factory=monotonic)

    def exchange(self, request: bytes, method: str, deadline: float, most: int, timings: Timings) -> Reply:
        """Send a request and read its answer. Raises OSError, http.client.HTTPException."""
        began = monotonic()
        self.socket.settimeout(max(deadline - began, 0.001))
        self.socket.sendall(request)
        response = http.client.HTTPResponse(_Source(self.socket, deadline), method=method)  # type: ignore[arg-type]
        response.begin()
        timings.first_byte = (monotonic() - began) * 1000
        body = _read(response, most)
        whole = response.isclosed()
        reply = Reply(response.status, response.headers, body, whole)
        if not whole or response.will_close:
            self.close()
        self.used_at = monotonic()
        return reply

    @property
    def is_usable(self) -> bool:
        """Whether it is open and silent: what arrives unasked, the end included, makes it useless."""
        if self.socket.fileno() < 0:
            return False
        poll = select.poll()
        poll.register(self.socket, select.POLLIN | select.POLLPRI)
        return not poll.poll(0)

    def close(self) -> None:
        with suppress(OSError):
            self.socket.close()


def connect(admitted: Admitted, context: ssl.SSLContext | None, deadline: float, timings: Timings) -> Pinned:
    """A connection to the first admitted address that answers. Raises OSError, ssl.SSLError among them."""
    place, problem = admitted.place, OSError("no address")
    for ip in admitted.addresses:
        began = monotonic()
        try:
            plain = socket.create_connection((ip, place.port), timeout=_left(deadline))
        except OSError as error:
            problem = error
            continue
        timings.connect = (monotonic() - began) * 1000
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if not place.secure:
            return Pinned(plain, ip)
        return Pinned(_encrypt(plain, place.host, context, deadline, timings), ip)
    raise problem


def _left(deadline: float) -> float:
    left = min(CONNECT_SECONDS, deadline - monotonic())
    if left <= 0:
        raise TimeoutError("no time is left to connect")
    return left


def _encrypt(
    plain: socket.socket, host: str, context: ssl.SSLContext | None, deadline: float, timings: Timings
) -> socket.socket:
    began = monotonic()
    try:
        plain.settimeout(_left(deadline))
        found = (context or ssl.create_default_context()).wrap_socket(plain, server_hostname=host)
    except BaseException:
        plain.close()
        raise
    timings.tls = (monotonic() - began) * 1000
    return found
