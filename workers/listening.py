"""What the SMTP ports that the world speaks to share: limits on connections, a graceful end, listening itself.

RFC 5321 by aiosmtpd. Never here: who may send what (workers/inbound, workers/relay).
"""

import asyncio
import contextlib
import ipaddress
import logging
import signal
import ssl
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import structlog
from aiosmtpd.smtp import SMTP, Envelope

from common.config import Settings
from workers.receiving import LONGEST_LINE, Patience, Reception, Refusal, Turns

log = structlog.get_logger()
logging.getLogger("mail.log").setLevel(logging.ERROR)  # aiosmtpd tells every line, passwords not always hidden

DRAIN_SECONDS = 10.0
IDLE_SECONDS = 300.0

_ENHANCED = {
    "250 OK": "250 2.0.0 OK",
    "221 Bye": "221 2.0.0 bye",
    "503 Error: need MAIL command": "503 5.5.1 send MAIL first",
    "503 Error: need RCPT command": "503 5.5.1 send RCPT first",
    "503 Error: nested MAIL command": "503 5.5.1 MAIL was sent already: RSET takes it back",
    "500 Error: bad syntax": "500 5.5.2 that is no command",
    "500 Command line too long": "500 5.5.2 the line is too long",
    "552 Error: message size exceeds fixed maximum message size": "552 5.3.4 the mail is larger than is taken here",
}
"""What aiosmtpd says without an enhanced code (RFC 2034), said with one."""


@dataclass(slots=True)
class Crowd:
    """Every open session of one process: how many, from where, and which are in the middle of a mail.

    `most_receiving` bounds memory: so many large mails are taken in at once, and others wait their turn.
    """

    most: int
    most_of_one: int
    most_receiving: int = 16
    patience: Patience = Patience()
    sessions: set["Session"] = field(default_factory=set)
    by_peer: Counter[str] = field(default_factory=Counter)
    stopping: bool = False
    turns: Turns = field(init=False)

    def __post_init__(self) -> None:
        self.turns = Turns(self.most_receiving)

    def refusal(self, peer: str) -> str | None:
        """Why another session from here is not served, as SMTP says it."""
        if self.stopping:
            return "421 4.3.2 stopping; try again"
        if len(self.sessions) >= self.most:
            return "421 4.7.0 too many connections; try again later"
        if self.by_peer[peer] >= self.most_of_one:
            return "421 4.7.0 too many connections from your address; try again later"
        return None


class Session(SMTP):
    """One connection. Extra bytes that came with STARTTLS are thrown away by aiosmtpd (RFC 3207)."""

    line_length_limit = LONGEST_LINE

    def __init__(self, handler: Any, crowd: Crowd, **options: Any) -> None:
        super().__init__(handler, timeout=IDLE_SECONDS, enable_SMTPUTF8=True, ident="ESMTP Sendarix", **options)
        self._crowd = crowd
        self._from = ""
        self.receiving = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count the connection, or turn it away. Passwords are asked for under TLS, or from the same machine."""
        super().connection_made(transport)
        if self.is_encrypted():
            self.tls_context = None  # offered once
        self._auth_require_tls = not (self.is_encrypted() or _is_loopback(transport))
        if self in self._crowd.sessions:
            return  # the same connection, after STARTTLS
        peer = transport.get_extra_info("peername")
        self._from = peer[0] if isinstance(peer, tuple) else ""
        refusal = self._crowd.refusal(self._from)
        self._crowd.sessions.add(self)
        self._crowd.by_peer[self._from] += 1
        if refusal is not None:
            self.hang_up(refusal)

    def connection_lost(self, error: Exception | None) -> None:
        """Count it no more."""
        if self in self._crowd.sessions:
            self._crowd.sessions.discard(self)
            self._crowd.by_peer[self._from] -= 1
        if self._handler_coroutine is not None:
            super().connection_lost(error)

    def is_encrypted(self) -> bool:
        """Whether TLS protects the connection."""
        return self.transport is not None and self.transport.get_extra_info("sslcontext") is not None

    def may_authenticate(self) -> bool:
        """Whether AUTH is offered on this connection."""
        return not self._auth_require_tls

    async def push(self, status: Any) -> None:
        """Say it, with an enhanced code where aiosmtpd has none."""
        await super().push(_ENHANCED.get(status, status))

    async def smtp_AUTH(self, arg: str) -> None:
        """The mechanism in any case (RFC 4954)."""
        mechanism, blank, rest = (arg or "").partition(" ")
        await super().smtp_AUTH(mechanism.upper() + blank + rest)

    def hang_up(self, line: str) -> None:
        """Say `line` and close."""
        transport = self.transport
        if isinstance(transport, asyncio.WriteTransport):
            transport.write(line.encode() + b"\r\n")
            transport.close()

    async def smtp_DATA(self, arg: str) -> None:
        """Take the mail in and hand it over. The end of the process waits for it, and nobody holds up the others."""
        if await self.check_helo_needed() or await self.check_auth_needed("DATA"):
            return
        assert self.envelope is not None
        if not self.envelope.rcpt_tos:
            await self.push("503 5.5.1 send RCPT first")
        elif arg:
            await self.push("501 5.5.4 DATA takes nothing")
        else:
            await self._receive(self.envelope)

    async def _receive(self, envelope: Envelope) -> None:
        self.receiving = True
        patience = self._crowd.patience
        reception = Reception(self._reader, self._crowd.turns, patience, self.data_size_limit or 1 << 62)
        self._reset_timeout(patience.whole + patience.turn + IDLE_SECONDS)  # ours are the bounds until the answer
        try:
            await self.push("354 go ahead; end with <CR><LF>.<CR><LF>")
            envelope.content = envelope.original_content = await reception.read()
            await self._answer(await self._call_handler_hook("DATA"))
        except Refusal as refusal:
            if refusal.over:
                self.hang_up(refusal.line)
            else:
                await self._answer(refusal.line)
        finally:
            reception.close()
            self.receiving = False
        if self._crowd.stopping:
            self.hang_up("421 4.3.2 stopping; try again")

    async def _answer(self, line: str) -> None:
        self.envelope = self._create_envelope()
        await self.push(line)

    def _timeout_cb(self) -> None:
        self.hang_up("421 4.4.2 nothing came for too long")


def _is_loopback(transport: asyncio.BaseTransport) -> bool:
    peer = transport.get_extra_info("peername")
    try:
        return isinstance(peer, tuple) and ipaddress.ip_address(peer[0]).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True, slots=True)
class Port:
    """Where to listen. `implicit` means TLS from the first byte."""

    host: str
    number: int
    implicit: bool = False


async def serve(
    ports: list[Port],
    crowd: Crowd,
    make: Callable[[], Session],
    tls: ssl.SSLContext | None,
    stop: asyncio.Event,
    started: Callable[[list[int]], None],
) -> None:
    """Listen until `stop`; then let mails that are being received get their answer, and end."""
    loop = asyncio.get_running_loop()
    servers = [
        await loop.create_server(make, each.host, each.number, ssl=tls if each.implicit else None, backlog=256)
        for each in ports
    ]
    started([server.sockets[0].getsockname()[1] for server in servers])
    await stop.wait()
    crowd.stopping = True
    for server in servers:
        server.close()
    for session in list(crowd.sessions):
        if not session.receiving:
            session.hang_up("421 4.3.2 stopping; try again")
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(DRAIN_SECONDS):
            while crowd.sessions:
                await asyncio.sleep(0.02)


def certificate(settings: Settings) -> ssl.SSLContext | None:
    """The certificate for STARTTLS and TLS ports, or None when none is set."""
    if not settings.smtp_tls_certificate:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(settings.smtp_tls_certificate, settings.smtp_tls_key or None)
    return context


def stop_on_signal() -> asyncio.Event:
    """Set by SIGTERM and SIGINT."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop
