"""Attempt number to delay, and when to give up. The schedule, its presets, fitting into a ttl, hints of servers.

Never here: clocks, or what a reply says (retry_hints.py reads it).
"""

from functools import lru_cache
from math import sqrt

STANDARD = (30.0, 300.0, 1800.0, 7200.0, 18000.0)
"""Seconds from the end of attempt n to attempt n+1: 30 s, 5 min, 30 min, 2 h, 5 h."""

PRESETS: dict[str, tuple[float, ...]] = {
    "otp": (5.0, 15.0, 30.0, 60.0, 120.0),
    "standard": STANDARD,
    "patient": (*STANDARD, 43_200.0, 86_400.0, 86_400.0),
}

MAX_ATTEMPTS = 6
MAX_UNKNOWN = 3
MAX_CRASHES = 5
UNKNOWN_DELAY = 30.0
GREYLIST_SECONDS = 60.0
"""No second try sooner after greylisting: five of them outlast the usual 300 s."""

REROUTE_SECONDS = 5.0
_RESERVE = 0.9
"""This share of the life left goes into waits; the rest is for the attempts themselves."""


CUSTOM = "custom:"
"""How the name of a schedule begins that is no preset: `custom:30,300`."""


@lru_cache(maxsize=1024)
def steps_of(preset: str) -> tuple[float, ...]:
    """The waits of a preset, or of a schedule of its own."""
    if preset.startswith(CUSTOM):
        return tuple(float(each) for each in preset[len(CUSTOM) :].split(","))
    return PRESETS[preset]


def attempts_of(preset: str = "standard") -> int:
    """How many attempts a preset makes in all."""
    return len(steps_of(preset)) + 1


def delay_after(
    attempt: int,
    seconds_left: float | None = None,
    *,
    preset: str = "standard",
    hint: float | None = None,
    greylisted: bool = False,
) -> float | None:
    """Seconds to wait after temporary failure number `attempt` (1-based); None means give up.

    With `seconds_left` (life until expires_at) the plan shrinks so that the attempts fit inside it
    and never grows beyond the preset. `hint` is what the server asked for: it replaces the step, unless
    the message would not live to see it.
    """
    steps = steps_of(preset)
    if attempt > len(steps):
        return None
    step = steps[attempt - 1]
    if seconds_left is not None and sum(steps[attempt - 1 :]) >= seconds_left:
        weights = [sqrt(each) for each in steps[attempt - 1 :]]
        step = max(1.0, min(step, weights[0] / sum(weights) * seconds_left * _RESERVE))
    wanted = hint if hint is not None else max(step, GREYLIST_SECONDS) if greylisted else step
    return wanted if seconds_left is None or wanted < seconds_left * _RESERVE else step


def with_jitter(delay: float, chance: float) -> float:
    """`delay` and up to a tenth more, at most 60 s; never early, as greylisting demands. `chance` is 0 to 1."""
    return delay + min(0.1 * delay, 60.0) * chance
