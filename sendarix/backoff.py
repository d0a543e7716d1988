"""How long a client waits before it sends a request again (docs/retries.md). Never here: waiting."""

ATTEMPTS = 5
BASE_SECONDS = 1.0
MOST_SECONDS = 60.0
MOST_JITTER_SECONDS = 1.0


def delay(attempt: int, jitter: float, retry_after: float = 0.0) -> float:
    """Seconds to wait after the attempt that was number `attempt`, counted from 0.

    `jitter` is 0 to 1 s, drawn anew each time. `retry_after`, what the server asked for, counts when it is longer.
    """
    return max(min(BASE_SECONDS * 2.0**attempt + jitter, MOST_SECONDS), retry_after)
