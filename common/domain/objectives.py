"""What each tier promises: how soon a message is tried first, and for which share of them. Pure.

Never here: measuring.
"""

from dataclasses import dataclass

from common.domain.tiers import TIERS


@dataclass(frozen=True, slots=True)
class Objective:
    """`share` of the messages are tried within `seconds` of the time they were accepted for."""

    seconds: float
    share: float


DEFAULTS = {"critical": Objective(2.0, 0.99), "normal": Objective(30.0, 0.99), "bulk": Objective(900.0, 0.95)}
assert tuple(DEFAULTS) == TIERS


@dataclass(frozen=True, slots=True)
class Budget:
    """How many messages may be late and how many were. At a `burn` of 1.0 all of it is used up."""

    allowed: float
    late: int
    left: float
    burn: float


def budget(objective: Objective, count: int, late: int) -> Budget:
    """That of `count` messages, of which `late` were late. `left` is a share of it, below 0 when overdrawn."""
    allowed = count * (1 - objective.share)
    used = late / allowed if allowed else 0.0
    return Budget(round(allowed, 2), late, round(1 - used, 4), round(used, 4))
