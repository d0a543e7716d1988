"""The one clock. Every wall-clock reading and every compressed wait comes from here.

Never here: decisions about when something is due (domain/retry.py) or sleeping.
"""

import time
from datetime import UTC, datetime, timedelta


def now() -> datetime:
    """The current time, timezone-aware, in UTC."""
    return datetime.now(UTC)


def monotonic() -> float:
    """Seconds on a clock that never steps; for deadlines inside one process."""
    return time.monotonic()


def compress(seconds: float, time_scale: float) -> timedelta:
    """A wait of `seconds` divided by `SENDARIX_TIME_SCALE`, so that tests and demos run in minutes."""
    return timedelta(seconds=seconds / time_scale)


def rfc3339(moment: datetime) -> str:
    """RFC 3339 in UTC with `Z` and exactly three decimals."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
