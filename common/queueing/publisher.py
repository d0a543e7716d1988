"""leave(...): tickets after the commit. Batches naturally, never blocks its caller, never fails it.

One thread per process publishes at once when a line is idle, and lets a busy line gather: one id when
idle, up to `ticket_size` when busy. A lost ticket costs seconds: the row is due, and the sweep
re-issues it. Never here: rows.
"""

import contextlib
import json
import os
import threading
import time
import uuid
from collections import deque
from collections.abc import Iterable
from typing import Any
from uuid import UUID

import structlog

from common.config import current_settings
from common.domain.ids import encode_some
from common.queueing import tasks
from common.queueing.app import broker_url, make_celery

log = structlog.get_logger()

BREAKER_SECONDS = 2.0
MAX_WAITING = 200_000
MOST_LINES = 10_000
URGENT = ".critical"
GATHER_SECONDS, GATHER_LONGER_SECONDS = 0.025, 0.075
"""A line that has just published gathers this long before its next ticket, and longer when that one carried
`BUSY_IDS`; an idle line and the critical tier never wait (docs/decisions/0005-busy-lines-gather.md)."""

BUSY_IDS = 8

LEFT_AT = "left_at"
"""The header of a ticket that says when it was left, in seconds since 1970."""

Line = tuple[str, str, str, int]
"""Task name, queue, group (ids of different groups never share a ticket), countdown in seconds."""


class Publisher:
    """The thread, its waiting ids and its breaker."""

    def __init__(self) -> None:
        settings = current_settings()
        self._size = settings.ticket_size
        self._app = make_celery(settings, publisher=True)
        # A direct exchange on Redis is the list itself, whatever bindings a FLUSHALL has taken.
        self._exchange = "mail" if broker_url(settings).startswith("amqp") else ""
        self._connection: Any = None
        self._producer: Any = None
        self._waiting: dict[Line, deque[str]] = {}
        self._gathered: dict[Line, float] = {}
        self._count = 0
        self._wake = threading.Condition()
        self._open_until = 0.0
        self._idle = True
        self._thread = threading.Thread(target=self._run, name="publisher", daemon=True)
        self._thread.start()

    def leave(self, line: Line, ids: Iterable[UUID]) -> None:
        with self._wake:
            if self._count > MAX_WAITING:
                return
            texts = [str(each) for each in ids]
            self._waiting.setdefault(line, deque()).extend(texts)
            self._count += len(texts)
            self._wake.notify()

    def flush(self, timeout: float = 5.0) -> bool:
        """Wait until everything left so far is published; for shutdown and tests."""
        deadline = time.monotonic() + timeout
        with self._wake:
            while self._count or not self._idle:
                if not self._wake.wait(max(0.0, deadline - time.monotonic())):
                    return False
        return True

    def _run(self) -> None:
        while True:
            with self._wake:
                line = self._next_line()
                ids = self._take(line)
            self._publish(line, ids)

    def _next_line(self) -> Line:
        """The line to publish now: urgent or full ones first, others once they have gathered. Waits for one."""
        while True:
            now = time.monotonic()
            soonest = None
            for line, waiting in self._waiting.items():
                due = self._gathered.get(line, 0.0)
                if line[1].endswith(URGENT) or len(waiting) >= self._size or due <= now:
                    self._idle = False
                    return line
                soonest = due if soonest is None else min(soonest, due)
            self._idle = not self._waiting
            self._wake.notify_all()
            self._wake.wait(None if soonest is None else soonest - now)

    def _take(self, line: Line) -> list[str]:
        queue = self._waiting.pop(line)
        ids = [queue.popleft() for _ in range(min(self._size, len(queue)))]
        if queue:
            self._waiting[line] = queue
        self._count -= len(ids)
        if len(self._gathered) > MOST_LINES:
            self._gathered.clear()
        gather = GATHER_SECONDS if len(ids) < BUSY_IDS else GATHER_LONGER_SECONDS
        self._gathered[line] = time.monotonic() + gather
        return ids

    def _publish(self, line: Line, ids: list[str]) -> None:
        if time.monotonic() < self._open_until:
            return
        try:
            self._send(line, ids)
        except Exception as error:  # kombu raises bare AttributeError and more when a broker goes away
            self._open_until = time.monotonic() + BREAKER_SECONDS
            self._disconnect()
            about = encode_some(tasks.PREFIXES.get(line[0], "none"), map(uuid.UUID, ids))
            log.warning("tickets_not_published", queue=line[1], count=len(ids), ids=about, error=repr(error)[:200])

    def _send(self, line: Line, ids: list[str]) -> None:
        """What `send_task` does, over one kept producer: half its cost."""
        task, queue, _, countdown = line
        if self._producer is None:
            self._connection = self._app.connection_for_write()
            self._producer = self._app.amqp.Producer(self._connection, auto_declare=False)
        options: dict[str, Any] = {"countdown": countdown} if countdown else {}
        message = self._app.amqp.as_task_v2(str(uuid.uuid4()), task, (ids,), {}, ignore_result=True, **options)
        self._producer.publish(
            message.body,
            exchange=self._exchange,
            routing_key=queue,
            serializer="json",
            headers=message.headers | {LEFT_AT: time.time()},
            delivery_mode=2,
            retry=False,
            declare=[],
            **message.properties,
        )

    def _disconnect(self) -> None:
        connection, self._connection, self._producer = self._connection, None, None
        with contextlib.suppress(Exception):
            if connection is not None:
                connection.close()


def age_of(ticket: bytes | None) -> float | None:
    """Seconds since a ticket was left, as it lies in Redis; 0 for none; None where it does not say."""
    if ticket is None:
        return 0.0
    try:
        return max(0.001, time.time() - float(json.loads(ticket)["headers"][LEFT_AT]))
    except (ValueError, TypeError, LookupError):
        return None


_publishers: dict[int, Publisher] = {}
_lock = threading.Lock()


def publisher() -> Publisher:
    """The publisher of this process. Keyed by pid: threads do not survive a fork."""
    found = _publishers.get(os.getpid())
    if found is None:
        with _lock:
            found = _publishers.setdefault(os.getpid(), Publisher())
    return found


def leave(task: str, queue: str, ids: Iterable[UUID], *, group: str = "", countdown: int = 0) -> None:
    """Leave tickets for `ids`; call it after the commit. Returns at once; a failure is only logged."""
    publisher().leave((task, queue, group, countdown), ids)
