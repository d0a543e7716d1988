"""Paced mail through the delivery task: who waits, how often, for whom, and what it costs them."""

import threading
import time
import uuid
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest

from common.config import current_settings
from common.db.session import rows, transaction
from common.domain.tiers import TIERS
from common.pacing import Paces
from common.queueing import publisher, tasks
from common.services import due, messages, parking, routing, scopes, tickets
from deploy.ports import settle_ports
from tests.builders import Account, an_account, some_messages
from tests.fakes.counting import Receiver
from workers.delivery import slots
from workers.delivery import tasks as worker

pytestmark = pytest.mark.usefixtures("database")


class Office:
    """Tickets in memory and threads that work on them, the highest tier first, beside a scheduler."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, threads: int = 8) -> None:
        self._queues: dict[str, deque[list[uuid.UUID]]] = {f"delivery.{tier}": deque() for tier in TIERS}
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self.parked: Counter[uuid.UUID] = Counter()
        park = parking.park

        def counted(connection: Any, claimed: Sequence[Any], *rest: Any, **named: Any) -> None:
            self.parked.update(each.id for each in claimed)
            park(connection, claimed, *rest, **named)

        monkeypatch.setattr(worker, "_paces", Paces(current_settings(), uuid.uuid4().hex))
        monkeypatch.setattr(parking, "park", counted)
        monkeypatch.setattr(publisher, "leave", self._leave)
        self._threads = [threading.Thread(target=self._work) for _ in range(threads)]
        for each in self._threads:
            each.start()

    def close(self) -> None:
        self._stop.set()
        for each in self._threads:
            each.join()
        worker._targets._sessions.close_all()

    def tick(self) -> None:
        """What the scheduler and the retry worker do each second."""
        with transaction() as connection:
            armed = due.arm(connection)
            ready = due.ready(connection, [each.id for each in armed]) + due.sweep(connection, {})
        tickets.leave(ready)

    def _leave(self, task: str, queue: str, ids: Any, *, group: str = "", countdown: int = 0) -> None:
        if task == tasks.DELIVER_MESSAGES:
            with self._lock:
                self._queues[queue].append(list(ids))

    def _work(self) -> None:
        while not self._stop.is_set():
            with self._lock:
                ids = next((queue.popleft() for queue in self._queues.values() if queue), None)
            if ids is None:
                self._stop.wait(0.005)
            else:
                worker.deliver_messages.run([str(each) for each in ids])


@pytest.fixture
def office(monkeypatch: pytest.MonkeyPatch) -> Iterator[Office]:
    found = Office(monkeypatch)
    yield found
    found.close()


def a_relay(port: int, connections: int = 3, per_second: float = 1000.0) -> uuid.UUID:
    source_id = uuid.uuid4()
    with transaction() as connection:
        connection.exec_driver_sql(
            "INSERT INTO sources (id, name, kind, host, port, tls) VALUES (%s, %s, 'relay', '127.0.0.1', %s, 'none')",
            (source_id, f"relay-{source_id}", port),
        )
    return source_id


def an_account_over(source_id: uuid.UUID) -> Account:
    account = an_account()
    with transaction() as connection:
        connection.exec_driver_sql("UPDATE accounts SET default_source_id = %s WHERE id = %s", (source_id, account.id))
    return account


def send(account: Account, count: int, tier: str) -> list[uuid.UUID]:
    """Accept, route and leave the tickets, of ten messages each."""
    with transaction() as connection:
        ids = some_messages(connection, account, count, priority=tier)
        routed, _ = routing.route(connection, ids)
    for work in routed:
        for at in range(0, len(work.ids), 10):
            tickets.leave_deliveries([routing.Routed(work.tier, work.path, work.ids[at : at + 10])])
    return ids


def wait_for(office: Office, condition: Any, seconds: float = 60.0) -> None:
    until, pause = time.monotonic() + seconds, threading.Event()
    while not condition():
        assert time.monotonic() < until, "it takes too long"
        office.tick()
        pause.wait(0.02)


def statuses() -> Counter[str]:
    with transaction() as connection:
        return Counter(row.status for row in rows(connection, "SELECT status FROM messages"))


def test_a_backlog_opens_too_many_connections_or_is_queued_again_and_again(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scopes, "RELAY_CONNECTIONS", 3)
    with Receiver(delay=0.004) as receiver:
        send(an_account_over(a_relay(receiver.port)), 150, "bulk")
        wait_for(office, lambda: statuses()["delivered"] == 150)
        assert receiver.peak == 2
    assert len(receiver.taken) == 150
    assert max(office.parked.values(), default=0) <= 2
    assert sum(office.parked.values()) <= 160
    with transaction() as connection:
        found = rows(connection, "SELECT state, count(*) AS n FROM attempts GROUP BY state")
        assert [(row.state, row.n) for row in found] == [("delivered", 150)]
        assert rows(connection, "SELECT * FROM invariant_violations") == []


def test_bulk_for_one_place_delays_another_place_or_a_password(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scopes, "RELAY_CONNECTIONS", 4)
    with Receiver(delay=0.1) as slow, Receiver() as other:
        crowded = an_account_over(a_relay(slow.port))
        send(crowded, 400, "bulk")
        wait_for(office, lambda: len(slow.taken) > 5)
        send(an_account_over(a_relay(other.port)), 1, "bulk")
        with transaction() as connection:
            connection.exec_driver_sql("UPDATE accounts SET name = 'x'")
        sent = time.monotonic()
        send(crowded, 1, "critical")
        wait_for(office, lambda: statuses()["delivered"] and len(other.taken) == 1)
        assert time.monotonic() - sent < 6.0
        wait_for(office, lambda: _delivered("critical") == 1)
        assert time.monotonic() - sent < 6.0
        with transaction() as connection:
            connection.exec_driver_sql("DELETE FROM messages WHERE paced IS NOT NULL AND lease_until IS NULL")


def _delivered(tier: str) -> int:
    with transaction() as connection:
        sql = "SELECT count(*) AS n FROM messages WHERE status = 'delivered' AND tier = %s"
        return int(rows(connection, sql, TIERS.index(tier))[0].n)


def test_a_code_waits_a_minute_for_a_connection_that_is_free(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """More codes at once than connections, each by a ticket of its own: those that are refused are woken."""
    monkeypatch.setattr(scopes, "RELAY_CONNECTIONS", 2)
    monkeypatch.setattr(slots, "HAND_OVER_SECONDS", 0.001)
    with Receiver(delay=0.05) as receiver:
        account = an_account_over(a_relay(receiver.port))
        for _ in range(24):
            send(account, 1, "critical")
        wait_for(office, lambda: _delivered("critical") == 24, 20.0)
        assert office.parked, "nobody was refused: the test proves nothing"
        assert receiver.peak == 2


def test_a_quick_place_has_its_mail_parked_for_nothing(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who gets no connection hands its mail to those who have one."""
    monkeypatch.setattr(scopes, "RELAY_CONNECTIONS", 4)
    with Receiver() as receiver:
        send(an_account_over(a_relay(receiver.port)), 600, "bulk")
        wait_for(office, lambda: statuses()["delivered"] == 600)
        assert receiver.peak == 3
    assert sum(office.parked.values()) <= 60


def test_a_server_that_takes_nobody_costs_everybody_an_attempt(office: Office) -> None:
    with Receiver(0) as receiver:
        account = an_account_over(a_relay(receiver.port))
        ids = send(account, 30, "normal")

        def paced() -> list[dict[str, Any]]:
            with transaction() as connection:
                waiting = [messages.get(connection, account.principal, each)["waiting"] for each in ids]
            return [each for each in waiting if each["for"] == "pace"]

        wait_for(office, lambda: sum(office.parked.values()) >= 27 and len(paced()) >= 25)
        with transaction() as connection:
            assert rows(connection, "SELECT sum(attempt_no) AS n FROM messages")[0].n <= 5
        told = paced()[0]
        assert "the relay 127.0.0.1" in told["detail"] and told["until"] > told["since"]


def test_a_host_that_is_away_costs_everybody_an_attempt(office: Office) -> None:
    account = an_account_over(a_relay(settle_ports({"away": ("127.0.0.1", 0)})["away"]))
    ids = send(account, 100, "normal")

    def paced() -> list[dict[str, Any]]:
        with transaction() as connection:
            waiting = [messages.get(connection, account.principal, each)["waiting"] for each in ids]
        return [each for each in waiting if each["for"] == "pace" and "nobody" in each["detail"]]

    wait_for(office, lambda: len(paced()) >= 55)
    with transaction() as connection:
        assert rows(connection, "SELECT sum(attempt_no) AS n FROM messages")[0].n <= 45
        assert rows(connection, "SELECT * FROM invariant_violations") == []


def test_mail_waits_for_ever_where_it_is_refused_for_ever(office: Office) -> None:
    with Receiver(0) as receiver:
        account = an_account_over(a_relay(receiver.port))
        with transaction() as connection:
            connection.exec_driver_sql("UPDATE accounts SET retry_preset = NULL")
            ids = some_messages(connection, account, 2)
            connection.exec_driver_sql("UPDATE messages SET created_at = now() - interval '25 h'")
            routing.route(connection, ids)
        worker.deliver_messages.run([str(each) for each in ids])
        with transaction() as connection:
            found = rows(connection, "SELECT status, attempt_no FROM messages")
            assert [(row.status, row.attempt_no) for row in found] == [("deferred", 1)] * 2


def test_without_redis_paced_mail_stops_or_is_sent_without_limits(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = replace(current_settings(), redis_url="redis://127.0.0.1:1")
    monkeypatch.setattr(worker, "_paces", Paces(away, uuid.uuid4().hex))
    monkeypatch.setattr(scopes, "RELAY_CONNECTIONS", 4)
    with Receiver(delay=0.002) as receiver:
        send(an_account_over(a_relay(receiver.port)), 60, "bulk")
        wait_for(office, lambda: statuses()["delivered"] == 60)
        assert receiver.peak <= 2


def test_a_sink_is_paced() -> None:
    account = an_account()
    assert worker._targets._ways.scope_of(account.source_id, "example.net") is None
    assert current_settings().pacing_lease_seconds < 90.0
