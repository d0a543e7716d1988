"""How a path has done lately: discounted counts of what it is answerable for, a mean that leans on the source's, and
a circuit that opens after failures. Pure.

Only what speaks of the path counts: an address that does not exist is the recipient's affair. Never here: rows.
"""

import random
from collections.abc import Iterable
from dataclasses import dataclass
from math import exp
from typing import Literal

from common.domain.categories import CATEGORIES
from common.domain.outcomes import Outcome
from common.domain.pacing import OURS

TAU, BLOCK_TAU = 900.0, 6 * 3600.0
"""Seconds after which a mark counts for 1/e: of a throttle or a lost connection, and of a reputation block."""

PRIOR = 20.0
"""So many outcomes of the source as a whole stand behind a place that nothing is known of."""

BIRTH = 0.98
"""What is expected of a source that nothing is known of."""

OPEN_AFTER, SOURCE_OPEN_AFTER = 5, 10
"""Failures without a success between them: of a path, and of a source over all its places."""

FIRST_REST, LONGEST_REST = 60.0, 3600.0
PROBES = 0.1
"""After its rest a circuit lets this share through, until one of them succeeds."""

FAST_MS, LEAST_FACTOR = 1000.0, 0.5
"""A mail that takes no longer is fast; a slow path keeps at least this of what it would have."""

FRESH = 0.05
"""What one more delivered mail weighs in the typical time of a path."""

EXPLORED = 0.02
"""This share of mail that is not critical goes by a random draw instead of the mean."""


@dataclass(frozen=True, slots=True)
class Health:
    """Counts as of `at`, and failures in a row with the time of the last; times in seconds of one clock. A mail that
    was delivered lately took about `typical_ms`."""

    good: float = 0.0
    bad: float = 0.0
    blocked: float = 0.0
    failures: int = 0
    failed_at: float = 0.0
    at: float = 0.0
    typical_ms: float | None = None

    def now(self, moment: float) -> "Health":
        """The same, as much as it still counts."""
        gone = max(0.0, moment - self.at)
        fast, slow = exp(-gone / TAU), exp(-gone / BLOCK_TAU)
        counts = (self.good * fast, self.bad * fast, self.blocked * slow)
        return Health(*counts, self.failures, self.failed_at, moment, self.typical_ms)

    @property
    def total(self) -> float:
        return self.good + self.bad + self.blocked

    @property
    def bad_share(self) -> float:
        return (self.bad + self.blocked) / self.total if self.total else 0.0


UNKNOWN = Health()


@dataclass(frozen=True, slots=True)
class Marks:
    """What a batch of outcomes says: `failures` are those since the last success; `timed` delivered mails took `ms`
    milliseconds together."""

    good: int = 0
    bad: int = 0
    blocked: int = 0
    failures: int = 0
    timed: int = 0
    ms: int = 0


def marks_of(outcomes: Iterable[Outcome]) -> Marks:
    """The marks of outcomes in order."""
    good = bad = blocked = failures = timed = ms = 0
    for outcome in outcomes:
        if outcome.kind == "delivered" and outcome.duration_ms:
            timed, ms = timed + 1, ms + outcome.duration_ms
        mark = _mark(outcome)
        good, bad, blocked = good + (mark == "good"), bad + (mark == "bad"), blocked + (mark == "blocked")
        failures = 0 if mark == "good" else failures + (mark is not None)
    return Marks(good, bad, blocked, failures, timed, ms)


def _mark(outcome: Outcome) -> Literal["good", "bad", "blocked"] | None:
    if outcome.kind in ("untried", "unknown") or outcome.stage in OURS:
        return None
    if outcome.kind == "delivered":
        return "good"
    if outcome.category == "reputation":
        return "blocked"
    path = CATEGORIES[outcome.category].path
    return "good" if path > 0 else "bad" if path < 0 else None


def beta_of(place: Health, source: Health) -> tuple[float, float]:
    """The two parameters of what is believed of a path: its own outcomes on top of those of its source."""
    mean = (PRIOR * BIRTH + source.good) / (PRIOR + source.total)
    return PRIOR * mean + place.good, PRIOR * (1 - mean) + place.bad + place.blocked


def is_open(health: Health, moment: float, draw: float, *, after: int = OPEN_AFTER) -> bool:
    """Whether the circuit keeps a message away: it has failed more often than not, and rests.

    `draw` from 0 to 1 decides which messages probe it once it has rested.
    """
    if health.failures < after or health.total < OPEN_AFTER or health.bad_share <= 0.5:
        return False
    rest = min(LONGEST_REST, FIRST_REST * 2.0 ** min(health.failures - after, 20))
    return moment < health.failed_at + rest or draw >= PROBES


def latency_factor(typical_ms: float | None) -> float:
    """What a path's share of successes is multiplied by: 1 for a fast one. The choice takes the fourth power
    (pools.py), so that four times as slow means a quarter of the mail."""
    if typical_ms is None or typical_ms <= FAST_MS:
        return 1.0
    return max(LEAST_FACTOR, float((FAST_MS / typical_ms) ** 0.25))


def drawn(alpha: float, beta: float, draws: random.Random, *, critical: bool) -> float:
    """What is taken for the share of successes: the mean, and now and then a draw, never for critical mail."""
    explores = draws.random() < EXPLORED
    found = draws.betavariate(alpha, beta) if explores else alpha / (alpha + beta)
    return alpha / (alpha + beta) if critical else found
