"""States of a sender domain and when DNS is asked again: one table each.

pending → verified → degraded (72 h of grace, still sending) → failed; a proof found again verifies at once.
Never here: rows, clocks.
"""

from datetime import timedelta

PENDING, VERIFIED, DEGRADED, FAILED = STATES = ("pending", "verified", "degraded", "failed")
SENDING = (VERIFIED, DEGRADED)

GRACE = timedelta(hours=72)
PATIENCE = timedelta(days=30)

_EVENTS = {VERIFIED: "domain.verified", DEGRADED: "domain.degraded", FAILED: "domain.failed"}


def next_state(state: str, proved: bool | None, since: timedelta) -> str:
    """The state after a check. `proved` is None when DNS said nothing clear, which changes nothing;
    `since` is how long the state has lasted."""
    if proved is None:
        return state
    if proved:
        return VERIFIED
    if state == VERIFIED:
        return DEGRADED
    limits = {DEGRADED: GRACE, PENDING: PATIENCE}
    return FAILED if state in limits and since >= limits[state] else state


def event_of(before: str, after: str) -> str | None:
    """The event that a change raises, if any."""
    return _EVENTS.get(after) if before != after else None


def next_check(state: str, count: int, *, waiting: bool = False) -> timedelta:
    """Until the next check. `count` checks were made since somebody last asked; `waiting`: keys wait to be seen."""
    if state == PENDING or waiting:
        if count < 30:
            return timedelta(minutes=1)
        return timedelta(minutes=10) if count < 30 + 24 * 6 else timedelta(days=1)
    return timedelta(hours=1) if state == DEGRADED else timedelta(days=1)
