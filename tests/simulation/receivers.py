"""Twenty mailbox providers as a sender meets them: limits, greylisting, an outage, a blocked address.

Never here: what we make of their answers. Times are seconds since the simulated midnight.
"""

import random
from dataclasses import dataclass, field

from common.domain.outcomes import Outcome
from common.domain.providers import PROVIDERS

HOUR = 3600.0


@dataclass(slots=True)
class Receiver:
    """One provider. `connections` and `per_second` are what it bears from one address before it says 421 and 4.7.0;
    `away` an outage, `blocks` which source it refuses for its reputation, and when. `new_per_hour` is what it takes
    from an address that it has not known for long."""

    name: str
    share: float
    connections: int
    per_second: float
    seconds: float
    greylists: float = 0.0
    away: tuple[float, float] | None = None
    blocks: tuple[str, float, float] | None = None
    new_per_hour: float = 400.0
    open: dict[str, int] = field(default_factory=dict)
    bucket: dict[str, float] = field(default_factory=dict)
    hours: dict[tuple[str, int], int] = field(default_factory=dict)
    known: set[tuple[str, int]] = field(default_factory=set)

    def refuses_connection(self, source: str, now: float) -> Outcome | None:
        """Its answer to one more connection; None when it says 220."""
        if self.away and self.away[0] <= now < self.away[1]:
            return _refusal("connect", None, "connection timed out", "connection")
        if self.open.get(source, 0) >= self.connections:
            return _refusal("banner", 421, "4.7.0 too many connections from your address", "throttled")
        return None

    def answer(self, source: str, message: int, now: float, *, is_new: bool, chance: float) -> Outcome:
        """Its answer to one mail."""
        if self.away and self.away[0] <= now < self.away[1]:
            return _refusal("mail", None, "connection lost", "connection")
        if self.blocks and self.blocks[0] == source and self.blocks[1] <= now < self.blocks[2]:
            return _refusal("mail", 451, "4.7.1 temporarily deferred due to poor reputation", "reputation")
        if is_new and self._count(source, now) > self.new_per_hour:
            return _refusal("mail", 451, "4.7.1 too much mail from a new address", "reputation")
        due = max(self.bucket.get(source, 0.0), now)
        if due - now > 2.0:
            return _refusal("mail", 421, "4.7.28 unusual rate of mail", "throttled")
        self.bucket[source] = due + 1 / self.per_second
        if chance < self.greylists and (source, message) not in self.known:
            self.known.add((source, message))
            return _refusal("rcpt", 451, "4.7.1 greylisted, try again later", "greylisted")
        return Outcome("delivered", "dot", 250, "2.0.0", "ok", "delivered")

    def _count(self, source: str, now: float) -> int:
        key = source, int(now / HOUR)
        self.hours[key] = self.hours.get(key, 0) + 1
        return self.hours[key]


def _refusal(stage: str, code: int | None, reply: str, category: str) -> Outcome:
    return Outcome("deferred", stage, code, None, reply, category)


def receivers(seed: int) -> list[Receiver]:
    """One for each provider of our table, with habits drawn from the seed; the large ones have the troubles."""
    draws = random.Random(seed)
    found = []
    for rank, provider in enumerate(PROVIDERS):
        found.append(
            Receiver(
                provider.name,
                share=1 / (rank + 1.5),
                connections=max(2, round(provider.connections * draws.uniform(0.5, 1.2))),
                per_second=draws.choice((8.0, 15.0, 30.0, 60.0)) / (1 + rank / 12),
                seconds=draws.uniform(0.05, 0.3),
                greylists=draws.choice((0.0, 0.0, 0.0, 0.1)),
            )
        )
    found[0].blocks = ("south", 9 * HOUR, 13 * HOUR)
    found[2].blocks = ("north", 10 * HOUR, 12 * HOUR)
    found[1].away = (10 * HOUR, 10.75 * HOUR)
    found[3].away = (8.5 * HOUR, 9 * HOUR)
    found[5].blocks = ("south", 7 * HOUR, 15 * HOUR)
    return found
