"""One SMTP connection: open it, send mails over it, each to an Outcome. Never database, never Celery.

Where the server offers PIPELINING, the next mail's envelope travels with this mail's content
(RFC 2920), so a mail costs one round trip.
"""

import base64
import ipaddress
import re
import socket
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

from common.clock import monotonic
from common.domain.outcomes import Kind, Line, Outcome
from common.domain.replies import classify, enhanced_of
from workers.delivery.wire import ProtocolError, Reply, ReplyReader, command, stuff

SMALL = 256 * 1024
"""Content up to this size leaves in one write with its dot; the lease is checked right before."""

_SIZE = re.compile(r"[0-9]{1,18}\Z")
_LEAVES_ITS_BRACKETS = re.compile(r"[\x00-\x20\x7f<>]")


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Seconds per phase. The final dot waits RFC 5321's ten minutes: less would make duplicates."""

    connect: float = 15.0
    banner: float = 60.0
    ehlo: float = 60.0
    envelope: float = 120.0
    block: float = 180.0
    dot: float = 600.0
    session: float = 900.0


@dataclass(frozen=True, slots=True)
class Target:
    """Where to connect and what is demanded there. `key` keeps connections of different demands apart.

    `tls` is none, opportunistic, required or implicit. Credentials leave in clear only to `none` or this machine.
    """

    host: str
    port: int
    ips: tuple[str, ...] = ()
    tls: str = "opportunistic"
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    ehlo_name: str = "localhost.localdomain"
    key: str = ""


@dataclass(frozen=True, slots=True)
class Mail:
    """One envelope and its content with CRLF line ends, not stuffed."""

    id: str
    sender: str
    recipients: tuple[str, ...]
    content: bytes
    smtputf8: bool = False


class ConnectFailed(Exception):
    """No usable connection; `outcome` says at which stage and why."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.reply)
        self.outcome = outcome


class _Lost(Exception):
    """The connection ended or made no sense."""


@dataclass(slots=True)
class _Talk:
    """The transcript of one mail."""

    since: float
    stage: str = "mail"
    lines: list[Line] = field(default_factory=list)

    def add(self, who: str, text: str) -> None:
        if len(self.lines) < 64:
            self.lines.append((int((monotonic() - self.since) * 1000), who, text[:300]))


@dataclass(frozen=True, slots=True)
class _Ready:
    """A mail as it will be written: each envelope command with its stage, and the stuffed content."""

    mail: Mail
    commands: tuple[tuple[str, bytes], ...]
    content: bytes


class Connection:
    """An open session. Not for two threads at once."""

    def __init__(self, target: Target, sock: socket.socket, ip: str, deadlines: Deadlines) -> None:
        self.target, self.ip, self.deadlines = target, ip, deadlines
        self.opened_at = monotonic()
        self.sent_count = 0
        self.usable = True
        self.tls: str | None = None
        self._sock = sock
        self._replies = ReplyReader()
        self._extensions: dict[str, str] = {}
        self._dirty = False
        self._sent_ahead = False
        self._opening: _Talk | None = _Talk(self.opened_at)

    def send(self, mails: Sequence[Mail], may_finish: Callable[[Mail], bool]) -> list[tuple[Mail, Outcome]]:
        """Send in order; one outcome for each mail, whatever happens.

        `may_finish` is asked right before a final dot is written; False ends the connection instead.
        """
        results: list[tuple[Mail, Outcome]] = []
        ahead = False
        upcoming = self._prepare(mails[0]) if mails else None
        for index, mail in enumerate(mails):
            ready, upcoming = upcoming, self._prepare(mails[index + 1]) if index + 1 < len(mails) else None
            if self.usable and self._too_long and not ahead:
                self.quit()
            if not self.usable:
                results.append((mail, self._untried("the connection ended before this mail")))
            elif isinstance(ready, _Ready):
                following = upcoming if self._may_go_ahead and isinstance(upcoming, _Ready) else None
                outcome = self._one(ready, ahead, following, may_finish)
                results.append((mail, outcome))
                ahead = following is not None and self._sent_ahead
            elif ready is not None:
                results.append((mail, ready))
                ahead = False
        return results

    def quit(self) -> None:
        """Say goodbye without waiting for the answer."""
        if self.usable:
            self.usable = False
            try:
                self._sock.settimeout(1.0)
                self._sock.sendall(b"QUIT\r\n")
            except OSError:
                pass
        self._sock.close()

    @property
    def _pipelining(self) -> bool:
        return "PIPELINING" in self._extensions

    @property
    def _too_long(self) -> bool:
        return monotonic() - self.opened_at > self.deadlines.session

    @property
    def _may_go_ahead(self) -> bool:
        return self._pipelining and not self._too_long

    def _prepare(self, mail: Mail) -> "_Ready | Outcome":
        """What will be written for this mail, or why it cannot go to this server. Nothing is said yet."""
        needs_utf8 = mail.smtputf8 or not (mail.sender + "".join(mail.recipients)).isascii()
        if needs_utf8 and "SMTPUTF8" not in self._extensions:
            text = "5.6.7 the server does not accept international addresses"
            return self._outcome("bounced", "mail", 553, text, "policy", None)
        limit = _SIZE.match(self._extensions.get("SIZE", ""))
        if limit is not None and 0 < int(limit[0]) < len(mail.content):
            text = f"5.3.4 the server accepts at most {limit[0]} octets"
            return self._outcome("bounced", "mail", 552, text, "too_large", None)
        options = f" SIZE={len(mail.content)}" if limit is not None else ""
        options += " SMTPUTF8" if needs_utf8 else ""
        try:
            if any(map(_LEAVES_ITS_BRACKETS.search, (mail.sender, *mail.recipients))):
                raise ValueError("an address holds a bracket, a blank or a line break")
            commands = [("mail", command(f"MAIL FROM:<{mail.sender}>{options}"))]
            commands += [("rcpt", command(f"RCPT TO:<{each}>")) for each in mail.recipients]
            return _Ready(mail, (*commands, ("data", b"DATA\r\n")), stuff(mail.content))
        except ValueError as error:
            return self._outcome("bounced", "content", None, str(error), "protocol", None)

    def _one(
        self, ready: "_Ready", ahead: bool, following: "_Ready | None", may_finish: Callable[[Mail], bool]
    ) -> Outcome:
        talk, self._opening = self._opening or _Talk(monotonic()), None
        fresh = self.sent_count == 0
        self._sent_ahead = False
        try:
            refusal = self._envelope(ready, ahead, talk)
            if refusal is not None:
                self.sent_count += 1
                return self._refused(*refusal, fresh, talk)
            if not may_finish(ready.mail) or not self._write_content(ready, following, may_finish, talk):
                self._end()
                return self._untried("the lease ended before the final dot", talk)
            talk.add("C", f"<{len(ready.mail.content)} octets> .")
            reply = self._read(self.deadlines.dot)
            talk.add("S", reply.said)
            if reply.code // 100 not in (2, 4, 5):
                raise ProtocolError(f"the answer to the final dot is {reply.code}")
            self.sent_count += 1
            return self._judge("dot", reply, talk)
        except (_Lost, OSError, ProtocolError) as error:
            self._end()
            return self._lost(talk.stage, fresh, error, talk)

    def _envelope(self, ready: "_Ready", ahead: bool, talk: _Talk) -> tuple[str, Reply] | None:
        """Say the envelope and read its answers in order; the first refusal with its stage, if any."""
        commands = ready.commands
        if self._dirty:
            commands = (("reset", b"RSET\r\n"), *commands)
            self._dirty = False
        if self._pipelining and not ahead:
            self._write(b"".join(line for _, line in commands), self.deadlines.envelope)
        refusal: tuple[str, Reply] | None = None
        accepted = rcpts = 0
        for stage, line in commands:
            talk.stage = "mail" if stage == "reset" else stage
            if not self._pipelining:
                self._write(line, self.deadlines.envelope)
            talk.add("C", line.decode("utf-8").rstrip())
            reply = self._read(self.deadlines.envelope)
            talk.add("S", reply.said)
            good = reply.code == 354 if stage == "data" else reply.positive
            # The first recipient is the message's own; a refused copy does not decide about it.
            copy = stage == "rcpt" and rcpts > 0
            rcpts += stage == "rcpt"
            if not good and refusal is None and (not copy or reply.code == 421):
                refusal = talk.stage, reply
            if reply.code == 421 or (refusal is not None and not self._pipelining):
                break
            accepted += stage == "rcpt" and good
        if refusal is not None:
            self._abandon(reply.code, accepted)
        return refusal

    def _abandon(self, last_code: int, accepted: int) -> None:
        """After a refused envelope: leave the connection so that the next mail can begin."""
        self._dirty = True
        if last_code == 421 or (last_code == 354 and accepted):
            # A lone dot now would send an empty mail to those who were accepted.
            self._end()
        elif last_code == 354:
            try:
                self._write(b".\r\n", self.deadlines.envelope)
                self._note_421(self._read(self.deadlines.dot))
            except (_Lost, OSError, ProtocolError):
                self._end()

    def _refused(self, stage: str, reply: Reply, fresh: bool, talk: _Talk) -> Outcome:
        if reply.code == 421 and not fresh:
            # "Enough for this connection" says nothing about this mail.
            return self._untried(reply.said, talk)
        return self._judge(stage, reply, talk)

    def _write_content(
        self, ready: "_Ready", following: "_Ready | None", may_finish: Callable[[Mail], bool], talk: _Talk
    ) -> bool:
        """Content and final dot, with the next envelope behind; False when the lease ended meanwhile."""
        behind = b"".join(line for _, line in following.commands) if following is not None else b""
        last = ready.content
        if len(last) > SMALL:
            talk.stage = "content"
            view = memoryview(last)
            for at in range(0, len(last), SMALL):
                self._write(view[at : at + SMALL], self.deadlines.block)
            if not may_finish(ready.mail):
                return False
            last = b""
        self._write_dot(last + b".\r\n", behind, talk)
        self._sent_ahead = following is not None
        return True

    def _write_dot(self, data: bytes, behind: bytes, talk: _Talk) -> None:
        """Content up to its dot, and what follows. The stage is `dot` once the system took the dot, even if
        the write fails behind it; under TLS any failure counts as one behind it."""
        talk.stage = "content"
        view, sent, end = memoryview(data + behind), 0, len(data)
        deadline = monotonic() + self.deadlines.block
        try:
            while sent < len(view):
                self._sock.settimeout(max(deadline - monotonic(), 0.001))
                sent += self._sock.send(view[sent:])
        finally:
            if sent >= end or self.tls:
                talk.stage = "dot"

    def _judge(self, stage: str, reply: Reply, talk: _Talk) -> Outcome:
        self._note_421(reply)
        if reply.positive:
            return self._outcome("delivered", stage, reply.code, reply.text, "delivered", talk)
        kind, category, _ = classify(stage, reply.code, reply.text)
        return self._outcome(kind, stage, reply.code, reply.text, category, talk)

    def _note_421(self, reply: Reply) -> None:
        if reply.code == 421:
            self._end()

    def _lost(self, stage: str, fresh: bool, error: Exception, talk: _Talk) -> Outcome:
        text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        talk.add("*", text)
        if stage == "dot":
            return self._outcome("unknown", stage, None, text, "connection", talk)
        if stage in ("mail", "rcpt", "data") and not fresh:
            return self._untried(text, talk)
        return self._outcome("deferred", stage, None, text, "connection", talk)

    def _untried(self, text: str, talk: _Talk | None = None) -> Outcome:
        return self._outcome("untried", "mail", None, text, "connection", talk)

    def _outcome(
        self, kind: Kind, stage: str, code: int | None, text: str, category: str, talk: _Talk | None
    ) -> Outcome:
        took = int((monotonic() - talk.since) * 1000) if talk else 0
        enhanced = enhanced_of(code, text) if code else None
        lines = tuple(talk.lines) if talk else ()
        return Outcome(kind, stage, code, enhanced, text, category, self.target.host, self.ip, self.tls, took, lines)

    def _end(self) -> None:
        self.usable = False
        self._sock.close()

    def _write(self, data: bytes | memoryview, seconds: float) -> None:
        self._sock.settimeout(seconds)
        self._sock.sendall(data)

    def _read(self, seconds: float) -> Reply:
        if (waiting := self._replies.take()) is not None:
            return waiting
        deadline = monotonic() + seconds
        while (reply := self._replies.take()) is None:
            left = deadline - monotonic()
            if left <= 0:
                raise _Lost(f"no answer within {seconds:.0f} s")
            self._sock.settimeout(left)
            data = self._sock.recv(65536)
            if not data:
                raise _Lost("the server closed the connection")
            self._replies.feed(data)
        return reply

    def greet(self) -> None:
        """Banner, EHLO, TLS and AUTH. Raises ConnectFailed."""
        stage = "banner"
        try:
            if self.target.tls == "implicit":
                self._wrap()
            reply = self._read(self.deadlines.banner)
            self._hear("S", reply.said)
            self._expect(stage, reply)
            stage = "ehlo"
            self._hello()
            stage = "tls"
            if self.target.tls in ("opportunistic", "required"):
                self._start_tls()
            stage = "auth"
            if self.target.username:
                self._authenticate()
        except (_Lost, OSError, ProtocolError, ValueError) as error:
            self._end()
            category = "tls" if stage == "tls" else "connection"
            text = f"{type(error).__name__}: {error}"
            self._hear("*", text)
            raise ConnectFailed(self._outcome("deferred", stage, None, text, category, self._opening)) from error

    def _hear(self, who: str, text: str) -> None:
        if self._opening is not None:
            self._opening.add(who, text)

    def _expect(self, stage: str, reply: Reply) -> None:
        if not reply.positive:
            self._end()
            _, category, _ = classify(stage, reply.code, reply.text)
            # A refusal before MAIL says nothing about this recipient: it is never a bounce.
            raise ConnectFailed(self._outcome("deferred", stage, reply.code, reply.text, category, self._opening))

    def _ask(self, line: str, shown: str | None = None) -> Reply:
        """`shown` stands for the line in the transcript: secrets are never kept."""
        self._hear("C", shown or line)
        self._write(command(line), self.deadlines.ehlo)
        reply = self._read(self.deadlines.ehlo)
        self._hear("S", reply.said)
        return reply

    def _hello(self) -> None:
        reply = self._ask(f"EHLO {self.target.ehlo_name}")
        if not reply.positive:
            self._expect("ehlo", self._ask(f"HELO {self.target.ehlo_name}"))
            self._extensions = {}
            return
        words = [line.upper().partition(" ") for line in reply.lines[1:]]
        self._extensions = {name: value for name, _, value in words}

    def _start_tls(self) -> None:
        if "STARTTLS" not in self._extensions:
            if self.target.tls == "required":
                raise _Lost("TLS is required and the server does not offer it")
            return
        self._expect("tls", self._ask("STARTTLS"))
        if self._replies.pending:
            raise _Lost("the server sent commands ahead of TLS")
        self._wrap()
        self._hello()

    def _wrap(self) -> None:
        wrapped = _context(self.target.tls != "opportunistic").wrap_socket(self._sock, server_hostname=self.target.host)
        self._sock = wrapped
        self.tls = wrapped.version()
        self._hear("*", f"{self.tls}")

    def _authenticate(self) -> None:
        if self.tls is None and self.target.tls != "none" and not ipaddress.ip_address(self.ip).is_loopback:
            raise _Lost("credentials wait for TLS, which the server does not offer")
        name, password = self.target.username or "", self.target.password or ""
        offered = self._extensions.get("AUTH", "").split()
        if "LOGIN" in offered and "PLAIN" not in offered:
            reply = self._ask("AUTH LOGIN")
            for secret in (name, password):
                if reply.code != 334:
                    break
                reply = self._ask(_base64(secret), "***")
        else:
            reply = self._ask("AUTH PLAIN " + _base64(f"\0{name}\0{password}"), "AUTH PLAIN ***")
        self._expect("auth", reply)


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@lru_cache
def _context(verified: bool) -> ssl.SSLContext:
    """Made once: reading the trusted certificates takes longer than a handshake."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if verified:
        context.load_default_certs()
    else:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def connect(target: Target, deadlines: Deadlines | None = None) -> Connection:
    """The first address that answers, greeted. Raises ConnectFailed.

    A broken STARTTLS on an opportunistic target is tried again in clear, over a new connection; never with
    credentials, which whoever breaks the TLS would then read.
    """
    deadlines = deadlines or Deadlines()
    problem: ConnectFailed | None = None
    for ip in (target.ips or (target.host,))[:5]:
        try:
            return _open(target, ip, deadlines)
        except ConnectFailed as error:
            problem = error
    assert problem is not None
    raise problem


def _open(target: Target, ip: str, deadlines: Deadlines) -> Connection:
    try:
        sock = socket.create_connection((ip, target.port), timeout=deadlines.connect)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        ip = sock.getpeername()[0].partition("%")[0]
    except OSError as error:
        text = f"{type(error).__name__}: {error}"
        outcome = Outcome("deferred", "connect", None, None, text, "connection", target.host, ip)
        raise ConnectFailed(outcome) from error
    connection = Connection(target, sock, ip, deadlines)
    try:
        connection.greet()
    except ConnectFailed as error:
        if error.outcome.stage == "tls" and target.tls == "opportunistic" and target.username is None:
            return _open(replace(target, tls="none"), ip, deadlines)
        raise
    return connection
