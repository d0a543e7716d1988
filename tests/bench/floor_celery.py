"""The Celery floors: one plain task per mail with smtplib, and a chain of two tasks that do nothing.

The app of `celery -A tests.bench.floor_celery worker`; `python -m tests.bench.floor_celery mail COUNT PORT`
and `... chain COUNT` publish. BENCH_BROKER says where. Never here: a database.
"""

import os
import smtplib
import sys
import time

import redis
from celery import Celery, chain
from kombu import Queue

LIST = "bench-chain"
_CONTENT = (
    "From: hello@example.com\r\nTo: user@example.net\r\nSubject: Your verification code\r\n"
    "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nYour code is 847291.\r\n"
)

app = Celery("floor", broker=os.environ.get("BENCH_BROKER", "memory://"))
app.conf.update(
    task_ignore_result=True,
    task_acks_late=True,
    worker_prefetch_multiplier=4,
    broker_connection_retry_on_startup=True,
    task_queues=[Queue("bench.mail"), Queue("bench.first"), Queue("bench.second")],
    task_routes={
        "bench.mail": {"queue": "bench.mail"},
        "bench.first": {"queue": "bench.first"},
        "bench.second": {"queue": "bench.second"},
    },
)


@app.task(name="bench.mail")
def mail(recipient: str, port: int) -> None:
    """One new connection and one mail."""
    with smtplib.SMTP("127.0.0.1", port, timeout=30) as client:
        client.sendmail("hello@example.com", [recipient], _CONTENT)


@app.task(name="bench.first")
def first() -> None:
    """Nothing; where the product routes."""


@app.task(name="bench.second")
def second(since: int) -> None:
    """Nothing but the time, where the product writes its first SMTP byte."""
    took = time.time_ns() - since
    _redis().rpush(LIST, took)


_connections: list[redis.Redis] = []


def _redis() -> redis.Redis:
    if not _connections:
        _connections.append(redis.Redis.from_url(os.environ["BENCH_REDIS_URL"]))
    return _connections[0]


def publish_mail(count: int, port: int) -> None:
    """Print the epoch nanoseconds of the first publish, then publish all."""
    mail.delay("warm@example.net", port)
    print(time.time_ns(), flush=True)
    for number in range(count):
        mail.delay(f"celery{number:08d}@example.net", port)


def publish_chains(count: int) -> None:
    """One chain at a time, 25 ms apart, at idle."""
    for _ in range(count):
        chain(first.si(), second.si(time.time_ns())).apply_async()
        time.sleep(0.025)


def main() -> None:
    what, count = sys.argv[1], int(sys.argv[2])
    if what == "mail":
        publish_mail(count, int(sys.argv[3]))
    else:
        publish_chains(count)


if __name__ == "__main__":
    main()
