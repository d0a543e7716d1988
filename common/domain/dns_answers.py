"""What DNS said to one question: a value that the checks judge.

Never here: asking (workers/scheduler/authorities.py).
"""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Answer:
    """`values` are at every server that answered, `partial` only at some, which `lacking` ones are without.

    TXT values are joined strings, host names are lower case without the last dot. Nothing in `values` and
    `partial` means that the name or the record does not exist, unless `unclear` says that nobody answered.
    """

    values: tuple[str, ...] = ()
    partial: tuple[str, ...] = ()
    lacking: tuple[str, ...] = ()
    unclear: str = ""
    via: str = "authoritative"

    @property
    def seen(self) -> tuple[str, ...]:
        return self.values + self.partial


Ask = Callable[[str, str], Answer]
"""A name and a record type to an answer."""
