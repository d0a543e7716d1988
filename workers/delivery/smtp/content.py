"""Content and its end, by DATA or BDAT, as a machine without a socket. The exact moment of the dot is known.

Never here: envelopes, or what the answer means.
"""

from collections.abc import Callable

from workers.delivery.smtp.acts import Hear, Lost, Machine, Say
from workers.delivery.smtp.envelopes import Order
from workers.delivery.smtp.mails import Mail
from workers.delivery.smtp.session import Session
from workers.delivery.smtp.transcript import Transcript
from workers.delivery.wire import Reply

SMALL = 256 * 1024
"""Content up to this size leaves in one write with its dot; the lease is checked right before."""


class Unfinished(Exception):
    """The lease ended before the final dot: nothing more may be written."""


def say_content(
    session: Session, order: Order, following: Order | None, may_finish: Callable[[Mail], bool], talk: Transcript
) -> Machine[None]:
    """Everything up to the end, with the next envelope behind it. Raises Unfinished, or Lost at stage `content`
    while the end has surely not left, at stage `dot` from then on."""
    talk.stage = "content"
    if order.bdat:
        yield from _say_chunks(session, order, may_finish, talk)
        return
    last = order.content
    if len(last) > SMALL:
        view = memoryview(last)
        for at in range(0, len(last), SMALL):
            yield Say(view[at : at + SMALL], session.deadlines.block)
        if not may_finish(order.mail):
            raise Unfinished
        last = b""
    talk.add("C", f"<{len(order.mail.content)} octets> .")
    last += b".\r\n"
    yield from _say_end(session, last + following.envelope if following else last, len(last), talk)


def _say_end(session: Session, data: bytes, end: int, talk: Transcript) -> Machine[None]:
    """The stage is `dot` once the system took the end, even if the write fails behind it; under TLS nobody
    knows how much left, and any failure counts as one behind it."""
    try:
        yield Say(data, session.deadlines.block)
    except Lost as error:
        if error.sent is None or error.sent >= end:
            talk.stage = "dot"
        raise
    talk.stage = "dot"


def say_at_once(session: Session, order: Order, reset: bytes, talk: Transcript) -> Machine[None]:
    """The envelope and everything of a small content in one write."""
    talk.stage = "content"
    talk.add("C", f"BDAT {len(order.content)} LAST <{len(order.mail.content)} octets>")
    data = b"%b%bBDAT %d LAST\r\n%b" % (reset, order.envelope, len(order.content), order.content)
    yield from _say_end(session, data, len(data), talk)


def _say_chunks(session: Session, order: Order, may_finish: Callable[[Mail], bool], talk: Transcript) -> Machine[None]:
    """RFC 3030: chunks, each answered, then the last one behind another look at the lease."""
    view, at = order.content, 0
    while len(view) - at > SMALL:
        yield Say(b"BDAT %d\r\n%b" % (SMALL, view[at : at + SMALL]), session.deadlines.block)
        reply = yield Hear(session.deadlines.data)
        assert reply is not None
        if not reply.positive:
            raise Lost(f"a chunk was refused: {reply.said}")
        at += SMALL
    if at and not may_finish(order.mail):
        raise Unfinished
    talk.add("C", f"BDAT {len(view) - at} LAST <{len(order.mail.content)} octets>")
    data = b"BDAT %d LAST\r\n%b" % (len(view) - at, view[at:])
    yield from _say_end(session, data, len(data), talk)


def hear_end(session: Session, order: Order, talk: Transcript) -> Machine[Reply]:
    """The answer to the end. Anything that is no verdict is Lost, and the outcome unknown."""
    reply = yield Hear(session.deadlines.dot, last=True)
    assert reply is not None
    talk.add("S", reply.said)
    if reply.code // 100 not in (2, 4, 5):
        raise Lost(f"the answer to the end of {order.mail.id} is {reply.code}")
    return reply
