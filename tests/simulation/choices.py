"""Three ways to choose a source: ours, by the code that routes; in turns; and by fixed weights."""

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Protocol
from uuid import UUID

from common.domain.outcomes import Outcome
from common.domain.path_health import OPEN_AFTER, UNKNOWN, Health, marks_of
from common.domain.policy import Layer, Policy, Warmup, compile_policy
from common.domain.routing import Facts, Source, World, decide
from common.services.path_health import WHOLE
from common.services.standing import Standings

MIDNIGHT = datetime(2026, 3, 2, tzinfo=UTC)
ACCOUNT = UUID(int=7)
WEIGHTS = {"north": 4.0, "south": 4.0, "east": 2.0, "young": 2.0}
YOUNG = "young"
SOURCES = [Source(UUID(int=at + 1), name, "direct", ACCOUNT, False) for at, name in enumerate(WEIGHTS)]
_IDS = {source.name: source.id for source in SOURCES}
RAMP = Warmup((MIDNIGHT - timedelta(days=12)).date(), first=50, growth=1.4, target=20_000)
"""The plan of the new source, which is on its thirteenth day."""

_PLAN = {"start": RAMP.start.isoformat(), "first": RAMP.first, "growth": RAMP.growth, "target": RAMP.target}
DOCUMENT = {
    "pools": {"all": {"members": [
        {"source": name, "weight": weight} | ({"warmup": _PLAN} if name == YOUNG else {})
        for name, weight in WEIGHTS.items()
    ]}},
    "rules": [{"name": "everything", "act": "pool", "pool": "all"}],
}  # fmt: skip


class Mail(Protocol):
    """What a choice asks of a message."""

    number: int
    id: UUID
    tier: int
    place: str
    attempt: int
    avoids: str | None


class Chooser(Protocol):
    name: str

    def choose(self, mails: Sequence[Mail], now: float) -> list[str]:
        """A source for each."""

    def learn(self, source: str, place: str, outcomes: Sequence[Outcome], now: float) -> None:
        """What a batch at a place came to."""


class ByPolicy:
    """The code that routes: rules, pools, health, circuits and warm-up."""

    name = "this product"

    def __init__(self) -> None:
        self.policy: Policy = compile_policy([Layer("account", 2, DOCUMENT)])
        self.used: dict[tuple[UUID, str], int] = {}
        self._health: dict[tuple[UUID, str], Health] = {}

    def choose(self, mails: Sequence[Mail], now: float) -> list[str]:
        for mail in mails:
            for source in SOURCES:
                self.used.setdefault((source.id, mail.place), 0)
        standings = Standings(MIDNIGHT + timedelta(seconds=now), self._health, self.used)
        world, chosen = World(SOURCES, standings.look), []
        for mail in mails:
            facts = Facts(ACCOUNT, "live", f"{mail.place}.example", mail.tier, None, message_id=mail.id,
                          provider=mail.place, attempt=mail.attempt)  # fmt: skip
            able = World([source for source in SOURCES if source.name != mail.avoids], standings.look)
            decision = decide(facts, self.policy, able if mail.avoids else world)
            if decision.route is None:
                raise RuntimeError(f"no source: {decision}")
            standings.took(facts, decision, SOURCES)
            chosen.append(decision.route.source)
        for mail, source in zip(mails, chosen, strict=True):
            self.used[_IDS[source], mail.place] += 1
        return chosen

    def learn(self, source: str, place: str, outcomes: Sequence[Outcome], now: float) -> None:
        """As the statement of services/path_health.py adds them."""
        marks, moment = marks_of(outcomes), MIDNIGHT.timestamp() + now
        for where in (place, WHOLE):
            old = self._health.get((_IDS[source], where), UNKNOWN)
            forgiven = replace(old, bad=0.0) if marks.good and old.failures >= OPEN_AFTER else old
            known = forgiven.now(moment)
            raised = min(old.failures + marks.failures, max(OPEN_AFTER, old.failures + 1))
            self._health[_IDS[source], where] = Health(
                known.good + marks.good,
                known.bad + marks.bad,
                known.blocked + marks.blocked,
                marks.failures if marks.good else raised,
                moment if marks.failures else old.failed_at,
                moment,
            )


class InTurns:
    """Round robin over all sources."""

    name = "round robin"

    def __init__(self) -> None:
        self._turn = 0

    def choose(self, mails: Sequence[Mail], now: float) -> list[str]:
        names = list(WEIGHTS)
        chosen = []
        for mail in mails:
            self._turn += 1 + (names[(self._turn + 1) % len(names)] == mail.avoids)
            chosen.append(names[self._turn % len(names)])
        return chosen

    def learn(self, source: str, place: str, outcomes: Sequence[Outcome], now: float) -> None:
        """It never does."""


class ByWeights(InTurns):
    """The same weights as the pool's, whatever happens."""

    name = "fixed weights"

    def __init__(self, seed: int = 1) -> None:
        super().__init__()
        self._draws = random.Random(seed)

    def choose(self, mails: Sequence[Mail], now: float) -> list[str]:
        return [
            self._draws.choices(*zip(*((n, w) for n, w in WEIGHTS.items() if n != mail.avoids), strict=True))[0]
            for mail in mails
        ]
