"""Bodies off the wire: never longer than allowed, few large ones at once, and never all threads waiting for them.

A thread that reads from a client who has stopped sending waits for as long as the client stays: the web
server has no time limit for bodies, and answering beside a read that still waits would block it whole.
So places to read in are counted: one account cannot take more than half of the threads, all together no
more than three quarters. What comes in, but too slowly, is 408. Never here: what the bytes mean.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from common.domain.errors import DomainError, InvalidRequest, RequestTimeout, TooLarge, Unavailable

LARGE = 1 << 20
PIECE = 1 << 16
MOST_LARGE, MOST_LARGE_OF_ALL = 4, 8
"""Large bodies that one process works on at once, of one account and of all: each takes several times its size."""
WAIT_SECONDS = 0.5
"""So long a request waits for a place to read in; a body that is there already is read in microseconds."""
SECONDS = 30.0
GRACE, LEAST_RATE = 5.0, 10_000
"""After so many seconds a body must have come with so many bytes a second."""


class Stream(Protocol):
    """What a server gives to read a body from."""

    def read(self, size: int, /) -> bytes: ...


class Unreadable:
    """In place of a stream whose reading has failed: it fails again in the same way."""

    def __init__(self, error: DomainError) -> None:
        self._error = error

    def read(self, _: int, /) -> bytes:
        raise self._error


class Uploads:
    """The bodies that one process is reading."""

    def __init__(self) -> None:
        self._free = threading.Condition()
        self._large: Counter[str] = Counter()
        self._reading: Counter[str] = Counter()
        self._most, self._most_of_all = 16, 24

    def suit(self, threads: int) -> None:
        """Share out so many threads."""
        self._most, self._most_of_all = max(1, threads // 2), max(1, threads * 3 // 4)

    def begin_large(self, account: str) -> Callable[[], None]:
        """Count a large body from here until the answer is called. Raises Unavailable when enough are in work."""
        with self._free:
            if self._large[account] >= MOST_LARGE or self._large.total() >= MOST_LARGE_OF_ALL:
                raise _overloaded("Too many large requests at once: send it again.")
            self._large[account] += 1

        def end() -> None:
            with self._free:
                self._large[account] -= 1
                if not self._large[account]:
                    del self._large[account]

        return end

    def read(
        self,
        stream: Stream,
        length: int | None,
        most: int,
        account: str = "",
        grown: Callable[[], None] | None = None,
    ) -> bytes | bytearray:
        """A body of `length` bytes, or with None up to the end of the stream; then `grown` is called once it is large.

        What `grown` raises is raised at the end of the body: one that is longer than allowed is refused for that,
        however many others are in work. Raises TooLarge, InvalidRequest (it ended early), RequestTimeout, Unavailable.
        """
        with self._place(account):
            if length is not None and length <= LARGE:
                whole: bytes | bytearray = stream.read(length)
            else:
                whole = _in_pieces(stream, length, most, grown)
        if length is not None and len(whole) < length:
            raise InvalidRequest("The body ended before its Content-Length.", code="invalid_json")
        return whole

    @contextmanager
    def _place(self, account: str) -> Iterator[None]:
        with self._free:
            if not self._free.wait_for(lambda: self._has_place(account), WAIT_SECONDS):
                raise _overloaded("Too many requests whose body does not come: send it again.")
            self._reading[account] += 1
        try:
            yield
        finally:
            with self._free:
                self._reading[account] -= 1
                if not self._reading[account]:
                    del self._reading[account]
                self._free.notify()

    def _has_place(self, account: str) -> bool:
        return self._reading[account] < self._most and self._reading.total() < self._most_of_all


def _in_pieces(stream: Stream, length: int | None, most: int, grown: Callable[[], None] | None) -> bytearray:
    whole, seen, refused = bytearray(), 0, None
    began = time.monotonic()
    while room := (most + 1 if length is None else length) - seen:
        piece = stream.read(min(PIECE, room))
        if not piece:
            break
        seen += len(piece)
        if refused is None:
            whole += piece
        if grown is not None and seen > LARGE:
            refused, grown = _said_by(grown), None
            if refused is not None:
                whole = bytearray()
        spent = time.monotonic() - began
        if spent > SECONDS or spent > max(GRACE, seen / LEAST_RATE):
            raise RequestTimeout(f"Only {seen} bytes of the body came within {spent:.0f} s.")
    if seen > most:
        raise too_large(most)
    if refused is not None:
        raise refused
    return whole


def _said_by(grown: Callable[[], None]) -> DomainError | None:
    try:
        grown()
    except DomainError as error:
        return error
    return None


def _overloaded(text: str) -> Unavailable:
    return Unavailable(text, code="overloaded", retry_after=1)


def too_large(most: int) -> TooLarge:
    """The refusal of a body that is longer than allowed."""
    return TooLarge(f"The body is over {most} bytes: host large files elsewhere and send a signed link.")


UPLOADS = Uploads()
"""Those of this process."""
