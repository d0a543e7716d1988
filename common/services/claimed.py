"""A message that a worker has claimed. Values only; never here: SQL."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from common.domain import retry


@dataclass(frozen=True, slots=True)
class Claimed:
    """A message this worker owns until its lease ends, with everything needed to send it."""

    id: UUID
    epoch: int
    row: Any

    @property
    def attempt(self) -> int:
        return int(self.row.attempt_no) + 1

    @property
    def preset(self) -> str:
        return self.row.retry_preset or "standard"

    @property
    def most_attempts(self) -> int:
        return retry.attempts_of(self.preset)
