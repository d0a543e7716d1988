"""One dead, one slow and nine healthy endpoints: the healthy ones' lateness beside alone, and the load on the dead one.

Worker threads and the scheduler's round are played here over the real database, with real HTTP.
"""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from queue import Empty, Queue
from typing import Any
from uuid import UUID

import pytest

from common.config import current_settings
from common.db.session import rows, run, transaction
from common.domain.ids import encode
from common.services import subscriptions, webhook_due
from common.services.webhook_due import Due
from tests.builders import an_account, some_messages
from tests.fakes.receiver import FakeReceiver
from workers.webhooks.lanes import Lanes
from workers.webhooks.sender import Sender

pytestmark = pytest.mark.usefixtures("database")

THREADS, SLOW_THREADS = 8, 4
HEALTHY, EVENTS = 9, 60
Work = Callable[[], object]


class Workers:
    """Both lines of workers over queues in this process, and the scheduler's sweep beside them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        settings = replace(current_settings(), egress_allow="127.0.0.0/8")
        self._fast, self._slow = Lanes(settings, Sender(settings)), Lanes(settings, Sender(settings), slow=True)
        self._queue: Queue[Work] = Queue()
        self._slow_queue: Queue[Work] = Queue()
        self._over = threading.Event()
        monkeypatch.setattr(webhook_due, "leave", self.leave)
        monkeypatch.setattr(webhook_due, "leave_parked", self.leave_parked)

    def leave(self, ids: Any, webhook_id: UUID | None = None) -> None:
        found = list(ids)
        self._queue.put(partial(self._fast.dispatch, found))

    def leave_parked(self, ids: Any, *, slow: bool = False) -> None:
        for each in ids:
            queue, lanes = (self._slow_queue, self._slow) if slow else (self._queue, self._fast)
            queue.put(partial(lanes.drain, [each]))

    def __enter__(self) -> "Workers":
        self._pool = ThreadPoolExecutor(THREADS + SLOW_THREADS + 1)
        for count, queue in ((THREADS, self._queue), (SLOW_THREADS, self._slow_queue)):
            for _ in range(count):
                self._pool.submit(self._serve, queue)
        self._pool.submit(self._schedule)
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._pool.shutdown()

    def _serve(self, queue: Queue[Work]) -> None:
        while not self._over.is_set():
            try:
                work = queue.get(timeout=0.05)
            except Empty:
                continue
            work()

    def _schedule(self) -> None:
        while not self._over.wait(0.5):
            with transaction() as connection:
                due: Due = webhook_due.sweep(connection)
            webhook_due.leave_due(due)


@pytest.fixture
def workers(monkeypatch: pytest.MonkeyPatch) -> Iterator[Workers]:
    with Workers(monkeypatch) as found:
        yield found


def test_a_dead_and_a_slow_endpoint_delay_nine_healthy_ones(workers: Workers) -> None:
    alone = lateness(workers, {})
    with FakeReceiver(delay=1.0) as slow, FakeReceiver(status=500) as dead:
        beside = lateness(workers, {"slow": slow, "dead": dead})
        assert len(dead.posts) <= EVENTS * 0.3 + 10, "the breaker does not keep the load off"
        opened = len(dead.posts)
        workers.leave(waiting_for(dead))
        beside_later = len(dead.posts) - opened
        assert beside_later <= EVENTS * 0.1
        assert slow.busiest <= 10
    assert p99(beside) <= max(2 * p99(alone), p99(alone) + 0.5), f"alone {p99(alone):.3f} s, beside {p99(beside):.3f} s"


def p99(values: list[float]) -> float:
    return sorted(values)[int(len(values) * 0.99)]


def waiting_for(receiver: FakeReceiver) -> list[UUID]:
    with transaction() as connection:
        found = rows(
            connection,
            "SELECT d.id FROM webhook_deliveries d JOIN webhooks w ON w.id = d.webhook_id"
            " WHERE w.url = %s AND d.state = 'waiting'",
            receiver.url,
        )
    return [row.id for row in found]


def lateness(workers: Workers, troubled: dict[str, FakeReceiver]) -> list[float]:
    """Seconds from the commit of each event to its POST at a healthy endpoint."""
    account = an_account()
    receivers = [FakeReceiver() for _ in range(HEALTHY)]
    for each in receivers:
        each.__enter__()
    try:
        with transaction() as connection:
            for each in [*troubled.values(), *receivers]:
                fields = {"url": "https://example.com/hook", "event_types": ["message.queued"]}
                subscriptions.subscribe(connection, account.principal, fields)
                run(connection, "UPDATE webhooks SET url = %s WHERE url LIKE 'https:%%'", each.url)
        committed: dict[str, float] = {}
        for _ in range(EVENTS // 10):
            with transaction() as connection:
                ids = some_messages(connection, account, 10)
                left = rows(connection, "SELECT id FROM webhook_deliveries WHERE message_id = ANY(%s)", ids)
            at = time.monotonic()
            workers.leave([row.id for row in left])
            committed |= {encode("msg", each): at for each in ids}
        deadline = time.monotonic() + 60
        while any(len(each.posts) < EVENTS for each in receivers) and time.monotonic() < deadline:
            threading.Event().wait(0.02)
        assert [len(each.posts) for each in receivers] == [EVENTS] * HEALTHY
        return [post.at - committed[post.event["data"]["message_id"]] for each in receivers for post in each.posts]
    finally:
        for each in receivers:
            each.__exit__()
