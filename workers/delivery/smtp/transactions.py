"""Mails over an open session as a machine without a socket: each ends in one outcome, whatever happens.

Where the server offers PIPELINING, the next mail's envelope travels with this mail's content
(RFC 2920), so a mail costs one round trip. Never here: sockets, or what a refusal means.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from common.clock import monotonic
from common.domain.outcomes import Outcome
from workers.delivery.smtp.acts import Hear, Lost, Machine
from workers.delivery.smtp.answers import RESET, Answers, say_envelope
from workers.delivery.smtp.content import Unfinished, hear_end, say_at_once, say_content
from workers.delivery.smtp.envelopes import Order, prepare, prepare_rest
from workers.delivery.smtp.mails import Mail
from workers.delivery.smtp.session import Session
from workers.delivery.smtp.transcript import Transcript
from workers.delivery.wire import Reply

MayFinish = Callable[[Mail], bool]
Results = list[tuple[Mail, Outcome]]


@dataclass(slots=True)
class _Run:
    """What is still to be written, and what has come of the rest."""

    session: Session
    may_finish: MayFinish
    mails: deque[Mail]
    orders: deque[Order] = field(default_factory=deque)
    results: Results = field(default_factory=list)
    delivered: set[str] = field(default_factory=set)

    def next_order(self) -> Order | None:
        """The next transaction, prepared now; mails that this server cannot carry get their outcome here."""
        while not self.orders and self.mails:
            mail = self.mails.popleft()
            found = prepare(self.session, mail)
            if isinstance(found, Outcome):
                self.results.append((mail, found))
            else:
                self.orders.extend(found)
        return self.orders.popleft() if self.orders else None


def converse(session: Session, mails: Sequence[Mail], may_finish: MayFinish) -> Machine[Results]:
    """Send in order. `may_finish` is asked right before a final dot is written; False ends the connection."""
    run = _Run(session, may_finish, deque(mails))
    order, ahead = run.next_order(), False
    while order is not None:
        ended = not session.usable or (session.exhausted and not ahead)
        if ended or not (order.first or order.mail.id in run.delivered):
            # Copies alone would go out again with the retry of a mail that did not get through.
            session.polite = session.polite or (session.usable and ended)
            session.usable = session.usable and not ended
            _settle(run, order, session.untried("the connection ended before this mail"))
            order, ahead = run.next_order(), False
            continue
        following, ahead = yield from _one(run, order, ahead)
        order = following or run.next_order()
    position = {mail.id: at for at, mail in enumerate(mails)}
    return sorted(run.results, key=lambda result: position[result[0].id])


def _one(run: _Run, order: Order, ahead: bool) -> Machine[tuple[Order | None, bool]]:
    """One transaction. Answers the next one if it was looked at, and whether its envelope is on its way."""
    session = run.session
    talk, session.opening = session.opening or Transcript(monotonic()), None
    if session.sent_count:
        talk.add("*", f"connection reused, {session.tls or 'in clear'}")
    fresh = session.sent_count == 0
    following: Order | None = None
    sent_ahead = False
    try:
        if order.at_once:
            yield from _at_once(run, order, fresh, talk)
            return None, False
        answers = yield from say_envelope(session, order, ahead, talk)
        if answers.refusal is not None:
            _settle(run, order, _refused(session, *answers.refusal, fresh, talk))
            session.sent_count += 1
            return None, False
        if not run.may_finish(order.mail):
            raise Unfinished
        if answers.spare:
            run.orders.extendleft(reversed(prepare_rest(session, order, answers.spare)))
        session.sent_count += 1
        if session.pipelining and not session.exhausted:
            following = run.next_order()
        sent_ahead = following is not None and following.first and not following.bdat
        yield from say_content(session, order, following if sent_ahead else None, run.may_finish, talk)
        reply = yield from hear_end(session, order, talk)
        _settle(run, order, _judge(session, reply, talk))
    except Unfinished:
        session.usable = False
        _settle(run, order, session.untried("the lease ended before the final dot", talk))
    except Lost as error:
        session.usable = False
        _settle(run, order, _lost(session, fresh, str(error), talk))
    return following, sent_ahead


def _settle(run: _Run, order: Order, outcome: Outcome) -> None:
    """Only the transaction with the message's own recipient decides about it."""
    if order.first:
        run.results.append((order.mail, outcome))
        if outcome.kind == "delivered":
            run.delivered.add(order.mail.id)


def _at_once(run: _Run, order: Order, fresh: bool, talk: Transcript) -> Machine[None]:
    """Envelope and a BDAT LAST in one write (line 23): one round trip without a next mail to go behind it."""
    session = run.session
    if not run.may_finish(order.mail):
        raise Unfinished
    reset = b"RSET\r\n" if session.dirty else b""
    commands, session.dirty = ((RESET,) if reset else ()) + order.commands, False
    talk.add_all("C", [line for _, line in commands])
    session.sent_count += 1
    yield from say_at_once(session, order, reset, talk)
    answers = Answers(order)
    end: Reply | None = None
    try:
        for stage, _ in commands:
            reply = yield Hear(session.deadlines.dot, last=True)
            assert reply is not None
            talk.add("S", reply.said)
            answers.take(stage, reply)
        end = yield from hear_end(session, order, talk)
    except Lost:
        if answers.refusal is None:
            raise
        session.usable = False
    if answers.refusal is None and end is not None:
        return _settle(run, order, _judge(session, end, talk))
    assert answers.refusal is not None
    session.dirty = True
    session.usable = session.usable and not answers.confused and answers.refusal[1].code != 421
    return _settle(run, order, _refused(session, *answers.refusal, fresh, talk))


def _refused(session: Session, stage: str, reply: Reply, fresh: bool, talk: Transcript) -> Outcome:
    if reply.code == 421 and not fresh:
        # "Enough for this connection" says nothing about this mail.
        return session.untried(reply.said, talk)
    return session.refusal(stage, reply, talk)


def _judge(session: Session, reply: Reply, talk: Transcript) -> Outcome:
    if reply.code == 421:
        session.usable = False
    if reply.positive:
        return session.outcome("delivered", "dot", reply.code, reply.text, "delivered", talk)
    return session.refusal("dot", reply, talk)


def _lost(session: Session, fresh: bool, text: str, talk: Transcript) -> Outcome:
    talk.add("*", text)
    if talk.stage == "dot":
        return session.outcome("unknown", "dot", None, text, "connection", talk)
    if talk.stage in ("mail", "rcpt", "data") and not fresh:
        return session.untried(text, talk)
    return session.outcome("deferred", talk.stage, None, text, "connection", talk)
