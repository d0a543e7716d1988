"""Limits that all workers share: connections, rate, what they learn, and what is left when a worker or Redis goes."""

import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import replace

import pytest
import redis

from common.config import read_settings
from common.pacing import Feedback, Level, Paces, Scope, keys_of

pytestmark = pytest.mark.usefixtures("engines")


def a_scope(connections: int = 5, per_second: float = 10_000.0, start: int | None = None) -> Scope:
    key = uuid.uuid4().hex
    return Scope("source", key, "example", (Level(key, connections, per_second, start or connections),))


@pytest.fixture
def paces() -> Iterator[Paces]:
    yield Paces(read_settings(), uuid.uuid4().hex)


def hold(paces: Paces, scope: Scope, count: int, *, tier: int = 0) -> list[str]:
    leases = [paces.new_lease() for _ in range(count)]
    for lease in leases:
        assert paces.take(scope, lease, 1, tier=tier).count == 1
    return leases


def test_workers_together_open_more_than_the_limit() -> None:
    scope, most, now = a_scope(5), 0, 0
    count = threading.Lock()

    def work() -> None:
        nonlocal most, now
        mine = Paces(read_settings(), uuid.uuid4().hex)
        for _ in range(40):
            lease = mine.new_lease()
            if mine.take(scope, lease, 1, tier=0).count:
                with count:
                    now += 1
                    most = max(most, now)
                with count:
                    now -= 1
                mine.finish(scope, lease, Feedback(good=1))

    workers = [threading.Thread(target=work) for _ in range(8)]
    for each in workers:
        each.start()
    for each in workers:
        each.join()
    assert most <= 5


def test_bulk_takes_the_last_connection_from_a_password(paces: Paces) -> None:
    scope = a_scope(5)
    hold(paces, scope, 4, tier=2)
    refused = paces.take(scope, paces.new_lease(), 1, tier=2)
    assert (refused.count, refused.limit, refused.used) == (0, "connections", 4)
    assert paces.take(scope, paces.new_lease(), 1, tier=0).count == 1
    assert paces.take(scope, paces.new_lease(), 1, tier=0).limit == "connections"


def test_bulk_uses_up_the_rate_of_a_password(paces: Paces) -> None:
    scope = a_scope(100, per_second=2.0)
    lease = paces.new_lease()
    assert paces.take(scope, lease, 10, tier=2).count == 1
    assert paces.take(scope, lease, 10, tier=2).limit == "rate"
    assert paces.take(scope, paces.new_lease(), 5, tier=0).count == 5


def test_the_rate_is_missed_by_more_than_two_percent() -> None:
    scope = a_scope(100, per_second=100.0)
    done: list[float] = []
    until = time.monotonic() + 2.5

    def work() -> None:
        mine = Paces(read_settings(), uuid.uuid4().hex)
        lease, pause = mine.new_lease(), threading.Event()
        while time.monotonic() < until:
            grant = mine.take(scope, lease, 16, tier=1)
            done.extend([time.monotonic()] * grant.count)
            pause.wait(grant.wait)

    workers = [threading.Thread(target=work) for _ in range(4)]
    for each in workers:
        each.start()
    for each in workers:
        each.join()
    # From the second half second on: the first holds the one burst that is allowed.
    since = min(done) + 0.5
    counted = [each for each in done if each >= since]
    rate = (len(counted) - 1) / (max(counted) - since)
    assert abs(rate - 100.0) / 100.0 < 0.02


def test_two_levels_are_limited_by_one(paces: Paces) -> None:
    site, other, wide = (Level(uuid.uuid4().hex, most, 10_000.0, most) for most in (5, 5, 6))
    one, two = Scope("s", "p", "n", (site, wide)), Scope("s", "p", "n", (other, wide))
    hold(paces, one, 5)
    assert paces.take(one, paces.new_lease(), 1, tier=0).key == site.key
    hold(paces, two, 1)
    refused = paces.take(two, paces.new_lease(), 1, tier=0)
    assert (refused.limit, refused.key, refused.most) == ("connections", wide.key, 6.0)


def test_a_limit_that_a_server_has_shown_is_forgotten_at_once(paces: Paces) -> None:
    scope = a_scope(10)
    leases = hold(paces, scope, 6)
    paces.finish(scope, leases.pop(), Feedback(bad=1, crowded=True, throttled=True))
    assert paces.take(scope, paces.new_lease(), 1, tier=0).most == 5.0
    for lease in leases:
        paces.finish(scope, lease, Feedback(good=500))
    hold(paces, scope, 5)
    assert paces.take(scope, paces.new_lease(), 1, tier=0).limit == "connections"


def test_success_raises_a_limit_nobody_uses_and_failure_lowers_nothing(paces: Paces) -> None:
    scope = a_scope(10, start=4)
    idle = hold(paces, scope, 1)
    paces.finish(scope, idle[0], Feedback(good=100))
    leases = hold(paces, scope, 4)
    assert paces.take(scope, paces.new_lease(), 1, tier=0).most == 4.0
    paces.finish(scope, leases.pop(), Feedback(good=4))
    hold(paces, scope, 2)
    assert paces.take(scope, paces.new_lease(), 1, tier=0).most == 5.0
    paces.finish(scope, leases.pop(), Feedback(bad=6))
    assert paces.take(scope, paces.new_lease(), 1, tier=0).most == 3.0


def test_a_server_that_lets_nobody_in_is_asked_again_at_once(paces: Paces) -> None:
    scope = a_scope()
    for rest in (2.0, 4.0):
        lease = paces.new_lease()
        paces.take(scope, lease, 1, tier=0)
        paces.finish(scope, lease, Feedback(bad=1, throttled=True))
        refused = paces.take(scope, paces.new_lease(), 1, tier=0)
        assert refused.limit == "rest" and rest - 0.5 < refused.wait < rest + 0.1
        redis.Redis.from_url(read_settings().redis_url).hdel(keys_of(scope)[0], "rest_until")
    lease = paces.new_lease()
    paces.take(scope, lease, 1, tier=0)
    paces.finish(scope, lease, Feedback(good=1))
    assert paces.take(scope, paces.new_lease(), 1, tier=0).count == 1


def test_a_host_that_is_away_costs_every_message_its_attempts(paces: Paces) -> None:
    """Four times over everybody who may try has found nobody: then one probe a rest, and each rest is longer."""
    scope = a_scope(1)
    tried, rests = 0, []
    while len(rests) < 3:
        lease = paces.new_lease()
        grant = paces.take(scope, lease, 1, tier=0)
        if grant.count:
            tried += 1
            paces.finish(scope, lease, Feedback(bad=1, lost=1))
        else:
            assert grant.limit == "rest"
            rests.append(round(grant.wait))
            redis.Redis.from_url(read_settings().redis_url).hdel(keys_of(scope)[0], "rest_until")
    assert (tried, rests) == (6, [2, 4, 8])
    lease = paces.new_lease()
    paces.take(scope, lease, 1, tier=0)
    paces.finish(scope, lease, Feedback(good=1))
    assert paces.take(scope, paces.new_lease(), 1, tier=0).count == 1


def test_who_comes_last_goes_first(paces: Paces) -> None:
    scope = a_scope(100, per_second=10.0)
    assert paces.park(scope, 20, tier=2)[0] <= 0.1
    assert paces.take(scope, paces.new_lease(), 1, tier=2).limit == "queue"
    first, step = paces.park(scope, 1, tier=2)
    assert (1.9 < first <= 2.0, step) == (True, 100.0 / 1000)
    assert paces.take(scope, paces.new_lease(), 1, tier=2, woken=True).count == 1
    assert paces.take(scope, paces.new_lease(), 1, tier=0).count == 1


def test_connections_are_opened_faster_than_a_minute_bears(paces: Paces) -> None:
    """A tenth at once, then one after the other; a password may have as many again; who is let in goes on."""
    level = Level(uuid.uuid4().hex, 100, 10_000.0, 100, connects_per_minute=30)
    scope = Scope("source", level.key, "example", (level,))
    for _ in range(3):
        lease = paces.new_lease()
        assert paces.take(scope, lease, 1, tier=2).count == 1
        paces.finish(scope, lease, Feedback(good=1))
    refused = paces.take(scope, paces.new_lease(), 1, tier=2)
    assert (refused.limit, refused.most, 1.0 < refused.wait <= 60.0 / 27) == ("connects", 30.0, True)
    assert paces.room(scope), "who waits may look again: it is not the connections that are lacking"
    held = hold(paces, scope, 3, tier=0)
    assert paces.take(scope, paces.new_lease(), 1, tier=0).limit == "connects"
    assert paces.take(scope, held[0], 5, tier=0).limit == "connects", "nor over one that is to be opened again"


def test_connections_that_are_opened_again_are_not_counted(paces: Paces) -> None:
    level = Level(uuid.uuid4().hex, 100, 10_000.0, 100, connects_per_minute=100)
    scope = Scope("source", level.key, "example", (level,))
    [lease] = hold(paces, scope, 1, tier=2)
    assert paces.take(scope, lease, 5, tier=2, opened=3).count == 5
    paces.finish(scope, lease, Feedback(good=5, opened=5))
    taken = [paces.take(scope, paces.new_lease(), 1, tier=2) for _ in range(3)]
    assert [grant.limit for grant in taken] == ["", "connects", "connects"]


def test_a_provider_that_bears_few_failures_gets_as_many_as_another(paces: Paces) -> None:
    """Google bears five in a row: the sixth comes after a rest."""
    level = Level(uuid.uuid4().hex, 5, 10_000.0, 5, failed_connects=5)
    scope = Scope("source", level.key, "google", (level,))
    for _ in range(5):
        lease = paces.new_lease()
        assert paces.take(scope, lease, 1, tier=0).count == 1
        paces.finish(scope, lease, Feedback(lost=1))
    assert paces.take(scope, paces.new_lease(), 1, tier=0).limit == "rest"


def test_without_redis_connections_are_opened_at_any_pace() -> None:
    paces = Paces(replace(read_settings(), redis_url="redis://127.0.0.1:1"), "alone")
    level = Level(uuid.uuid4().hex, 100, 10_000.0, 100, connects_per_minute=60)
    scope = Scope("source", level.key, "example", (level,))
    assert paces.take(scope, "1", 1, tier=0).count == 1
    assert paces.take(scope, "2", 1, tier=0).limit == "connects"
    assert paces.take(scope, "1", 1, tier=0).count == 1


_HOLDER = """
import sys
from common.config import read_settings
from common.pacing import Level, Paces, Scope
key = sys.argv[1]
paces = Paces(read_settings(), "killed")
scope = Scope("source", key, "example", (Level(key, 1, 1000.0, 1),))
print(paces.take(scope, paces.new_lease(), 1, tier=0).count, flush=True)
sys.stdin.read()
"""


def test_a_killed_workers_lease_lasts_or_a_living_ones_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENDARIX_PACING_LEASE_SECONDS", "2")
    scope = a_scope(1)
    holder = subprocess.Popen(
        [sys.executable, "-c", _HOLDER, scope.levels[0].key], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert holder.stdout is not None and holder.stdout.readline() == "1\n"
        paces = Paces(read_settings(), "other")
        living, pause = time.monotonic() + 2.6, threading.Event()
        while time.monotonic() < living:
            assert paces.take(scope, paces.new_lease(), 1, tier=0).limit == "connections"
            pause.wait(0.1)
    finally:
        holder.kill()
        holder.wait()
    killed = time.monotonic()
    while not paces.take(scope, "mine", 1, tier=0).count:
        assert time.monotonic() < killed + 8.0
        pause.wait(0.02)


def test_without_redis_a_worker_stops_or_knows_no_limit() -> None:
    paces = Paces(replace(read_settings(), redis_url="redis://127.0.0.1:1"), "alone")
    scope = a_scope(6, per_second=4.0)
    taken = [paces.take(scope, paces.new_lease(), 1, tier=0) for _ in range(5)]
    assert [grant.count for grant in taken[:1]] == [1]
    assert {grant.limit for grant in taken if not grant.count} <= {"connections", "rate"}
    assert sum(grant.count for grant in taken) <= 3
    lease = "0"
    paces.finish(scope, lease, Feedback())


def test_an_idle_connection_keeps_out_those_who_wait(paces: Paces) -> None:
    scope = a_scope(10)
    [lease] = hold(paces, scope, 1)
    assert paces.finish(scope, lease, Feedback(good=1), keep_seconds=5.0) == (True, False)
    assert paces.take(scope, lease, 1, tier=0).count == 1
    narrow = a_scope(2)
    [lease] = hold(paces, narrow, 1)
    assert paces.finish(narrow, lease, Feedback(good=1), keep_seconds=5.0)[0] is False
    assert paces.take(narrow, paces.new_lease(), 1, tier=2).limit == "connections"
    paces.finish(narrow, lease, Feedback())
    assert paces.take(narrow, paces.new_lease(), 1, tier=2).count == 1
