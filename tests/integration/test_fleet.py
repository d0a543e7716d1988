"""The fleet: a worker that lives is listed with what it does, one that is dead is not, and nothing hangs on Redis."""

import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest

from api import create_app
from common import fleet
from common.config import read_settings
from common.db.session import transaction
from common.fleet import Fleet, Pulse, Worker
from common.queueing import publisher, queues, tasks
from common.services import issuing
from deploy.engines import Engines
from tests.builders import an_account

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture
def admin() -> str:
    with transaction() as connection:
        fields = {"environment": "live", "scopes": ["admin"]}
        found: str = issuing.create_for(connection, an_account().id, fields)["secret"]
    return found


def ask(key: str, path: str = "/v1/workers", **settings: Any) -> Any:
    client = create_app(read_settings(**settings)).test_client()
    return client.get(path, headers={"Authorization": f"Bearer {key}"})


@pytest.fixture
def process(engines: Engines) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "celery", "-A", "workers.app", "worker", "-P", "threads", "-c", "3", "-n"]
    command += ["routing@%h", "-Q", "routing.critical,routing.bulk", "--without-gossip", "--without-mingle"]
    started = subprocess.Popen([*command, "-l", "error"], stdout=subprocess.DEVNULL)
    yield started
    if started.poll() is None:
        started.kill()
    started.wait()


def until(found: Any) -> Any:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        answer = found()
        if answer:
            return answer
        time.sleep(0.02)
    raise AssertionError("it never came to be")


def test_a_living_worker_is_missing_or_says_something_else(admin: str, process: Any) -> None:
    (told,) = until(lambda: ask(admin).get_json()["data"])
    assert (told["line"], told["pid"], told["concurrency"]) == ("routing", process.pid, 3)
    assert told["queues"] == ["routing.critical", "routing.bulk"] and told["host"]
    by_name = {each["name"]: each for each in ask(admin, "/v1/queues").get_json()["data"]}
    assert by_name["routing.bulk"]["consumers"] == 3 and by_name["delivery.bulk"]["consumers"] == 0
    publisher.leave(tasks.ROUTE_MESSAGES, queues.routing_queue(2), [an_account().id])
    until(lambda: ask(admin).get_json()["data"][0]["tasks_done"] == 1)
    process.terminate()
    until(lambda: not ask(admin).get_json()["data"])


def test_a_dead_worker_is_listed(admin: str, monkeypatch: pytest.MonkeyPatch, engines: Engines) -> None:
    monkeypatch.setattr(fleet, "SILENT_SECONDS", 0.05)
    Pulse(read_settings(), Worker("gone", "delivery", ("delivery.bulk",), 8)).beat()
    until(lambda: Fleet(read_settings()).workers() == [])
    assert Fleet(read_settings()).consumers() == {}


def test_redis_being_away_is_a_server_error(admin: str) -> None:
    away = {"redis_url": "redis://127.0.0.1:1/0"}
    assert ask(admin, **away).status_code == 503
    assert ask(admin, "/v1/queues/delivery.bulk", **away).get_json()["consumers"] is None
