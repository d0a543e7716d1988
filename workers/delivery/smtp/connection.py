"""The driver: performs what the machines ask for over a channel, and opens connections. Never here: SMTP's rules."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol

from common.clock import monotonic
from common.domain.outcomes import Outcome
from workers.delivery.smtp.acts import Hear, Lost, Machine, Result, Say
from workers.delivery.smtp.channel import Channel, described, open_channel
from workers.delivery.smtp.encryption import Failed, encrypt, keep_ticket
from workers.delivery.smtp.mails import Deadlines, Mail
from workers.delivery.smtp.opening import Refused, open_session
from workers.delivery.smtp.session import ConnectFailed, Session
from workers.delivery.smtp.target import Demand, Target
from workers.delivery.smtp.transactions import Results, converse
from workers.delivery.smtp.transcript import Transcript
from workers.delivery.wire import ProtocolError, Reply, ReplyReader


class TlsMemory(Protocol):
    """Who is told how TLS went, and remembers where it is broken."""

    def broken(self, target: Target) -> str | None:
        """Why TLS with this host is not tried, or None."""

    def remember_broken(self, target: Target, why: str) -> None:
        """TLS failed and the mail went in clear."""

    def note(self, target: Target, kind: str) -> None:
        """One session's result, in the words of RFC 8460; `success` for a good one."""


class Connection:
    """An open session. Not for two threads at once. `asked_for` is the reuse key of the target that was wanted,
    also when it was reached in clear after its TLS failed."""

    def __init__(self, session: Session, channel: Channel, memory: TlsMemory | None = None) -> None:
        self.session, self._channel, self._memory = session, channel, memory
        self._replies = ReplyReader()
        self.asked_for = session.target.reuse_key

    @property
    def target(self) -> Target:
        return self.session.target

    @property
    def usable(self) -> bool:
        return self.session.usable

    @property
    def sent_count(self) -> int:
        return self.session.sent_count

    @property
    def opened_at(self) -> float:
        return self.session.opened_at

    def open(self) -> None:
        """Banner, EHLO, TLS and AUTH. Raises ConnectFailed."""
        session = self.session
        talk = session.opening = Transcript(session.opened_at)
        try:
            self._perform(open_session(session, talk))
            if session.tls is None and session.target.wanted.level == "opportunistic":
                self._note("starttls-not-supported")
        except Refused as refusal:
            self._end()
            # A refusal before MAIL says nothing about this recipient: it is never a bounce.
            outcome = session.refusal(talk.stage, refusal.reply, talk, lasting=False)
            raise ConnectFailed(outcome, talk.stage in ("tls", "auth")) from refusal
        except (Lost, ValueError) as error:
            self._end()
            text = str(error)
            talk.add("*", text)
            category = "tls" if talk.stage == "tls" else "connection"
            outcome = session.outcome("deferred", talk.stage, None, text, category, talk)
            raise ConnectFailed(outcome, talk.stage in ("tls", "auth")) from error

    def send(self, mails: Sequence[Mail], may_finish: Callable[[Mail], bool]) -> Results:
        """Send in order; one outcome for each mail, whatever happens.

        `may_finish` is asked right before a final dot is written; False ends the connection instead.
        """
        results = self._perform(converse(self.session, mails, may_finish))
        if not self.session.usable:
            self._part()
        return results

    def quit(self) -> None:
        """Say goodbye without waiting for the answer."""
        if self.session.usable:
            self.session.usable, self.session.polite = False, True
        self._part()

    def _part(self) -> None:
        """QUIT only between mails: inside one it would be content."""
        if self.session.polite:
            self.session.polite = False
            try:
                self._channel.write(b"QUIT\r\n", 1.0)
            except Lost:
                pass
        keep_ticket(self._channel, self.session.target)
        self._channel.close()

    def _end(self) -> None:
        self.session.usable = False
        self._channel.close()

    def _perform(self, machine: Machine[Result]) -> Result:
        """Run a machine to its end."""
        try:
            act = next(machine)
            while True:
                reply: Reply | None = None
                try:
                    if type(act) is Hear:
                        reply = self._hear(act)
                    elif type(act) is Say:
                        self._channel.write(act.data, act.seconds)
                    else:
                        self._encrypt()
                except Lost as error:
                    act = machine.throw(error)
                except ProtocolError as error:
                    act = machine.throw(Lost(str(error)))
                else:
                    act = machine.send(reply)
        except StopIteration as stop:
            found: Result = stop.value
            return found

    def _hear(self, act: Hear) -> Reply:
        if (waiting := self._replies.take()) is not None:
            return waiting
        now, seconds = monotonic(), act.seconds
        if not act.last:
            # A hostile server may drip through phase after phase: the session as a whole ends, but never
            # while a final dot waits for its answer.
            left = self.session.opened_at + self.session.deadlines.session - now
            seconds = max(left, 1.0) if left < seconds else seconds
        deadline = now + seconds
        while (reply := self._replies.take()) is None:
            if seconds <= 0:
                raise Lost(f"no answer within {act.seconds:.0f} s")
            self._replies.feed(self._channel.read(seconds))
            seconds = deadline - monotonic()
        return reply

    def _encrypt(self) -> None:
        session = self.session
        if self._replies.pending:
            raise Lost("the server sent bytes ahead of TLS")
        try:
            found = encrypt(self._channel, session.target, session.deadlines.ehlo)
        except Failed as error:
            self._note(error.kind)
            raise Lost(str(error)) from error
        session.tls, session.tls_verified, session.tls_reason = found.version, found.verified, found.reason
        self._note("success")

    def _note(self, kind: str) -> None:
        if self._memory is not None:
            self._memory.note(self.session.target, kind)


def connect(target: Target, deadlines: Deadlines | None = None, memory: TlsMemory | None = None) -> Connection:
    """One address, greeted. Raises ConnectFailed.

    A broken STARTTLS on an opportunistic target is tried again in clear, over a new connection, and
    remembered; never with credentials, which whoever breaks the TLS would then read.
    """
    deadlines = deadlines or Deadlines()
    may_fall_back = target.wanted.level == "opportunistic" and target.username is None
    if may_fall_back and memory is not None and (why := memory.broken(target)) is not None:
        return _fallen_back(target, why, deadlines)
    try:
        return _open(target, deadlines, memory)
    except ConnectFailed as error:
        if error.outcome.stage != "tls" or not may_fall_back:
            raise
        connection = _fallen_back(target, error.outcome.reply, deadlines)
        # Only now is it known that TLS is what failed; a refusal with a code may pass, a broken handshake stays.
        if memory is not None and error.outcome.code is None:
            memory.remember_broken(target, error.outcome.reply)
        return connection


def _fallen_back(target: Target, why: str, deadlines: Deadlines) -> Connection:
    in_clear = replace(target, tls="none", demand=Demand("none", f"TLS with this host failed: {why}"))
    connection = _open(in_clear, deadlines, None)
    connection.asked_for = target.reuse_key
    return connection


def _open(target: Target, deadlines: Deadlines, memory: TlsMemory | None) -> Connection:
    since = monotonic()
    try:
        channel, ip = open_channel(target.address, target.port, deadlines.connect, target.bind)
    except OSError as error:
        took, text = int((monotonic() - since) * 1000), described(error)
        lines = ((took, "*", f"connecting to {target.address} port {target.port}: {text}"),)
        outcome = Outcome("deferred", "connect", None, None, text, "connection", target.host, target.address)
        facts = {"provider": target.provider, "site": target.site, "duration_ms": took, "transcript": lines}
        raise ConnectFailed(replace(outcome, **facts)) from error  # type: ignore[arg-type]
    connection = Connection(Session(target, ip, deadlines, since), channel, memory)
    connection.open()
    return connection
