"""Attempt number to delay, and when to give up. The brief's schedule; presets; fitting into a ttl."""

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
_TTL_SHAPE = (0.02, 0.05, 0.15, 0.25, 0.40)
"""Shares of the life left; they stay inside it together with the attempts themselves."""


def delay_after(attempt: int, seconds_left: float | None = None) -> float | None:
    """Seconds to wait after temporary failure number `attempt` (1-based); None means give up.

    With `seconds_left` (life until expires_at) the plan shrinks so that the attempts fit inside it
    and never grows beyond the standard one.
    """
    if attempt >= MAX_ATTEMPTS:
        return None
    standard = STANDARD[attempt - 1]
    if seconds_left is None or sum(STANDARD[attempt - 1 :]) < seconds_left:
        return standard
    share = _TTL_SHAPE[attempt - 1] / sum(_TTL_SHAPE[attempt - 1 :])
    return max(1.0, min(standard, share * seconds_left * 0.9))


def with_jitter(delay: float, chance: float) -> float:
    """`delay` and up to a tenth more, at most 60 s; never early, as greylisting demands. `chance` is 0 to 1."""
    return delay + min(0.1 * delay, 60.0) * chance
