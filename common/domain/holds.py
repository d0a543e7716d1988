"""What a hold keeps back, in words: kinds, stages, and the names of queues. Pure.

Never here: SQL (services/holding.py asks the same questions of rows).
"""

from dataclasses import dataclass
from uuid import UUID

from common.domain.tiers import NUMBERS, TIERS

KINDS = ("hold", "pause", "drain")
"""`hold`: what matches. `pause`: all of one queue. `drain`: what comes to one queue from now on."""
STAGES = ("routing", "delivery")
LONGEST_DAYS = 30
DEFAULT_HOURS = 24
"""A hold without an end would be forgotten; every hold has one."""


@dataclass(frozen=True, slots=True)
class Match:
    """Which messages; what is None matches all. An empty match is every message."""

    tier: int | None = None
    recipient_domain: str | None = None
    tag: str | None = None
    template: str | None = None
    key_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class QueueName:
    """One queue: a stage and a tier."""

    stage: str
    tier: int

    @property
    def text(self) -> str:
        return f"{self.stage}.{TIERS[self.tier]}"


QUEUES = tuple(QueueName(stage, tier) for stage in STAGES for tier in range(len(TIERS)))


def read_queue(text: str) -> QueueName | None:
    """`delivery.bulk` as a queue; None when there is no such queue."""
    stage, _, tier = text.partition(".")
    return QueueName(stage, NUMBERS[tier]) if stage in STAGES and tier in NUMBERS else None
