"""What a machine asks of its driver. A machine yields acts and is sent what came of each.

Never here: sockets. A test plays the driver with two lists.
"""

from collections.abc import Generator
from dataclasses import dataclass
from typing import TypeVar

from workers.delivery.wire import Reply

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Say:
    """Write all of it within `seconds`. Sent back: None, or Lost thrown in with what the system took."""

    data: bytes | memoryview
    seconds: float


@dataclass(frozen=True, slots=True)
class Hear:
    """The next whole reply within `seconds`. `last` is a final dot's answer: the session's end does not cut it."""

    seconds: float
    last: bool = False


@dataclass(frozen=True, slots=True)
class Encrypt:
    """Go over to TLS as the target demands. Sent back: None; the session then knows what was agreed."""


Act = Say | Hear | Encrypt
Machine = Generator[Act, Reply | None, Result]


class Lost(Exception):
    """The connection ended or made no sense. `sent` is how many bytes of a failed Say the system took;
    under TLS nobody knows, and it is None."""

    def __init__(self, text: str, sent: int | None = 0) -> None:
        super().__init__(text)
        self.sent = sent
