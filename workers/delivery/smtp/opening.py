"""Greeting, EHLO, STARTTLS and AUTH as a machine without a socket. Never here: mail."""

import base64
import ipaddress

from workers.delivery.smtp.acts import Encrypt, Hear, Lost, Machine, Say
from workers.delivery.smtp.session import Session
from workers.delivery.smtp.transcript import Transcript
from workers.delivery.wire import Reply, command


class Refused(Exception):
    """The server said no before any mail."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.said)
        self.reply = reply


def open_session(session: Session, talk: Transcript) -> Machine[None]:
    """From the first byte to the first MAIL. `talk.stage` is exact at every moment; raises Refused or Lost."""
    level = session.target.wanted.level
    talk.stage = "banner"
    if level == "implicit":
        talk.stage = "tls"
        yield from _encrypt(session, talk)
        talk.stage = "banner"
    greeting = yield Hear(session.deadlines.banner)
    assert greeting is not None
    talk.add("S", greeting.said)
    _expect(greeting)
    talk.stage = "ehlo"
    yield from _hello(session, talk)
    if level in ("opportunistic", "encrypted", "required", "dane"):
        talk.stage = "tls"
        yield from _start_tls(session, talk)
    elif level == "none":
        session.tls_reason = f"in clear: {session.target.wanted.reason}"
    talk.stage = "auth"
    if session.target.username:
        yield from _authenticate(session, talk)


def _ask(session: Session, talk: Transcript, line: str, shown: str | None = None) -> Machine[Reply]:
    """`shown` stands for the line in the transcript: secrets are never kept."""
    talk.add("C", shown or line)
    yield Say(command(line), session.deadlines.ehlo)
    reply = yield Hear(session.deadlines.ehlo)
    assert reply is not None
    talk.add("S", reply.said)
    return reply


def _expect(reply: Reply) -> None:
    if not reply.positive:
        raise Refused(reply)


def _hello(session: Session, talk: Transcript) -> Machine[None]:
    """EHLO, or HELO where it is refused: then nothing is offered."""
    reply = yield from _ask(session, talk, f"EHLO {session.target.ehlo_name}")
    if reply.code // 100 == 5:
        reply = yield from _ask(session, talk, f"HELO {session.target.ehlo_name}")
        _expect(reply)
        session.extensions = {}
        return
    _expect(reply)
    # Old servers wrote AUTH=PLAIN.
    words = [line.upper().replace("AUTH=", "AUTH ", 1).partition(" ") for line in reply.lines[1:]]
    session.extensions = {name: value for name, _, value in words}


def _start_tls(session: Session, talk: Transcript) -> Machine[None]:
    wanted = session.target.wanted
    if "STARTTLS" not in session.extensions:
        if wanted.level != "opportunistic":
            raise Lost("TLS is demanded and the server does not offer it")
        session.tls_reason = "in clear: the server does not offer STARTTLS"
        return
    reply = yield from _ask(session, talk, "STARTTLS")
    _expect(reply)
    yield from _encrypt(session, talk)
    # What was said before TLS is not believed after it (RFC 3207): the server is asked again.
    session.extensions = {}
    talk.stage = "ehlo"
    yield from _hello(session, talk)


def _encrypt(session: Session, talk: Transcript) -> Machine[None]:
    yield Encrypt()
    talk.add("*", f"{session.tls}: {session.tls_reason}")


def _authenticate(session: Session, talk: Transcript) -> Machine[None]:
    target = session.target
    if session.tls is None and target.wanted.level != "none" and not ipaddress.ip_address(session.ip).is_loopback:
        raise Lost("credentials wait for TLS, which the server does not offer")
    name, password = target.username or "", target.password or ""
    offered = session.extensions.get("AUTH", "").split()
    if "LOGIN" in offered and "PLAIN" not in offered:
        reply = yield from _ask(session, talk, "AUTH LOGIN")
        for secret in (name, password):
            if reply.code != 334:
                break
            reply = yield from _ask(session, talk, _base64(secret), "***")
    else:
        if offered and "PLAIN" not in offered:
            raise Lost(f"the server offers AUTH {' '.join(offered)}, of which neither PLAIN nor LOGIN is one")
        reply = yield from _ask(session, talk, "AUTH PLAIN " + _base64(f"\0{name}\0{password}"), "AUTH PLAIN ***")
    _expect(reply)


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
