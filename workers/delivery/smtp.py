"""One SMTP connection: open it, send mails over it, each to an Outcome. Never database, never Celery.

Where the server offers PIPELINING, the next mail's envelope travels with this mail's content
(RFC 2920), so a mail costs one round trip.
"""

import base64
import socket
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from common.clock import monotonic
from common.domain.outcomes import Kind, Line, Outcome
from common.domain.replies import classify, enhanced_of
from workers.delivery.wire import ProtocolError, Reply, ReplyReader, command, stuff

SMALL = 256 * 1024
"""Content up to this size leaves in one write with its dot; the lease is checked right before."""


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Seconds per phase. The final dot waits RFC 5321's ten minutes: less would make duplicates."""

    connect: float = 15.0
    banner: float = 60.0
    ehlo: float = 60.0
    envelope: float = 120.0
    block: float = 180.0
    dot: float = 600.0


@dataclass(frozen=True, slots=True)
class Target:
    """Where to connect and what is demanded there. `key` keeps connections of different demands apart."""

    host: str
    port: int
    ips: tuple[str, ...] = ()
    tls: str = "opportunistic"
    username: str | None = None
    password: str | None = None
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
    lines: list[Line] = field(default_factory=list)

    def add(self, who: str, text: str) -> None:
        if len(self.lines) < 64:
            self.lines.append((int((monotonic() - self.since) * 1000), who, text[:300]))


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

    def send(self, mails: Sequence[Mail], may_finish: Callable[[Mail], bool]) -> list[tuple[Mail, Outcome]]:
        """Send in order; one outcome for each mail, whatever happens.

        `may_finish` is asked right before a final dot is written; False ends the connection instead.
        """
        results: list[tuple[Mail, Outcome]] = []
        pipelining = "PIPELINING" in self._extensions
        ahead = False
        for index, mail in enumerate(mails):
            if not self.usable:
                results.append((mail, self._untried("the connection ended before this mail")))
                continue
            following = mails[index + 1] if pipelining and index + 1 < len(mails) else None
            outcome, ahead = self._one(mail, ahead, following, may_finish)
            results.append((mail, outcome))
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

    def _one(
        self, mail: Mail, ahead: bool, following: Mail | None, may_finish: Callable[[Mail], bool]
    ) -> tuple[Outcome, bool]:
        talk = _Talk(monotonic())
        stage = "mail"
        fresh = self.sent_count == 0
        refusal = self._refuse_locally(mail)
        if refusal is not None:
            return refusal, False
        try:
            content = stuff(mail.content)
            if not ahead:
                self._write(self._envelope(mail), self.deadlines.envelope)
            refused, stage = self._read_envelope(mail, talk)
            if refused is not None:
                return refused, False
            if not may_finish(mail):
                self._end()
                return self._untried("the lease ended before the final dot", talk), False
            stage = "content"
            rest = self._write_content(mail, content, following, may_finish)
            if rest is None:
                self._end()
                return self._untried("the lease ended before the final dot", talk), False
            stage = "dot"
            talk.add("C", f"<{len(mail.content)} octets> .")
            reply = self._read(self.deadlines.dot)
            talk.add("S", f"{reply.code} {reply.text}")
            self.sent_count += 1
            return self._judge(stage, reply, talk), following is not None and self.usable
        except ValueError as error:
            self._end()
            return self._outcome("bounced", "content", None, str(error), "protocol", talk), False
        except (_Lost, OSError, ProtocolError) as error:
            self._end()
            return self._lost(stage, fresh, error, talk), False

    def _refuse_locally(self, mail: Mail) -> Outcome | None:
        needs_utf8 = mail.smtputf8 or not (mail.sender + "".join(mail.recipients)).isascii()
        if needs_utf8 and "SMTPUTF8" not in self._extensions:
            text = "5.6.7 the server does not accept international addresses"
            return self._outcome("bounced", "mail", 553, text, "policy", None)
        limit = self._extensions.get("SIZE", "")
        if limit.isdigit() and 0 < int(limit) < len(mail.content):
            text = f"5.3.4 the server accepts at most {limit} octets"
            return self._outcome("bounced", "mail", 552, text, "too_large", None)
        return None

    def _envelope(self, mail: Mail) -> bytes:
        options = ""
        if "SIZE" in self._extensions:
            options += f" SIZE={len(mail.content)}"
        if mail.smtputf8 and "SMTPUTF8" in self._extensions:
            options += " SMTPUTF8"
        lines = [f"MAIL FROM:<{mail.sender}>{options}", *(f"RCPT TO:<{each}>" for each in mail.recipients), "DATA"]
        if self._dirty:
            lines.insert(0, "RSET")
        return b"".join(command(line) for line in lines)

    def _read_envelope(self, mail: Mail, talk: _Talk) -> tuple[Outcome | None, str]:
        """Read the envelope's answers in order; a refusal of it, if any, and the stage reached."""
        if self._dirty:
            self._read(self.deadlines.envelope)
            self._dirty = False
        refusal: tuple[str, Reply] | None = None
        accepted = 0
        commands = [("mail", f"MAIL FROM:<{mail.sender}>")]
        commands += [("rcpt", f"RCPT TO:<{each}>") for each in mail.recipients]
        for stage, line in commands:
            talk.add("C", line)
            reply = self._read(self.deadlines.envelope)
            talk.add("S", f"{reply.code} {reply.text}")
            self._note_421(reply)
            if not reply.positive and refusal is None:
                refusal = (stage, reply)
            accepted += stage == "rcpt" and reply.positive
        talk.add("C", "DATA")
        reply = self._read(self.deadlines.envelope)
        talk.add("S", f"{reply.code} {reply.text}")
        self._note_421(reply)
        if refusal is None and reply.code == 354 and accepted == len(mail.recipients):
            return None, "data"
        stage, why = refusal or ("data", reply)
        if reply.code == 354:
            self._write(b".\r\n", self.deadlines.envelope)
            self._note_421(self._read(self.deadlines.dot))
        self._dirty = True
        return self._judge(stage, why, talk), stage

    def _write_content(
        self, mail: Mail, content: bytes, following: Mail | None, may_finish: Callable[[Mail], bool]
    ) -> bool | None:
        """Content and final dot, with the next envelope behind; None when the lease ended meanwhile."""
        behind = b""
        if following is not None and self._refuse_locally(following) is None:
            behind = self._envelope(following)
        if len(content) <= SMALL:
            self._write(b"".join((content, b".\r\n", behind)), self.deadlines.block)
            return True
        view = memoryview(content)
        for at in range(0, len(content), SMALL):
            self._write(view[at : at + SMALL], self.deadlines.block)
        if not may_finish(mail):
            return None
        self._write(b".\r\n" + behind, self.deadlines.block)
        return True

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
        if stage in ("mail", "data") and not fresh:
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
            self._expect(stage, self._read(self.deadlines.banner))
            stage = "ehlo"
            self._hello()
            stage = "tls"
            if self.target.tls in ("opportunistic", "required"):
                self._start_tls()
            stage = "auth"
            if self.target.username:
                self._authenticate()
        except (_Lost, OSError, ProtocolError) as error:
            self._end()
            category = "tls" if stage == "tls" else "connection"
            text = f"{type(error).__name__}: {error}"
            raise ConnectFailed(self._outcome("deferred", stage, None, text, category, None)) from error

    def _expect(self, stage: str, reply: Reply) -> None:
        if not reply.positive:
            self._end()
            _, category, _ = classify(stage, reply.code, reply.text)
            # A refusal before MAIL says nothing about this recipient: it is never a bounce.
            raise ConnectFailed(self._outcome("deferred", stage, reply.code, reply.text, category, None))

    def _ask(self, line: str) -> Reply:
        self._write(command(line), self.deadlines.ehlo)
        return self._read(self.deadlines.ehlo)

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
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if self.target.tls == "opportunistic":
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        else:
            context.load_default_certs()
        wrapped = context.wrap_socket(self._sock, server_hostname=self.target.host)
        self._sock = wrapped
        self.tls = wrapped.version()

    def _authenticate(self) -> None:
        secret = f"\0{self.target.username}\0{self.target.password or ''}".encode()
        self._expect("auth", self._ask("AUTH PLAIN " + base64.b64encode(secret).decode()))


def connect(target: Target, deadlines: Deadlines | None = None) -> Connection:
    """The first address that answers, greeted. Raises ConnectFailed.

    A broken STARTTLS on an opportunistic target is tried again in clear, over a new connection.
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
    except OSError as error:
        text = f"{type(error).__name__}: {error}"
        outcome = Outcome("deferred", "connect", None, None, text, "connection", target.host, ip)
        raise ConnectFailed(outcome) from error
    connection = Connection(target, sock, ip, deadlines)
    try:
        connection.greet()
    except ConnectFailed as error:
        if error.outcome.stage == "tls" and target.tls == "opportunistic":
            return _open(_in_clear(target), ip, deadlines)
        raise
    return connection


def _in_clear(target: Target) -> Target:
    return Target(
        target.host, target.port, target.ips, "none", target.username, target.password, target.ehlo_name, target.key
    )
