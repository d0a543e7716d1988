"""How an endpoint is doing, and what that allows: its breaker, its pace, and when it is given up. Pure.

closed -> open after 10 attempts in five minutes of which 70 % failed; open for 30 s, then doubling up to 15 minutes;
half open: one probe at a time; closed after three that succeed.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

WINDOW = timedelta(minutes=5)
LEAST_ATTEMPTS, FAILED_SHARE = 10, 0.7
FIRST_OPEN_SECONDS, LONGEST_OPEN_SECONDS = 30.0, 900.0
PROBES = 3
WARN_HOURS, GIVE_UP_HOURS = 24, 120
GIVE_UP_EVENTS, GIVE_UP_OPENS = 10, 10
SLOW_MS = 5000
"""An endpoint that takes longer than this moves to the slow line."""

GONE = 410
HASTY = frozenset({429, 502, 503, 504})
"""Statuses that ask for less: the endpoint's requests at the same time are halved."""

UNKNOWN_ROWS, MOST_ROWS, LANE_MS = 10, 100, 2000
"""A lane posts one delivery after another: as many as take about two seconds."""


@dataclass(frozen=True, slots=True)
class Health:
    """The columns of webhook_health that attempts change."""

    breaker: str = "closed"
    open_until: datetime | None = None
    opens: int = 0
    probes: int = 0
    window_started_at: datetime | None = None
    window_attempts: int = 0
    window_failures: int = 0
    failing_since: datetime | None = None
    failed_events: int = 0
    warned_at: datetime | None = None
    last_success_at: datetime | None = None
    last_failure_at: datetime | None = None
    last_error: str | None = None
    typical_ms: int | None = None
    allowance: int | None = None


@dataclass(frozen=True, slots=True)
class Tried:
    """One attempt. `first`: of its event; `error` is a word or None; `total_ms` is how long it took."""

    ok: bool
    first: bool
    status: int | None
    error: str | None
    total_ms: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """What follows beside the new health: a recovery to tell, a warning, and a reason to switch the endpoint off."""

    recovered: bool = False
    warn: bool = False
    disable: str | None = None


def observe(
    health: Health, tried: Iterable[Tried], now: datetime, *, max_in_flight: int, time_scale: float = 1.0
) -> tuple[Health, Verdict]:
    """Health after attempts, in their order. `time_scale` divides every wait."""
    recovered, gone, tried = False, False, list(tried)
    if health.breaker == "closed" and health.allowance is None and tried and all(each.ok for each in tried):
        return _all_well(health, tried, now), Verdict()
    for each in tried:
        before = health.breaker
        health = replace(health, typical_ms=_typical(health.typical_ms, each.total_ms))
        if each.ok:
            health = _succeeded(health, now, max_in_flight)
            recovered = recovered or (before != "closed" and health.breaker == "closed")
        else:
            health = _failed(health, each, now, max_in_flight, time_scale)
            gone = gone or each.status == GONE
    failing = now - health.failing_since if health.failing_since else timedelta(0)
    warn = failing >= timedelta(hours=WARN_HOURS / time_scale) and health.warned_at is None
    if warn:
        health = replace(health, warned_at=now)
    return health, Verdict(recovered, warn, "gone" if gone else _given_up(health, failing, time_scale))


def _all_well(health: Health, tried: Sequence[Tried], now: datetime) -> Health:
    """The same as one after the other, for a healthy endpoint, in one step."""
    typical = health.typical_ms
    for each in tried:
        typical = _typical(typical, each.total_ms)
    health = _succeeded(health, now, 0)
    return replace(health, typical_ms=typical, window_attempts=health.window_attempts + len(tried) - 1)


def _typical(known: int | None, took: float) -> int:
    return round(took if known is None else (known * 7 + took) / 8)


def _succeeded(health: Health, now: datetime, max_in_flight: int) -> Health:
    health = replace(_counted(health, now, 0), last_success_at=now, failing_since=None, failed_events=0, warned_at=None)
    if health.allowance is not None:
        more = health.allowance + 1
        health = replace(health, allowance=None if more >= max_in_flight else more)
    if health.breaker == "half_open":
        health = replace(health, probes=health.probes + 1)
        if health.probes >= PROBES:
            health = replace(
                health, breaker="closed", open_until=None, opens=0, probes=0,
                window_started_at=now, window_attempts=0, window_failures=0,
            )  # fmt: skip
    return health


def _failed(health: Health, tried: Tried, now: datetime, max_in_flight: int, time_scale: float) -> Health:
    health = replace(
        _counted(health, now, 1),
        last_failure_at=now,
        last_error=tried.error if tried.status is None else f"http {tried.status}",
        failing_since=health.failing_since or now,
        failed_events=health.failed_events + tried.first,
    )
    if tried.status in HASTY:
        health = replace(health, allowance=max(1, (health.allowance or max_in_flight) // 2))
    tripped = (
        health.window_attempts >= LEAST_ATTEMPTS and health.window_failures >= health.window_attempts * FAILED_SHARE
    )
    if health.breaker == "half_open" or (health.breaker == "closed" and tripped):
        seconds = min(FIRST_OPEN_SECONDS * 2.0**health.opens, LONGEST_OPEN_SECONDS) / time_scale
        health = replace(
            health, breaker="open", open_until=now + timedelta(seconds=seconds),
            opens=min(health.opens + 1, 1000), probes=0,
        )  # fmt: skip
    return health


def _counted(health: Health, now: datetime, failures: int) -> Health:
    if health.window_started_at is None or now - health.window_started_at >= WINDOW:
        return replace(health, window_started_at=now, window_attempts=1, window_failures=failures)
    return replace(
        health, window_attempts=health.window_attempts + 1, window_failures=health.window_failures + failures
    )


def _given_up(health: Health, failing: timedelta, time_scale: float) -> str | None:
    if failing >= timedelta(hours=GIVE_UP_HOURS / time_scale) and health.failed_events >= GIVE_UP_EVENTS:
        return "failing"
    if health.opens >= GIVE_UP_OPENS and failing >= timedelta(hours=WARN_HOURS / time_scale):
        return "breaker"
    return None


@dataclass(frozen=True, slots=True)
class Room:
    """What a lane may take now: `rows` deliveries, if fewer than `lanes` work for the endpoint already."""

    rows: int
    lanes: int
    breaker: str
    next_slot_at: datetime | None = None


def room(
    health: Health,
    now: datetime,
    *,
    max_in_flight: int,
    requests_per_second: float | None = None,
    next_slot_at: datetime | None = None,
) -> Room:
    """The room an endpoint has. An open breaker whose time has come lets one probe through and is half open."""
    if health.breaker == "open" and health.open_until is not None and health.open_until > now:
        return Room(0, 0, "open", next_slot_at)
    if health.breaker != "closed":
        return Room(1, 1, "half_open", next_slot_at)
    lanes = min(max_in_flight, health.allowance or max_in_flight)
    rows = UNKNOWN_ROWS if health.typical_ms is None else int(LANE_MS / max(health.typical_ms, 1))
    rows = max(1, min(rows, MOST_ROWS))
    if requests_per_second is None:
        return Room(rows, lanes, "closed", next_slot_at)
    burst = timedelta(seconds=max(1.0, 1.0 / requests_per_second))
    start = max(next_slot_at or now - burst, now - burst)
    rows = max(0, min(rows, int((now - start).total_seconds() * requests_per_second + 1e-6)))
    return Room(rows, lanes, "closed", start + timedelta(seconds=rows / requests_per_second))
