"""Ids: UUIDv7 inside, a prefix and 26 base32 characters outside (TypeID 0.3.0 layout)."""

import os
import time
from collections import deque
from collections.abc import Iterable
from itertools import islice
from uuid import UUID

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_PAIRS = [a + b for a in _ALPHABET for b in _ALPHABET]
_VALUES = {character: value for value, character in enumerate(_ALPHABET)}
_RANDOM_BITS = (1 << 62) - 1


# Drawn in blocks: each call to the system's generator lets go of the interpreter lock, and a busy
# process would wait for it again at every id. Never shared with a forked child.
_noise: deque[bytes] = deque()
os.register_at_fork(after_in_child=_noise.clear)


def _draw() -> int:
    while True:
        try:
            return int.from_bytes(_noise.pop(), "big") & _RANDOM_BITS
        except IndexError:
            block = os.urandom(8 * 256)
            _noise.extend(block[at : at + 8] for at in range(0, len(block), 8))


def new_id() -> UUID:
    """A UUIDv7 (RFC 9562): 48 bits of Unix milliseconds, 12 bits below them, 62 random bits."""
    nanoseconds = time.time_ns()
    milliseconds, rest = divmod(nanoseconds, 1_000_000)
    below = (rest << 12) // 1_000_000
    return UUID(int=(milliseconds << 80) | (7 << 76) | (below << 64) | (2 << 62) | _draw())


def encode(prefix: str, value: UUID) -> str:
    """`msg` and a UUID make `msg_` and 26 characters."""
    number = value.int
    pairs = _PAIRS
    text = "".join([pairs[(number >> shift) & 1023] for shift in range(120, -1, -10)])
    return f"{prefix}_{text}"


def encode_some(prefix: str, values: Iterable[UUID]) -> list[str]:
    """The first twenty as callers know them, for a log line that is about many."""
    return [encode(prefix, value) for value in islice(values, 20)]


def decode(prefix: str, text: str) -> UUID | None:
    """The UUID of an id, or None when the text is not an id with this prefix."""
    head, _, body = text.partition("_")
    if head != prefix or len(body) != 26 or body[0] > "7":
        return None
    number = 0
    for character in body:
        value = _VALUES.get(character)
        if value is None:
            return None
        number = (number << 5) | value
    return UUID(int=number)
