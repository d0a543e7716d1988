"""Which member of a pool carries a message: shares by weight, standbys, and the same answer for the same message.

Every choice is drawn from a hash of the message's id and attempt, so that it can be made again to explain it. Pure.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from common.domain.policy import Member, Pool


@dataclass(frozen=True, slots=True)
class Candidate:
    """One member as it stood when the choice was made. `excluded` says why it could not be used; `wait` is for how
    many seconds, where that is known."""

    source: str
    pool: str
    role: str
    weight: float
    excluded: str | None = None
    health: float = 1.0
    draw: float = 1.0
    left: int | None = None
    wait: float | None = None
    latency: float = 1.0

    @property
    def score(self) -> float:
        """How well it does: what was drawn for its success, less where it is slow."""
        return self.draw * self.latency

    def shown(self) -> dict[str, Any]:
        """For people and for the record."""
        return {
            "source": self.source,
            "pool": self.pool,
            "role": self.role,
            "weight": self.weight,
            "health": round(self.health, 4),
            "draw": round(self.draw, 4),
            "latency": round(self.latency, 4),
            "warmup_left": self.left,
            "excluded": self.excluded,
        }


Look = Callable[[Pool, Member, random.Random], Candidate]


@dataclass(frozen=True, slots=True)
class Choice:
    """`source` is None when nobody can carry it; `why` says then what is in the way."""

    source: str | None
    pool: str
    why: str
    candidates: tuple[Candidate, ...]


def seeded(message_id: UUID, attempt: int) -> random.Random:
    """The same draws for the same message and attempt."""
    return random.Random(message_id.int ^ (attempt << 64))


def pick(pools: Sequence[Pool], message_id: UUID, attempt: int, look: Look, *, careful: bool = False) -> Choice:
    """The member that carries the message: of the first pool that has one, primaries before standbys.

    `careful`, for critical mail: only members that do about as well as the best.

    When only open circuits are in the way, they are tried all the same: pacing slows what goes there.
    """
    draws = seeded(message_id, attempt)
    candidates = tuple(look(pool, member, draws) for pool in pools for member in pool.members)
    chance = draws.random()
    for patient in (False, True):
        for pool in pools:
            for role in ("primary", "standby"):
                able = [each for each in candidates if each.pool == pool.name and each.role == role
                        and _usable(each, patient)]  # fmt: skip
                chosen = _drawn(_best(able) if careful else able, chance)
                if chosen is not None:
                    return Choice(chosen.source, pool.name, _told(chosen, pool, patient), candidates)
    reasons = [each.excluded for each in candidates if each.excluded]
    warming = "warmup_limit" in reasons
    return Choice(None, pools[0].name, "warmup_limit" if warming else "no_member", candidates)


def _usable(candidate: Candidate, patient: bool) -> bool:
    return candidate.weight > 0 and (candidate.excluded is None or patient and candidate.excluded == "circuit_open")


SHARPNESS = 4
"""A member that succeeds half as often gets a sixteenth of its share."""

NEARLY = 0.9


def _best(able: Sequence[Candidate]) -> list[Candidate]:
    best = max((each.score for each in able), default=0.0)
    return [each for each in able if each.score >= NEARLY * best]


def _drawn(able: Sequence[Candidate], chance: float) -> Candidate | None:
    """One of them by its share: its weight, and how well it does."""
    at = chance * sum(each.weight * each.score**SHARPNESS for each in able)
    for each in able:
        at -= each.weight * each.score**SHARPNESS
        if at < 0:
            return each
    return able[-1] if able else None


def _told(chosen: Candidate, pool: Pool, patient: bool) -> str:
    words = f"{chosen.role} of the pool {pool.name}"
    return f"{words}; every circuit is open" if patient else words
