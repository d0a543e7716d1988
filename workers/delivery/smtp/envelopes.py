"""A mail as it will be written to this server, or why it cannot be. Nothing is said yet.

Never here: replies.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from common.domain.outcomes import Outcome
from workers.delivery.smtp.mails import Mail
from workers.delivery.smtp.session import Session
from workers.delivery.wire import check_content, command, stuff

MOST_RECIPIENTS = 100
"""In one transaction: what RFC 5321 4.5.3.1.8 obliges every server to take."""

BDAT_BYTES = 64 * 1024
"""Content up to this size to one recipient leaves as one pipelined BDAT LAST."""

_SIZE = re.compile(r"[0-9]{1,18}\Z")
_LEAVES_ITS_BRACKETS = re.compile(r"[\x00-\x20\x7f<>]")
_XTEXT = re.compile(r"[^!-*,-<>-~]")


@dataclass(frozen=True, slots=True)
class Order:
    """One transaction. `commands` are stage and line in order, `envelope` the same as bytes; `content` is
    stuffed, or raw when `bdat`; `at_once`: all of it in one write. `first`: the message's own recipient is in
    it, and its outcome is the mail's."""

    mail: Mail
    recipients: tuple[str, ...]
    commands: tuple[tuple[str, str], ...]
    envelope: bytes
    content: bytes
    first: bool = True
    bdat: bool = False
    at_once: bool = False


def prepare(session: Session, mail: Mail) -> "list[Order] | Outcome":
    """The transactions of a mail: one, or several when it has more recipients than the server takes at once."""
    needs_utf8 = mail.smtputf8 or not (mail.sender.isascii() and all(each.isascii() for each in mail.recipients))
    refusal = _unfit(session, mail, needs_utf8)
    if refusal is not None:
        return session.outcome("bounced", "mail", *refusal)
    most = min(session.limit("RCPTMAX") or MOST_RECIPIENTS, MOST_RECIPIENTS)
    bdat = session.target.chunking and "CHUNKING" in session.extensions
    try:
        content = check_content(mail.content) if bdat else stuff(mail.content)
        options = _mail_options(session, mail, needs_utf8)
        return list(_orders(session, mail, mail.recipients, content, options, most, bdat))
    except ValueError as error:
        return session.outcome("bounced", "content", None, str(error), "protocol")


def prepare_rest(session: Session, order: Order, refused: Sequence[str]) -> list[Order]:
    """A further transaction for copies that the server took as too many for one (RFC 5321 4.5.3.1.10)."""
    options = order.commands[0][1].partition(">")[2]
    made = _orders(session, order.mail, tuple(refused), order.content, options, len(refused), order.bdat)
    return [replace(each, first=False, at_once=False) for each in made]


def _unfit(session: Session, mail: Mail, needs_utf8: bool) -> tuple[int, str, str] | None:
    """Code, text and category of what this server cannot carry."""
    offers = session.extensions
    if needs_utf8 and "SMTPUTF8" not in offers:
        return 553, "5.6.7 the server does not accept international addresses", "policy"
    limit = _SIZE.match(offers.get("SIZE", ""))
    if limit is not None and 0 < int(limit[0]) < len(mail.content):
        return 552, f"5.3.4 the server accepts at most {limit[0]} octets", "too_large"
    if "8BITMIME" not in offers and not mail.content.isascii():
        return 554, "5.6.3 the server does not accept 8-bit content", "content"
    if mail.require_tls and not ("REQUIRETLS" in offers and session.tls_verified):
        return 550, "5.7.30 the mail requires verified TLS all the way, and this server does not promise it", "tls"
    return None


def _mail_options(session: Session, mail: Mail, needs_utf8: bool) -> str:
    offers = session.extensions
    options = f" SIZE={len(mail.content)}" if "SIZE" in offers and _SIZE.match(offers["SIZE"] or "0") else ""
    if not mail.content.isascii():
        options += " BODY=8BITMIME"
    if needs_utf8:
        options += " SMTPUTF8"
    if mail.require_tls:
        options += " REQUIRETLS"
    if "DSN" in offers:
        options += f" RET=HDRS ENVID={_xtext(mail.id)}"
    return options


def _orders(
    session: Session, mail: Mail, recipients: tuple[str, ...], content: bytes, options: str, most: int, bdat: bool
) -> Iterator[Order]:
    for at in range(0, len(recipients), most):
        some = recipients[at : at + most]
        commands = [("mail", f"MAIL FROM:<{_path(mail.sender)}>{options}")]
        commands += [("rcpt", f"RCPT TO:<{_path(each)}>{_recipient_options(session, mail, each)}") for each in some]
        if not bdat:
            commands.append(("data", "DATA"))
        envelope = b"".join([command(line) for _, line in commands])
        at_once = bdat and session.pipelining and len(some) == 1 and len(content) <= BDAT_BYTES
        yield Order(mail, some, tuple(commands), envelope, content, at == 0, bdat, at_once)


def _recipient_options(session: Session, mail: Mail, recipient: str) -> str:
    """RFC 3461: a notice for failure and delay, none at all for what is itself a notice."""
    if "DSN" not in session.extensions:
        return ""
    if not mail.sender:
        return " NOTIFY=NEVER"
    if not recipient.isascii():
        return " NOTIFY=FAILURE,DELAY"
    return f" NOTIFY=FAILURE,DELAY ORCPT=rfc822;{_xtext(recipient)}"


def _xtext(text: str) -> str:
    return _XTEXT.sub(lambda found: f"+{ord(found[0]):02X}", text)


def _path(address: str) -> str:
    """An address as it stands between brackets. Raises ValueError on what would leave them.

    A local part that is no dot-atom (`a..b`, `.a`, `a.`: handed out in Japan before April 2009) is quoted.
    """
    if _LEAVES_ITS_BRACKETS.search(address):
        raise ValueError("an address holds a bracket, a blank or a line break")
    if ".." in address or ".@" in address or address.startswith("."):
        local, _, domain = address.rpartition("@")
        if not local.startswith('"'):
            return f'"{local}"@{domain}'
    return address
