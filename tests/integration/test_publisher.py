"""Tickets: whole, in order, few when there are many ids, and never in the caller's way."""

from base64 import b64decode
from uuid import UUID

import orjson
import pytest
import redis
from structlog.testing import capture_logs

from common.domain.ids import encode, new_id
from common.queueing import queues, tasks
from common.queueing.publisher import Publisher
from workers import shell
from workers.shell import task

LINE = (tasks.ROUTE_MESSAGES, queues.ROUTING[2], "", 0)


@pytest.fixture
def broker(redis_url: str) -> redis.Redis:
    found = redis.Redis.from_url(redis_url)
    found.flushall()
    return found


def tickets(broker: redis.Redis, queue: str) -> list[list[str]]:
    bodies = [orjson.loads(raw)["body"] for raw in reversed(broker.lrange(queue, 0, -1))]
    return [orjson.loads(b64decode(body))[0][0] for body in bodies]


def test_a_burst_makes_a_ticket_each_or_loses_its_order(broker: redis.Redis) -> None:
    publisher = Publisher()
    ids = [new_id() for _ in range(250)]
    for each in ids:
        publisher.leave(LINE, [each])
    assert publisher.flush()
    found = tickets(broker, queues.ROUTING[2])
    assert [UUID(text) for ticket in found for text in ticket] == ids
    assert len(found) <= 10
    assert max(len(ticket) for ticket in found) <= 100


def test_a_missing_broker_blocks_or_fails_the_caller(broker: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    publisher = Publisher()
    monkeypatch.setattr(publisher, "_send", lambda line, ids: (_ for _ in ()).throw(AttributeError("gone")))
    about = new_id()
    with capture_logs() as lines:
        publisher.leave(LINE, [about])
        assert publisher.flush()
    assert tickets(broker, queues.ROUTING[2]) == []
    told = [line for line in lines if line["event"] == "tickets_not_published"]
    assert told[0]["ids"] == [encode("msg", about)], "a log line does not say which messages it is about"


def test_a_failed_task_does_not_say_whose_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(tasks.PREFIXES, "test.fails", "dom")

    def fail(ids: list[UUID]) -> None:
        raise ZeroDivisionError(len(ids))

    run = task("test.fails")(fail)
    shell.app.tasks.unregister("test.fails")
    about = new_id()
    with capture_logs() as lines:
        run([str(about)])
    assert lines[0]["ids"] == [encode("dom", about)] and lines[0]["log_level"] == "error"


def test_different_paths_share_a_ticket(broker: redis.Redis) -> None:
    publisher = Publisher()
    for path in ("a", "b", "a"):
        publisher.leave((tasks.DELIVER_MESSAGES, queues.DELIVERY[0], path, 0), [new_id()])
    assert publisher.flush()
    assert 2 <= len(tickets(broker, queues.DELIVERY[0])) <= 3
