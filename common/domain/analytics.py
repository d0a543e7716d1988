"""What mail is counted by, what is counted, and what follows from counts. Pure.

Never here: SQL (services/folding.py counts, services/analytics.py reads).
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

DIMENSIONS = (
    "tier",
    "channel",
    "key",
    "template",
    "tag",
    "sending_domain",
    "source",
    "provider",
    "recipient_domain",
)
"""`recipient_domain` is counted apart from the others and never combined with them."""

METRICS = (
    "accepted",
    "routed",
    "delivered",
    "deferred",
    "bounced",
    "hard_bounced",
    "soft_bounced",
    "late_bounced",
    "complained",
    "unsubscribed",
    "suppressed",
    "cancelled",
    "expired",
    "failed",
)
"""As shown. `bounced` is hard and soft ones; `late_bounced` are those of them that had been delivered before."""

COUNTED = tuple(name for name in METRICS if name != "bounced")
"""As stored, beside `delivered_in`, whose detail is a step of BOUNDS."""

REASONED = ("deferred", "hard_bounced", "soft_bounced", "suppressed", "failed")
"""Metrics whose detail says why."""

BOUNDS = (
    0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1200.0, 1800.0, 3600.0, 7200.0,
    14400.0, 28800.0, 57600.0, 86400.0, 172800.0,
)  # fmt: skip
"""Seconds from acceptance (or the time it was scheduled for) to delivery: step k is below BOUNDS[k], the last above."""

INTERVALS = ("hour", "day", "month", "total")
MOST_BUCKETS = 800

Counts = dict[str, int]


def floored(moment: datetime, interval: str) -> datetime:
    """The beginning of the hour, day or month (UTC) that a moment is in."""
    moment = moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    if interval in ("day", "month"):
        moment = moment.replace(hour=0)
    return moment.replace(day=1) if interval == "month" else moment


def after(bucket: datetime, interval: str) -> datetime:
    """The beginning of the next hour, day or month."""
    if interval == "month":
        return (bucket + timedelta(days=32)).replace(day=1)
    return bucket + (timedelta(hours=1) if interval == "hour" else timedelta(days=1))


def buckets(start: datetime, end: datetime, interval: str) -> list[datetime]:
    """The beginnings of all intervals from `start` (one itself) to `end`; of `total`, `start` alone."""
    if interval == "total":
        return [start]
    found: list[datetime] = []
    while start < end and len(found) <= MOST_BUCKETS:
        found.append(start)
        start = after(start, interval)
    return found


def metrics_of(counts: Mapping[tuple[str, str], int]) -> dict[str, Any]:
    """The metrics, rates and reasons of stored counts by (metric, detail). Rates are null where nothing happened."""
    sums: Counts = dict.fromkeys(METRICS, 0)
    reasons: dict[str, Counts] = {"deferred": {}, "bounced": {}, "suppressed": {}, "failed": {}}
    for (metric, detail), n in counts.items():
        if metric not in COUNTED:
            continue
        sums[metric] += n
        shown = "bounced" if metric in ("hard_bounced", "soft_bounced") else metric
        if metric in REASONED and n:
            group = reasons[shown]
            group[detail or "undetermined"] = group.get(detail or "undetermined", 0) + n
    sums["bounced"] = sums["hard_bounced"] + sums["soft_bounced"]
    tried = sums["delivered"] + sums["bounced"] - sums["late_bounced"]
    rates = {
        "delivery_rate": _rate(sums["delivered"] - sums["late_bounced"], tried),
        "bounce_rate": _rate(sums["bounced"], tried),
        "complaint_rate": _rate(sums["complained"], sums["delivered"]),
    }
    ordered = {
        name: dict(sorted(group.items(), key=lambda each: (-each[1], each[0]))) for name, group in reasons.items()
    }
    return {**sums, **rates, "reasons": ordered}


def _rate(part: int, whole: int) -> float | None:
    return round(part / whole, 6) if whole > 0 else None


def times_of(counts: Mapping[tuple[str, str], int]) -> dict[str, Any]:
    """How long delivering took: count, percentiles in seconds (within a step in proportion), and the histogram."""
    steps = [0] * (len(BOUNDS) + 1)
    for (metric, detail), n in counts.items():
        if metric == "delivered_in":
            steps[int(detail)] += n
    histogram = [{"below_seconds": BOUNDS[at] if at < len(BOUNDS) else None, "count": n} for at, n in enumerate(steps)]
    return {
        "count": sum(steps),
        **{f"p{share}_seconds": percentile(steps, share / 100) for share in (50, 95, 99)},
        "histogram": histogram,
    }


def percentile(steps: list[int], share: float) -> float | None:
    """The value below which `share` of the counts lie; the lower bound for what lies above the last bound."""
    wanted, passed = sum(steps) * share, 0
    if not wanted:
        return None
    for at, n in enumerate(steps):
        if n and passed + n >= wanted:
            low = BOUNDS[at - 1] if at else 0.0
            high = BOUNDS[at] if at < len(BOUNDS) else low
            return round(low + (high - low) * (wanted - passed) / n, 3)
        passed += n
    return BOUNDS[-1]
