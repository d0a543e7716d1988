"""collect(...): the values of every metric, from rows, from Redis and from what each process told of itself.

Rows are read in parts, each with little time: a part that takes longer is missing and said to be. What is read is kept
for a few seconds, however many ask. Never here: Prometheus's text (the API's), a metric's sentence.
"""

import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from common import clock, tallies
from common.db.session import pool_usage, rows, run, transaction
from common.domain import analytics
from common.domain.alerting import KINDS
from common.domain.holds import STAGES
from common.domain.tiers import TIERS
from common.fleet import Fleet
from common.services.queue_states import depths

KEPT_SECONDS = 5.0
PART_SECONDS = 2.0
MOST_COUNTED = 100_000


@dataclass(frozen=True, slots=True)
class Steps:
    """A histogram: how many were at most each bound, the last one unbounded; the sum where it is known."""

    counts: tuple[tuple[float, float], ...]
    sum: float | None = None


Sample = tuple[str, tuple[str, ...], float | Steps]
"""A metric's name, the values of its labels in their order, and its value."""


def measure() -> dict[str, Any]:
    """What this process tells of itself with its heartbeat."""
    return tallies.usage() | {"pool": pool_usage()} | tallies.OWN.told()


class Measures:
    """What a process that is asked keeps: the last reading."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet, self._lock = fleet, threading.Lock()
        self._found: list[Sample] = []
        self._until = 0.0

    def collect(self) -> list[Sample]:
        """Every sample; those that ask at once share one reading."""
        with self._lock:
            if clock.monotonic() >= self._until:
                self._found = list(_read(self._fleet))
                self._until = clock.monotonic() + KEPT_SECONDS
            return self._found


def _read(fleet: Fleet) -> Iterator[Sample]:
    up = True
    for name, part in _PARTS.items():
        since = clock.monotonic()
        try:
            with transaction() as connection:
                run(connection, f"SET LOCAL statement_timeout = '{int(PART_SECONDS * 1000)}ms'")
                found = list(part(connection))
            failed = False
        except SQLAlchemyError as error:
            found, failed = [], True
            up = up and not getattr(error, "connection_invalidated", False) and "timeout" in str(error).lower()
        yield from found
        yield "sendarix_scrape_seconds", (name,), round(clock.monotonic() - since, 6)
        yield "sendarix_scrape_failed", (name,), float(failed)
        if not up:
            break
    yield "sendarix_database_up", (), float(up)
    processes = fleet.processes()
    yield "sendarix_redis_up", (), float(processes is not None)
    yield from _processes(processes or [])


def _queues(connection: Connection) -> Iterator[Sample]:
    found = {(row.stage, row.tier): row for row in depths(connection)}
    now = clock.now()
    for stage in STAGES:
        for number, tier in enumerate(TIERS):
            row = found.get((stage, number))
            for state in ("due", "in_progress", "later", "paced", "held"):
                n = getattr(row, "depth" if state == "due" else state) if row else 0
                yield "sendarix_queue_messages", (stage, tier, state), float(n)
            age = (now - row.oldest).total_seconds() if row and row.oldest else 0.0
            yield "sendarix_queue_oldest_seconds", (stage, tier), round(max(0.0, age), 3)


_TOTALS = "SELECT environment, tier, metric, detail, n FROM metric_totals"


def _totals(connection: Connection) -> Iterator[Sample]:
    steps: dict[tuple[str, str], list[float]] = {}
    places = {(environment, tier) for environment in ("live", "test") for tier in TIERS}
    for row in rows(connection, _TOTALS):
        place, n = (row.environment, row.tier), float(row.n)
        if row.metric == "accepted":
            places.discard(place)
            yield "sendarix_messages_accepted_total", place, n
        elif row.metric == "delivered_in":
            steps.setdefault(place, [0.0] * (len(analytics.BOUNDS) + 1))[int(row.detail)] = n
        elif row.metric not in ("routed", "late_bounced"):
            yield "sendarix_messages_outcomes_total", (*place, row.metric, row.detail), n
    for place in sorted(places):
        yield "sendarix_messages_accepted_total", place, 0.0
    for place, counts in steps.items():
        yield "sendarix_delivery_seconds", place, _steps(analytics.BOUNDS, counts)


def _steps(bounds: Iterable[float], counts: Iterable[float], whole: float | None = None) -> Steps:
    return Steps(tuple(zip((*bounds, float("inf")), accumulate(counts), strict=True)), whole)


_DELIVERIES = f"""
SELECT state, count(*) AS n FROM (
  (SELECT CASE WHEN lease_until IS NOT NULL THEN 'in_progress' WHEN next_attempt_at <= now() THEN 'due'
               ELSE 'later' END AS state
     FROM webhook_deliveries WHERE state = 'waiting' AND NOT parked ORDER BY next_attempt_at LIMIT {MOST_COUNTED})
  UNION ALL (SELECT 'parked' FROM webhook_deliveries WHERE parked LIMIT {MOST_COUNTED})
  UNION ALL (SELECT 'held' FROM webhook_deliveries WHERE state = 'held' LIMIT {MOST_COUNTED})) each
 GROUP BY state
"""

_OLDEST = """
SELECT extract(epoch FROM now() - next_attempt_at) AS age FROM webhook_deliveries
 WHERE state = 'waiting' AND NOT parked AND lease_until IS NULL ORDER BY next_attempt_at LIMIT 1
"""

_WEBHOOKS = """
SELECT CASE WHEN w.state <> 'enabled' THEN 'disabled' WHEN h.failing_since IS NOT NULL THEN 'failing'
            ELSE 'enabled' END AS state, count(*) AS n
  FROM webhooks w LEFT JOIN webhook_health h ON h.webhook_id = w.id GROUP BY 1
"""


def _webhooks(connection: Connection) -> Iterator[Sample]:
    found = {row.state: row.n for row in rows(connection, _DELIVERIES)}
    for state in ("due", "in_progress", "later", "parked", "held"):
        yield "sendarix_webhook_deliveries", (state,), float(found.get(state, 0))
    oldest = rows(connection, _OLDEST)
    yield "sendarix_webhook_oldest_seconds", (), max(0.0, round(float(oldest[0].age), 3)) if oldest else 0.0
    kinds = {row.state: row.n for row in rows(connection, _WEBHOOKS)}
    for state in ("enabled", "failing", "disabled"):
        yield "sendarix_webhooks", (state,), float(kinds.get(state, 0))


_CONNECTIONS = """
SELECT coalesce(state, 'other') AS state, count(*) AS n FROM pg_stat_activity
 WHERE datname = current_database() AND application_name = 'sendarix' GROUP BY 1
"""


def _connections(connection: Connection) -> Iterator[Sample]:
    for row in rows(connection, _CONNECTIONS):
        yield "sendarix_database_connections", (row.state,), float(row.n)


_ALERTS = """
SELECT a.kind, count(*) AS n FROM alert_incidents i JOIN alerts a ON a.id = i.alert_id WHERE i.state = 'open' GROUP BY 1
"""


def _alerts(connection: Connection) -> Iterator[Sample]:
    found = {row.kind: row.n for row in rows(connection, _ALERTS)}
    for kind in KINDS:
        yield "sendarix_alerts_open", (kind,), float(found.get(kind, 0))


_PARTS: dict[str, Callable[[Connection], Iterator[Sample]]] = {
    "queues": _queues,
    "totals": _totals,
    "webhooks": _webhooks,
    "alerts": _alerts,
    "connections": _connections,
}


def _processes(found: list[dict[str, Any]]) -> Iterator[Sample]:
    lines: dict[str, int] = {}
    for process in found:
        lines[process["line"]] = lines.get(process["line"], 0) + 1
        yield from _process(process)
    for line, n in sorted(lines.items()):
        yield "sendarix_processes", (line,), float(n)


def _process(process: dict[str, Any]) -> Iterator[Sample]:
    own = (process["line"], process["host"], str(process["pid"]))
    measured = process["measured"]
    started = datetime.fromisoformat(process["started_at"]).timestamp()
    yield "sendarix_process_started_seconds", own, started
    if process["queues"]:
        yield "sendarix_worker_threads", own, float(process["concurrency"])
        yield "sendarix_worker_busy_threads", own, float(process["busy"])
        yield "sendarix_worker_tasks_total", own, float(process["tasks_done"])
    if not measured:
        return
    yield "sendarix_process_cpu_seconds_total", own, measured["cpu_seconds"]
    yield "sendarix_process_resident_bytes", own, measured["resident_bytes"]
    for state, n in measured["pool"].items():
        yield "sendarix_process_database_connections", (*own, state), float(n)
    for name, labels, n in measured["counts"]:
        yield name, (*own, *labels), float(n)
    for name, labels, steps in measured["times"]:
        yield name, (*own, *labels), _steps(tallies.BOUNDS, steps[:-1], steps[-1])
