"""The quota bound under bursts, refusals and lost engines."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from redis import Redis

from common import clock, limits
from common.config import read_settings
from common.limits import WINDOW, Limiter, LocalBuckets


@pytest.fixture
def limiter(engines: Any) -> Limiter:
    Redis.from_url(engines.redis_url).flushdb()
    return Limiter(read_settings())


def test_a_burst_from_many_threads_never_passes_the_limit(limiter: Limiter) -> None:
    with ThreadPoolExecutor(16) as pool:
        verdicts = list(pool.map(lambda _: limiter.take("burst", 50), range(200)))
    assert sum(each.allowed for each in verdicts) == 50


def test_a_refusal_takes_nothing_and_names_a_time(limiter: Limiter) -> None:
    assert limiter.take("n", 5, 4).remaining == 1
    refused = limiter.take("n", 5, 2)
    assert not refused.allowed
    assert refused.remaining == 1
    assert WINDOW - 1 <= refused.wait <= WINDOW + 1
    assert limiter.take("n", 5, 1).allowed


def test_looking_takes_nothing(limiter: Limiter) -> None:
    for _ in range(3):
        assert limiter.take("look", 2, 0).remaining == 2


def test_old_seconds_leave_the_window(limiter: Limiter, engines: Any) -> None:
    redis: Any = Redis.from_url(engines.redis_url)
    now = int(redis.time()[0])
    redis.hset("limit:old", mapping={str(now - 70): 3, str(now - 30): 2, "n": 5, "t": now - 12})
    verdict = limiter.take("old", 5)
    assert verdict.allowed
    assert verdict.remaining == 2
    full = limiter.take("old", 5, 3)
    assert not full.allowed
    assert full.reset == now - 30 + 61


def test_a_window_that_passed_whole_is_forgotten(limiter: Limiter, engines: Any) -> None:
    redis: Any = Redis.from_url(engines.redis_url)
    now = int(redis.time()[0])
    redis.hset("limit:gone", mapping={str(now - 90): 5, "n": 5, "t": now - 90})
    assert limiter.take("gone", 5).remaining == 4


@pytest.mark.parametrize(("later", "allowed"), [(60, False), (61, True)])
def test_the_local_stand_in_keeps_the_same_bound(later: int, allowed: bool) -> None:
    buckets = LocalBuckets()
    assert buckets.take("a", 2, 2, 1000).remaining == 0
    assert buckets.take("a", 2, 1, 1000).reset == 1061
    assert buckets.take("a", 2, 1, 1000 + later).allowed is allowed


def test_what_is_taken_ahead_never_passes_the_limit(engines: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "AHEAD_FROM", 1)
    Redis.from_url(engines.redis_url).flushdb()
    limiters = [Limiter(read_settings()) for _ in range(2)]
    began = clock.monotonic()
    with ThreadPoolExecutor(8) as pool:
        verdicts = list(pool.map(lambda number: limiters[number % 2].take("busy", 2000), range(2400)))
    allowed = sum(each.allowed for each in verdicts)
    lost = 20 * len(limiters) * (clock.monotonic() - began + 1)  # what is left over of a second's last call
    assert 2000 - lost <= allowed <= 2000
    assert min(each.remaining for each in verdicts) == 0


def test_a_busy_set_is_asked_for_many_at_once(engines: Any) -> None:
    Redis.from_url(engines.redis_url).flushdb()
    limiter = Limiter(read_settings())
    calls = []
    asked = limiter._run
    limiter._run = lambda *given: calls.append(given) or asked(*given)  # type: ignore[func-returns-value,method-assign]
    for _ in range(400):
        assert limiter.take("many", 100_000).allowed
    assert len(calls) < 100
    assert sum(cost for _, _, cost in calls) >= 400
