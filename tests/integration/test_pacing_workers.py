"""Four delivery workers, real ones, against a receiver that answers 421 above five connections."""

import os
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator

import pytest
import redis

from common.config import read_settings
from common.db.session import engine, rows, transaction
from common.queueing import publisher
from common.services import routing, tickets
from deploy.engines import Engines
from tests.builders import an_account, some_messages
from tests.fakes.counting import Receiver
from tests.fakes.dns_lab import DnsLab
from workers.scheduler.rounds import Rounds

pytestmark = pytest.mark.usefixtures("database")

MAILS = 400
LEARNING_SECONDS = 1.0
"""From the first 421 on; who was connecting at the same moment hears one too."""

QUEUES = "delivery.critical,delivery.normal,delivery.bulk,retry"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver(5, delay=0.02) as found:
        yield found


@pytest.fixture
def workers(engines: Engines, receiver: Receiver) -> Iterator[None]:
    with DnsLab(zone={("example.net", "MX"): ["10 mx.lab."], ("mx.lab", "A"): ["127.0.0.1"]}) as lab:
        environ = os.environ | {
            "SENDARIX_DNS_SERVERS": f"127.0.0.1:{lab.port}",
            "SENDARIX_SMTP_REMOTE_PORT": str(receiver.port),
            "SENDARIX_EGRESS_ALLOW": "127.0.0.0/8",
            "SENDARIX_SENDER_VERIFICATION": "off",
            "SENDARIX_TIME_SCALE": "10",
        }
        command = [sys.executable, "-m", "celery", "-A", "workers.app", "worker", "-P", "threads", "-c", "4"]
        command += ["-Q", QUEUES, "--without-gossip", "--without-mingle", "-l", "error"]
        running = [
            subprocess.Popen([*command, "-n", f"pace{n}@%h"], env=environ, stdout=subprocess.DEVNULL) for n in range(4)
        ]
        yield
        for each in running:
            each.kill()
        for each in running:
            each.wait(30)


def send() -> None:
    account = an_account()
    source_id = uuid.uuid4()
    with transaction() as connection:
        connection.exec_driver_sql(
            "INSERT INTO sources (id, name, kind, tls) VALUES (%s, 'direct', 'direct', 'none')", (source_id,)
        )
        connection.exec_driver_sql("UPDATE accounts SET default_source_id = %s", (source_id,))
        ids = some_messages(connection, account, MAILS, priority="normal")
    with transaction() as connection:
        routed, _ = routing.route(connection, ids)
    for work in routed:
        for at in range(0, len(work.ids), 20):
            tickets.leave_deliveries([routing.Routed(work.tier, f"{work.path}{at}", work.ids[at : at + 20])])
    publisher.publisher().flush()


def wait_until_all_listen() -> None:
    """Each worker waits for tickets in one blocked call."""
    client = redis.Redis.from_url(read_settings().redis_url)
    until, pause = time.monotonic() + 60, threading.Event()
    while sum(each["cmd"].lower() == "brpop" for each in client.client_list()) < 4:
        assert time.monotonic() < until, "the workers do not start"
        pause.wait(0.05)


def delivered() -> int:
    with transaction() as connection:
        return int(rows(connection, "SELECT count(*) AS n FROM messages WHERE status = 'delivered'")[0].n)


def test_workers_run_into_a_limit_again_and_again(workers: None, receiver: Receiver) -> None:
    wait_until_all_listen()
    send()
    scheduler = Rounds(read_settings(time_scale=10.0), engine())
    until, pause = time.monotonic() + 110, threading.Event()
    while delivered() < MAILS:
        assert time.monotonic() < until, f"{delivered()} of {MAILS} are delivered"
        scheduler.run()
        pause.wait(0.2)
    with transaction() as connection:
        found = rows(connection, "SELECT state, count(*) AS n FROM attempts GROUP BY state")
        states = {row.state: row.n for row in found}
        assert rows(connection, "SELECT * FROM invariant_violations") == []
    assert receiver.peak == 5
    assert 0 < states.get("deferred", 0) <= 0.17 * sum(states.values())
    assert states["delivered"] == MAILS == len(receiver.taken)
    learned = receiver.turned_away[0] + LEARNING_SECONDS
    assert [moment for moment in receiver.turned_away if moment > learned] == []
    assert sum(moment > learned for moment, _ in receiver.taken) > 50
