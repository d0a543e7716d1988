"""The envelope said and its answers heard, as a machine without a socket. Never here: content."""

from dataclasses import dataclass, field

from workers.delivery.smtp.acts import Hear, Lost, Machine, Say
from workers.delivery.smtp.envelopes import Order
from workers.delivery.smtp.session import Session
from workers.delivery.smtp.transcript import Transcript
from workers.delivery.wire import Reply

RESET = ("reset", "RSET")
_TOO_MANY = ("too many recipients", "4.5.3", "5.5.3")


@dataclass(slots=True)
class Answers:
    """What a server said to an envelope. `refusal` is the first that decides, with its stage; `spare` are the
    copies that it wants in another transaction. `confused`: a reply was neither what was asked for nor a refusal,
    so nobody knows which command the next one answers: another mail would be taken for content of this one."""

    order: Order
    refusal: tuple[str, Reply] | None = None
    accepted: int = 0
    heard: int = 0
    spare: list[str] = field(default_factory=list)
    confused: bool = False

    def take(self, stage: str, reply: Reply) -> None:
        """The answer to the next command, in order."""
        good = reply.code == 354 if stage == "data" else reply.positive
        self.confused = self.confused or not (good or reply.code // 100 in (4, 5))
        if stage == "rcpt":
            self.accepted += good
            self.heard += 1
            if not good and self._is_copy and reply.code != 421:
                # The first recipient is the message's own; a refused copy does not decide about it.
                if any(word in reply.text.lower() for word in _TOO_MANY):
                    self.spare.append(self.order.recipients[self.heard - 1])
                return
        if not good and self.refusal is None:
            self.refusal = ("mail" if stage == "reset" else stage), reply

    @property
    def _is_copy(self) -> bool:
        return self.heard > 1 or not self.order.first


def say_envelope(session: Session, order: Order, ahead: bool, talk: Transcript) -> Machine[Answers]:
    """Say it, pipelined where the server offers that, and hear every answer. `ahead`: it was said already.

    RSET comes only behind a transaction that failed half-way: some servers count it as junk.
    """
    commands, envelope = order.commands, order.envelope
    if session.dirty:
        commands, envelope, session.dirty = (RESET, *commands), b"RSET\r\n" + envelope, False
    seconds, pipelined = session.deadlines.envelope, session.pipelining
    hear = Hear(seconds)
    if pipelined:
        talk.add_all("C", [line for _, line in commands])
        if not ahead:
            yield Say(envelope, seconds)
    answers = Answers(order)
    last: Reply | None = None
    for stage, line in commands:
        talk.stage = "mail" if stage == "reset" else stage
        if not pipelined:
            if stage == "data" and not answers.accepted:
                break
            talk.add("C", line)
            yield Say(line.encode() + b"\r\n", seconds)
        last = reply = yield hear
        assert reply is not None
        talk.add("S", reply.said)
        answers.take(stage, reply)
        if answers.confused or reply.code == 421 or (answers.refusal is not None and not pipelined):
            break
    assert last is not None
    if answers.refusal is None and (answers.confused or not answers.accepted):
        answers.refusal = "rcpt", last
    if answers.refusal is not None:
        yield from _abandon(session, answers, last.code)
    return answers


def _abandon(session: Session, answers: Answers, last_code: int) -> Machine[None]:
    """After a refused envelope: leave the connection so that the next mail can begin."""
    assert answers.refusal is not None
    session.dirty = True
    if answers.confused or 421 in (last_code, answers.refusal[1].code) or (last_code == 354 and answers.accepted):
        # A lone dot now would send an empty mail to those who were accepted.
        session.usable = False
    elif last_code == 354:
        try:
            yield Say(b".\r\n", session.deadlines.envelope)
            reply = yield Hear(session.deadlines.dot, last=True)
            session.usable = reply is not None and reply.code != 421
        except Lost:
            session.usable = False
