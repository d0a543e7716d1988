"""Taking in one mail after DATA, within bounds of time, rate, size and memory (RFC 5321 4.5.2, 4.5.3).

Never here: commands, and what becomes of the mail.
"""

import asyncio
from dataclasses import dataclass

SMALL = 1 << 16
"""A mail up to here needs no turn: what is read ahead for one connection is as much."""
LONGEST_LINE = 1 << 16
"""RFC 5321 allows 998; whoever sends longer ones means one line, and is read."""
_END = b"\r\n.\r\n"
_ALL = 1 << 30


class Refusal(Exception):
    """The mail is not taken; `line` says why. `over` means that the connection ends with it."""

    def __init__(self, line: str, *, over: bool = False) -> None:
        super().__init__(line)
        self.line, self.over = line, over


@dataclass(frozen=True, slots=True)
class Patience:
    """How slow a client may be. Seconds, and octets a second.

    `tick` is how often one is looked at; `least` is asked of all over `lull` seconds; `least_waited_for` is asked in
    each tick of whoever holds a turn that others wait for.
    """

    tick: float = 5.0
    lull: float = 60.0
    least: int = 500
    least_waited_for: int = 20_000
    whole: float = 1800.0
    turn: float = 60.0


class Turns:
    """So many mails above SMALL are in memory at once; the others wait, and whoever is slow gives way."""

    def __init__(self, most: int) -> None:
        self._free = asyncio.Semaphore(most)
        self.waiting = 0

    async def take(self, seconds: float) -> None:
        """Wait for a turn. Raises Refusal when none came in time."""
        self.waiting += 1
        try:
            async with asyncio.timeout(seconds):
                await self._free.acquire()
        except TimeoutError:
            raise Refusal("421 4.3.2 too many large mails at once; try again later", over=True) from None
        finally:
            self.waiting -= 1

    def give_back(self) -> None:
        """Once for each turn taken."""
        self._free.release()


class Reception:
    """One mail on its way in. `close` must follow, whatever happened: it gives the turn back."""

    def __init__(self, reader: asyncio.StreamReader, turns: Turns, patience: Patience, most: int) -> None:
        self._reader, self._turns, self._patience, self._most = reader, turns, patience, most
        self._holds = False
        self._too_large = False
        self._body = bytearray(b"\r\n")  # the end of the DATA line, so that the first line is one like all

    async def read(self) -> bytes:
        """The mail, dots undone; what follows the final dot stays in the reader.

        Raises Refusal, and CancelledError when the connection is lost.
        """
        pace, seen = _Pace(self._patience, self._clock()), 0
        while (at := self._body.find(_END, max(0, seen - len(_END)))) < 0:
            seen = len(self._body)
            if seen > self._most + 2:
                self._too_large = True  # told after the final dot, for not all clients listen before
            if self._too_large:
                del self._body[: -len(_END)]
                seen = len(self._body)
            if seen > SMALL and not self._holds:
                waited = self._clock()
                await self._turns.take(self._patience.turn)
                self._holds = True
                pace.forgive(self._clock() - waited)
            await self._fill(pace)
        rest = bytes(self._body[at + len(_END) :])
        if rest:
            self._reader.feed_data(rest)
        return self._checked(bytes(self._body[: at + 2]))

    def close(self) -> None:
        """Give the turn back."""
        if self._holds:
            self._holds = False
            self._turns.give_back()

    async def _fill(self, pace: "_Pace") -> None:
        """More octets; everything there is, so that the reader's buffer is empty afterwards."""
        while True:
            try:
                async with asyncio.timeout_at(pace.next_look):
                    found = await self._reader.read(_ALL)
            except TimeoutError:
                found = None
            pace.count(len(found or b""), self._clock(), waited_for=self._holds and self._turns.waiting > 0)
            if found is not None:
                break
        if not found:
            raise asyncio.CancelledError
        self._body += found

    def _checked(self, body: bytes) -> bytes:
        if self._too_large or len(body) - 2 > self._most:
            raise Refusal("552 5.3.4 the mail is larger than is taken here")
        at = 0
        while at + LONGEST_LINE + 3 <= len(body):
            found = body.rfind(b"\r\n", at + 1, at + LONGEST_LINE + 3)
            if found < 0:
                raise Refusal("500 5.5.2 a line is longer than 65,535 octets")
            at = found
        return body.replace(b"\r\n.", b"\r\n")[2:]

    @staticmethod
    def _clock() -> float:
        return asyncio.get_running_loop().time()


class _Pace:
    """How much came when, and whether that is enough."""

    def __init__(self, patience: Patience, now: float) -> None:
        self._patience = patience
        self._end = now + patience.whole
        self._lull_ends, self._of_lull = now + patience.lull, 0
        self.next_look, self._of_tick = now + patience.tick, 0

    def forgive(self, seconds: float) -> None:
        """Time in which we did not read."""
        self._end += seconds
        self._lull_ends += seconds
        self.next_look += seconds

    def count(self, octets: int, now: float, *, waited_for: bool) -> None:
        """Raises Refusal when it is too slow, or takes too long."""
        self._of_lull += octets
        self._of_tick += octets
        if now < self.next_look:
            return
        slow = waited_for and self._of_tick < self._patience.least_waited_for * self._patience.tick
        if now >= self._lull_ends:
            slow = slow or self._of_lull < self._patience.least * self._patience.lull
            self._lull_ends, self._of_lull = now + self._patience.lull, 0
        if slow or now >= self._end:
            raise Refusal("421 4.4.2 the mail came too slowly", over=True)
        self.next_look, self._of_tick = now + self._patience.tick, 0
