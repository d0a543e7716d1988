"""The mailbox's side of an SMTP session as bytes, without a socket.

`feed` bytes, get answers to write and mails to keep. Recipients at simulator.sendarix.test play
their part here.
"""

import re
from collections import OrderedDict
from dataclasses import dataclass, field

from common.domain.simulator import ADDRESSES, SCRIPTED, part_of, script_of

MOST_LINE_BYTES = 4096
MOST_BYTES = 60 * 1024 * 1024
MOST_RECIPIENTS = 100
EXTENSIONS = ("PIPELINING", f"SIZE {MOST_BYTES}", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES")
_PATH = re.compile(rb"(?:MAIL FROM|RCPT TO):\s*<([^<>\s]*)>(?:\s.*)?\Z", re.I)


@dataclass(slots=True)
class Mail:
    """A finished transaction that waits for its 250. `slow` asks for two seconds of patience."""

    sender: str
    recipients: list[str]
    source: bytes
    slow: bool = False


class Patience:
    """How often deferred-then-delivered@ has been tried per sender and recipient; bounded."""

    def __init__(self, size: int = 10_000) -> None:
        self._tries: OrderedDict[tuple[str, str], int] = OrderedDict()
        self._size = size

    def lost(self, sender: str, recipient: str) -> bool:
        """Whether this try is to be deferred: the first one is."""
        key = (sender, recipient)
        tries = self._tries.pop(key, 0) + 1
        self._tries[key] = tries
        if len(self._tries) > self._size:
            self._tries.popitem(last=False)
        if tries > 1:
            del self._tries[key]
        return tries <= 1

    def count(self, sender: str, recipient: str) -> int:
        """Which try this is, from 0."""
        key = (sender, recipient)
        tries = self._tries.pop(key, 0)
        self._tries[key] = tries + 1
        if len(self._tries) > self._size:
            self._tries.popitem(last=False)
        return tries


_STEPS = {
    "deliver": None,
    "defer": b"451 4.2.0 simulated: try again later\r\n",
    "bounce": b"550 5.1.1 simulated: no such user, or no such script\r\n",
}


def simulate(sender: str, recipient: str, patience: Patience) -> bytes | None:
    """The refusal a magic recipient gives, or None when it takes the mail."""
    name = part_of(recipient)
    if name is None:
        return None
    if name == "bounced":
        return b"550 5.1.1 simulated: no such user\r\n"
    if name == "deferred":
        return b"451 4.2.0 simulated: try again later\r\n"
    if name == "deferred-then-delivered":
        return b"451 4.2.0 simulated: try again later\r\n" if patience.lost(sender, recipient.lower()) else None
    if name in ADDRESSES:
        return None
    if name == SCRIPTED:
        steps = script_of(recipient)
        step = steps[min(patience.count(sender, recipient.lower()), len(steps) - 1)] if steps else "bounce"
        return _STEPS[step]
    return b"550 5.1.1 simulated: no such magic recipient\r\n"


@dataclass(slots=True)
class Session:
    """One client. `answers` are to be written in order; a Mail among them stands for its own answer."""

    patience: Patience
    sender: str | None = None
    recipients: list[str] = field(default_factory=list)
    receiving: bool = False
    ended: bool = False
    _buffer: bytearray = field(default_factory=bytearray)
    _searched: int = 0

    def feed(self, data: bytes) -> list[bytes | Mail]:
        """Everything that can be answered now."""
        self._buffer += data
        answers: list[bytes | Mail] = []
        while not self.ended:
            found = self._take_content() if self.receiving else self._take_command()
            if found is None:
                break
            answers.append(found)
        return answers

    def _take_content(self) -> bytes | Mail | None:
        if self._buffer.startswith(b".\r\n"):
            end, skip = 0, 3
        else:
            end, skip = self._buffer.find(b"\r\n.\r\n", self._searched), 5
        if end < 0:
            self._searched = max(0, len(self._buffer) - 4)
            if len(self._buffer) > MOST_BYTES:
                self.ended = True
                return b"552 5.3.4 too large\r\n"
            return None
        source = bytes(self._buffer[: end + 2 if skip == 5 else 0])
        del self._buffer[: end + skip]
        self.receiving, self._searched = False, 0
        if source.startswith(b".") or b"\r\n.." in source:
            source = source.replace(b"\r\n..", b"\r\n.")
            source = source[1:] if source.startswith(b"..") else source
        sender, recipients = self.sender or "", self.recipients
        self.sender, self.recipients = None, []
        slow = any(part_of(each) == "slow" for each in recipients)
        return Mail(sender, recipients, source, slow)

    def _take_command(self) -> bytes | None:
        end = self._buffer.find(b"\r\n")
        if end < 0:
            if len(self._buffer) > MOST_LINE_BYTES:
                self.ended = True
                return b"500 5.5.2 line too long\r\n"
            return None
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 2]
        return self._answer(line)

    def _answer(self, line: bytes) -> bytes:
        verb = line[:4].upper()
        if verb == b"MAIL":
            return self._mail(line)
        if verb == b"RCPT":
            return self._recipient(line)
        if verb == b"DATA":
            if not self.recipients:
                return b"503 5.5.1 no valid recipients\r\n"
            self.receiving = True
            return b"354 end with a dot\r\n"
        return self._simple(verb)

    def _simple(self, verb: bytes) -> bytes:
        if verb == b"EHLO":
            lines = ["sendarix mailbox", *EXTENSIONS]
            return "".join(f"250{'-' if line != lines[-1] else ' '}{line}\r\n" for line in lines).encode()
        if verb in (b"HELO", b"NOOP"):
            return b"250 2.0.0 ok\r\n"
        if verb == b"RSET":
            self.sender, self.recipients = None, []
            return b"250 2.0.0 ok\r\n"
        if verb == b"QUIT":
            self.ended = True
            return b"221 2.0.0 bye\r\n"
        return b"502 5.5.1 not offered here\r\n"

    def _mail(self, line: bytes) -> bytes:
        found = _PATH.match(line)
        if found is None:
            return b"501 5.5.4 write MAIL FROM:<address>\r\n"
        if self.recipients:
            return b"503 5.5.1 a transaction is open\r\n"
        self.sender, self.recipients = found[1].decode("utf-8", "replace"), []
        return b"250 2.1.0 ok\r\n"

    def _recipient(self, line: bytes) -> bytes:
        found = _PATH.match(line)
        if found is None or not found[1]:
            return b"501 5.5.4 write RCPT TO:<address>\r\n"
        if self.sender is None:
            return b"503 5.5.1 MAIL first\r\n"
        if len(self.recipients) >= MOST_RECIPIENTS:
            return b"452 4.5.3 too many recipients\r\n"
        recipient = found[1].decode("utf-8", "replace")
        refusal = simulate(self.sender, recipient, self.patience)
        if refusal is not None:
            return refusal
        self.recipients.append(recipient)
        return b"250 2.1.5 ok\r\n"
