"""Every metric of Prometheus: name, kind, labels and one sentence; docs/metrics.md is written from it. Pure.

Never here: where a value comes from (services/measuring.py, tallies.py).
"""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["gauge", "counter", "histogram"]


@dataclass(frozen=True, slots=True)
class Metric:
    """A counter's name ends in `_total`, a histogram's in `_seconds`."""

    name: str
    kind: Kind
    labels: tuple[str, ...]
    sentence: str


_PROCESS = ("line", "host", "pid")

METRICS: dict[str, Metric] = {
    each.name: each
    for each in (
        Metric(
            "sendarix_queue_messages",
            "gauge",
            ("stage", "priority", "state"),
            "Live messages by queue: `due`, `in_progress`, `later`, `paced` or `held`.",
        ),
        Metric(
            "sendarix_queue_oldest_seconds",
            "gauge",
            ("stage", "priority"),
            "How long the oldest message of a queue has been due; 0 when nothing is due.",
        ),
        Metric(
            "sendarix_messages_accepted_total",
            "counter",
            ("environment", "priority"),
            "Messages accepted, counted from the events within seconds.",
        ),
        Metric(
            "sendarix_messages_outcomes_total",
            "counter",
            ("environment", "priority", "outcome", "reason"),
            "What became of messages, by outcome and by its category or reason; a deferral is one as well.",
        ),
        Metric(
            "sendarix_delivery_seconds",
            "histogram",
            ("environment", "priority"),
            "From acceptance, or the scheduled time, to delivery. Has no sum.",
        ),
        Metric(
            "sendarix_webhook_deliveries",
            "gauge",
            ("state",),
            "Webhook deliveries that have not ended: `due`, `in_progress`, `later`, `parked` behind a slow endpoint,"
            " or `held`; each counted up to 100,000.",
        ),
        Metric(
            "sendarix_webhook_oldest_seconds",
            "gauge",
            (),
            "How long the oldest webhook delivery has been due; 0 when nothing is due.",
        ),
        Metric("sendarix_webhooks", "gauge", ("state",), "Webhooks by state: `enabled`, `failing` or `disabled`."),
        Metric("sendarix_alerts_open", "gauge", ("kind",), "Incidents of alerts that are open, by what is watched."),
        Metric(
            "sendarix_database_connections",
            "gauge",
            ("state",),
            "Connections of all processes to PostgreSQL, by what PostgreSQL says they do.",
        ),
        Metric("sendarix_database_up", "gauge", (), "1 when PostgreSQL answers; without it nothing is accepted."),
        Metric("sendarix_redis_up", "gauge", (), "1 when Redis answers; without it mail takes seconds longer."),
        Metric("sendarix_processes", "gauge", ("line",), "Processes that are alive, by line of the Procfile."),
        Metric("sendarix_process_started_seconds", "gauge", _PROCESS, "When a process started, as a Unix time."),
        Metric("sendarix_process_cpu_seconds_total", "counter", _PROCESS, "CPU time of a process."),
        Metric("sendarix_process_resident_bytes", "gauge", _PROCESS, "Memory of a process."),
        Metric(
            "sendarix_process_database_connections",
            "gauge",
            (*_PROCESS, "state"),
            "The pool of a process: `in_use`, `idle`, and `most`, what it may open.",
        ),
        Metric("sendarix_worker_threads", "gauge", _PROCESS, "How many tasks a worker works on at once."),
        Metric("sendarix_worker_busy_threads", "gauge", _PROCESS, "How many tasks it works on now."),
        Metric("sendarix_worker_tasks_total", "counter", _PROCESS, "Tasks a worker has done."),
        Metric("sendarix_tasks_failed_total", "counter", (*_PROCESS, "task"), "Tasks that ended in a surprise."),
        Metric(
            "sendarix_attempts_total",
            "counter",
            (*_PROCESS, "outcome", "category"),
            "Attempts at delivery, by how they ended and what the remote server meant.",
        ),
        Metric("sendarix_attempt_seconds", "histogram", (*_PROCESS, "outcome"), "How long attempts took."),
        Metric(
            "sendarix_webhook_posts_total",
            "counter",
            (*_PROCESS, "answer"),
            "Posts to webhooks, by class of status (`2xx`) or error.",
        ),
        Metric("sendarix_webhook_post_seconds", "histogram", _PROCESS, "How long posts to webhooks took."),
        Metric(
            "sendarix_http_requests_total",
            "counter",
            (*_PROCESS, "method", "status"),
            "Requests answered by a web process.",
        ),
        Metric(
            "sendarix_http_request_seconds",
            "histogram",
            (*_PROCESS, "method"),
            "How long a web process took for requests.",
        ),
        Metric(
            "sendarix_scrape_seconds",
            "gauge",
            ("part",),
            "How long it took to read a part of these from PostgreSQL.",
        ),
        Metric("sendarix_scrape_failed", "gauge", ("part",), "1 when a part could not be read and is missing."),
    )
}
"""By name, in the order in which they are shown."""
