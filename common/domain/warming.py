"""How much a new source may carry: a cap a day and place that grows, spread over the day. Pure."""

from datetime import UTC, datetime
from math import ceil

from common.domain.path_health import Health
from common.domain.policy import Warmup

DAY = 86_400.0
AHEAD = 1 / 24
"""So much of a day's cap may be used before its time: an hour's."""

HOLD_SHARE, BACK_SHARE = 0.05, 0.10
"""Of outcomes that are a mark against the path: from there on the cap does not grow, and goes a step back."""

LEAST_SAMPLES = 20


def cap_of(warmup: Warmup, moment: datetime, health: Health) -> int | None:
    """Messages of this day (in UTC), or None when the source is warm. 0 before its first day."""
    day = (moment.astimezone(UTC).date() - warmup.start).days
    if day < 0:
        return 0
    if health.total >= LEAST_SAMPLES:
        day -= (health.bad_share > HOLD_SHARE) + (health.bad_share > BACK_SHARE)
    cap = warmup.first * warmup.growth ** min(max(day, 0), 400)
    return None if cap >= warmup.target else int(cap + 1e-6)


def left_of(cap: int, used: int, moment: datetime) -> int:
    """How many more may go right now."""
    return max(0, min(cap, ceil(cap * (_passed(moment) + AHEAD))) - used)


def wait_for(cap: int, used: int, moment: datetime) -> float:
    """Seconds until one more may go, when `used` have gone: at the latest until the next day."""
    rest = DAY * (1 - _passed(moment))
    if used >= cap:
        return rest
    return min(rest, max(1.0, DAY * (used / cap - AHEAD - _passed(moment))))


def _passed(moment: datetime) -> float:
    now = moment.astimezone(UTC)
    return (now.hour * 3600 + now.minute * 60 + now.second) / DAY


def day_of(moment: datetime) -> int:
    """The number of a day in UTC."""
    return moment.astimezone(UTC).date().toordinal()
