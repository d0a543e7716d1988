"""What a process counts of itself, in memory: plain additions under a lock, told with its heartbeat (fleet.py).

Imports nothing of ours. Never here: names of metrics (domain/metrics.py), or a round trip.
"""

import os
import threading
import time
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from typing import Any

Series = tuple[str, tuple[str, ...]]
"""A metric's name and the values of its own labels, in their order."""

BOUNDS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Upper bounds of the steps of histograms, in seconds; above the last is one more step."""

MOST_SERIES = 500
"""More than so many series of one process would be a mistake: the others are not kept."""


class Tallies:
    """Counters and histograms. A histogram keeps its steps (one more than there are bounds) and its sum last."""

    def __init__(self) -> None:
        self._counts: dict[Series, float] = {}
        self._times: dict[Series, list[float]] = {}
        self._lock = threading.Lock()

    def count(self, counts: Mapping[Series, float]) -> None:
        """Add to counters."""
        with self._lock:
            for series, n in counts.items():
                if series in self._counts or len(self._counts) < MOST_SERIES:
                    self._counts[series] = self._counts.get(series, 0) + n

    def observe(self, times: Iterable[tuple[Series, float]]) -> None:
        """Add seconds to histograms."""
        with self._lock:
            for series, seconds in times:
                steps = self._times.get(series)
                if steps is None:
                    if len(self._times) >= MOST_SERIES:
                        continue
                    steps = self._times[series] = [0.0] * (len(BOUNDS) + 2)
                steps[bisect_left(BOUNDS, seconds)] += 1
                steps[-1] += seconds

    def answered(self, method: str, status: str, seconds: float) -> None:
        """Both for one request: the same as the two above, in half the time."""
        counted, timed = (
            ("sendarix_http_requests_total", (method, status)),
            ("sendarix_http_request_seconds", (method,)),
        )
        with self._lock:
            self._counts[counted] = self._counts.get(counted, 0) + 1
            steps = self._times.get(timed)
            if steps is None:
                steps = self._times[timed] = [0.0] * (len(BOUNDS) + 2)
            steps[bisect_left(BOUNDS, seconds)] += 1
            steps[-1] += seconds

    def told(self) -> dict[str, Any]:
        """All of it as JSON takes it: lists of [name, labels, n] and [name, labels, steps and sum]."""
        with self._lock:
            return {
                "counts": [[name, labels, n] for (name, labels), n in self._counts.items()],
                "times": [[name, labels, list(steps)] for (name, labels), steps in self._times.items()],
            }


OWN = Tallies()
"""Those of this process."""


def usage() -> dict[str, float]:
    """CPU seconds and resident bytes of this process."""
    return {"cpu_seconds": time.process_time(), "resident_bytes": _resident()}


def _resident() -> float:
    try:
        with open("/proc/self/statm") as file:
            return float(int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE"))
    except (OSError, ValueError, IndexError):
        return 0.0  # not Linux
