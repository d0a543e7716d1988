"""What can be watched, and when an alert opens and closes: at a line, after a while, with room between the two. Pure.

Never here: where a value comes from (services/alert_values.py), or telling anybody.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class Kind:
    """`threshold` and `minimum` stand where none is given; `narrowed_by` are the fields that may narrow it."""

    name: str
    sentence: str
    threshold: float
    minimum: int
    narrowed_by: tuple[str, ...]


_MAIL = ("key_id", "template", "tag", "sending_domain", "priority", "per")

KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind("volume_spike", "mail accepted in the window, in multiples of what is usual", 3.0, 50, _MAIL),
        Kind("bounce_rate", "the share of mail that bounces", 0.05, 20, _MAIL),
        Kind("complaint_rate", "the share of delivered mail that is complained about", 0.001, 100, _MAIL),
        Kind("bounces", "how many messages bounced", 1.0, 1, _MAIL),
        Kind("queue_age", "seconds that the oldest message has been due", 60.0, 1, ("priority",)),
        Kind("objective_burn", "how much of its error budget a tier has used in an hour", 1.0, 1, ("priority",)),
        Kind(
            "domain_degraded", "1 for a sending domain whose records are no longer right", 1.0, 1, ("sending_domain",)
        ),
        Kind("webhook_failing", "seconds that a webhook has failed without a success", 3600.0, 1, ()),
    )
}
COUNTED = ("volume_spike", "bounce_rate", "complaint_rate", "bounces")
NARROWING = _MAIL
PER = ("key", "template", "sending_domain")
"""What a rule can be looked at for one by one; an alert opens and closes for each apart."""

CLEAR_SHARE, WINDOW_HOURS, BASELINE_HOURS = 0.8, 1, 24


@dataclass(frozen=True, slots=True)
class Line:
    """It opens at `threshold` or above for `open_seconds`, and closes below `clear_share` of it for `clear_seconds`."""

    threshold: float
    clear_share: float
    open_seconds: float
    clear_seconds: float


@dataclass(frozen=True, slots=True)
class Sight:
    """One incident. `state` is pending, open or closed; `calm_since` is when it fell below the line to close at."""

    state: str
    value: float
    peak: float
    since: datetime
    opened_at: datetime | None = None
    calm_since: datetime | None = None
    closed_at: datetime | None = None


def step(line: Line, before: Sight | None, value: float, now: datetime) -> Sight | None:
    """What follows from a new value; None when there is nothing to remember."""
    above = value >= line.threshold
    if before is None:
        return _settled(line, Sight("pending", value, value, now), now) if above else None
    seen = replace(before, value=value, peak=max(before.peak, value))
    if seen.state == "pending":
        return _settled(line, seen, now) if above else None
    if value >= line.threshold * line.clear_share:
        return replace(seen, calm_since=None)
    calm_since = seen.calm_since or now
    if now - calm_since >= timedelta(seconds=line.clear_seconds):
        return replace(seen, state="closed", calm_since=calm_since, closed_at=now)
    return replace(seen, calm_since=calm_since)


def _settled(line: Line, seen: Sight, now: datetime) -> Sight:
    lasted = now - seen.since >= timedelta(seconds=line.open_seconds)
    return replace(seen, state="open", opened_at=now) if lasted else seen


def recent_share(hours: int, at: datetime) -> float:
    """Of the hour at the far end of a window, the share that is still inside. The current hour is the first."""
    return 1.0 - (at.minute * 60 + at.second) / 3600 if hours else 0.0


def value_of(kind: str, counts: Mapping[str, float], minimum: int, window: float, baseline: float) -> float:
    """The value of a counted kind. `counts` has sums of the window by metric, and `usual`, of the hours before it.

    Below `minimum` messages nothing is said: 0. A spike over nothing counts from one message in the whole time before.
    """
    accepted = counts.get("accepted", 0.0)
    bounced = counts.get("hard_bounced", 0.0) + counts.get("soft_bounced", 0.0)
    delivered = counts.get("delivered", 0.0)
    if kind == "bounces":
        return bounced if bounced >= minimum else 0.0
    if kind == "volume_spike":
        usual = max(counts.get("usual", 0.0), 1.0) * window / baseline
        return accepted / usual if accepted >= minimum else 0.0
    part, whole = (
        (bounced, delivered + bounced) if kind == "bounce_rate" else (counts.get("complained", 0.0), delivered)
    )
    return min(1.0, part / whole) if whole >= max(1, minimum) else 0.0


@dataclass(frozen=True, slots=True)
class Told:
    """A mail about an incident: subject in one line, and text."""

    subject: str
    text: str


def write(name: str, kind: str, subject: str, state: str, value: float, threshold: float, alert_id: str) -> Told:
    """What a person is told when an alert opens or closes."""
    about = f" ({subject})" if subject else ""
    verb = "is over its line" if state == "open" else "is calm again"
    text = f"""The alert "{name}"{about} {verb}.

Watched: {KINDS[kind].sentence}
Value: {value:g}
Line: {threshold:g}

What happened: GET /v1/alerts/{alert_id}/incidents
"""
    return Told(f"Alert {'opened' if state == 'open' else 'closed'}: {name}{about}", text)
