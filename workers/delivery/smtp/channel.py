"""A socket with deadlines, in clear or in TLS. Never here: SMTP."""

import socket
import ssl
import struct

from common.clock import monotonic
from workers.delivery.smtp.acts import Lost

CHUNK = 65536


class Channel:
    """Not for two threads at once.

    In clear the system watches the time (SO_RCVTIMEO): one call for each read instead of two. In TLS a
    record may trickle in, so the library's own deadline holds.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._sock.settimeout(None)
        self._limits: dict[int, float] = {}
        self.encrypted = False

    def write(self, data: bytes | memoryview, seconds: float) -> None:
        """Everything, or Lost with how many bytes the system took."""
        view, sent = memoryview(data), 0
        deadline = monotonic() + seconds
        try:
            self._limit(socket.SO_SNDTIMEO, seconds)
            while True:
                sent += self._sock.send(view[sent:] if sent else view)
                if sent >= len(view):
                    return
                left = deadline - monotonic()
                if left <= 0:
                    raise TimeoutError
                self._limit(socket.SO_SNDTIMEO, left)
        except (OSError, ValueError) as error:
            slow = isinstance(error, TimeoutError | BlockingIOError | ssl.SSLWantReadError | ssl.SSLWantWriteError)
            text = f"the server read nothing for {seconds:.0f} s" if slow else described(error)
            raise Lost(text, None if self.encrypted else sent) from error

    def read(self, seconds: float) -> bytes:
        """Some bytes, or Lost."""
        try:
            self._limit(socket.SO_RCVTIMEO, seconds)
            data = self._sock.recv(CHUNK)
        except (TimeoutError, BlockingIOError, ssl.SSLWantReadError) as error:
            raise Lost("no answer in time") from error
        except (OSError, ValueError) as error:
            raise Lost(described(error)) from error
        if not data:
            raise Lost("the server closed the connection")
        return data

    def encrypt(
        self, context: ssl.SSLContext, name: str, known: ssl.SSLSession | None, seconds: float
    ) -> ssl.SSLSocket:
        """Go over to TLS within `seconds`; raises OSError (ssl.SSLError is one)."""
        self._sock.settimeout(seconds)
        wrapped = context.wrap_socket(self._sock, server_hostname=name, session=known)
        self._sock, self.encrypted, self._limits = wrapped, True, {}
        return wrapped

    @property
    def secured(self) -> ssl.SSLSocket | None:
        """The TLS socket, once encrypted."""
        return self._sock if isinstance(self._sock, ssl.SSLSocket) else None

    def close(self) -> None:
        self._sock.close()

    def _limit(self, option: int, seconds: float) -> None:
        if self.encrypted:
            self._sock.settimeout(max(seconds, 0.001))
        elif self._limits.get(option) != seconds:
            self._limits[option] = seconds
            whole = max(seconds, 0.001)
            spelt = struct.pack("ll", int(whole), int(whole % 1 * 1_000_000))
            self._sock.setsockopt(socket.SOL_SOCKET, option, spelt)


def open_channel(ip: str, port: int, seconds: float, bind: str | None) -> tuple[Channel, str]:
    """A connected channel and the address it reached. Raises OSError."""
    sock = socket.create_connection((ip, port), timeout=seconds, source_address=(bind, 0) if bind else None)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return Channel(sock), sock.getpeername()[0].partition("%")[0]


def described(error: Exception) -> str:
    """An exception as a sentence for a transcript."""
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
