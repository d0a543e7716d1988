"""Threat B7: whatever a receiver does, mail to it ends in the state the table names, in bounded time and memory."""

import tracemalloc

import pytest

from common.clock import monotonic
from tests.fakes.hostile import MEGABYTE, RECEIVERS, Hostile
from tests.fakes.scripted import Scripted
from workers.delivery.smtp import ConnectFailed, Deadlines, Mail, Target, connect

QUICK = Deadlines(connect=2, banner=1, ehlo=1, envelope=1, data=1, block=1, dot=1, session=5)
MOST_SECONDS = 4.0
MOST_BYTES = 2 * MEGABYTE
SMALL = Mail("m1", "a@example.com", ("b@example.net",), b"Subject: x\r\n\r\nhello\r\n")
BIG = Mail("m1", "a@example.com", ("b@example.net",), b"Subject: x\r\n\r\n" + b"hello hello hello hello\r\n" * 340_000)


def test_there_are_fewer_than_were_promised() -> None:
    assert len({each.name for each in RECEIVERS}) == 25


@pytest.mark.parametrize("hostile", RECEIVERS, ids=[each.name.replace(" ", "-") for each in RECEIVERS])
def test_a_hostile_receiver_gets_its_way(hostile: Hostile) -> None:
    with Scripted(hostile.script) as server:
        target = Target("127.0.0.1", server.port, tls=hostile.tls)
        since, connection = monotonic(), None
        tracemalloc.start()
        try:
            connection = connect(target, QUICK)
            ((_, outcome),) = connection.send([BIG if hostile.big else SMALL], lambda _: True)
        except ConnectFailed as problem:
            outcome = problem.outcome
        finally:
            _, peak = tracemalloc.get_traced_memory()
            tracemalloc.stop()
        assert (outcome.kind, outcome.stage, outcome.category) == hostile.ends, outcome
        assert monotonic() - since < MOST_SECONDS
        assert peak < MOST_BYTES, f"{peak} bytes"
        assert connection is None or not connection.usable, "another mail would follow on a confused connection"
        assert len(outcome.transcript) <= 96 and all(len(line) <= 300 for _, _, line in outcome.transcript)
