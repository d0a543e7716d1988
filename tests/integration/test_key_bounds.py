"""Quotas and keys at their edges: the bound in any 60 seconds, Redis gone, a revocation elsewhere, equal work for
wrong keys. S12, E1, E2.
"""

import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis import Redis

from api import create_app
from common import clock, limits
from common.config import current_settings, read_settings
from common.db import session
from common.domain.errors import Unauthenticated
from common.limits import LocalBuckets
from common.services import keys, quickstart

STEPS = st.lists(
    st.tuples(st.sampled_from([0, 0, 1, 1, 7, 29, 59, 60, 61, 200]), st.integers(0, 999_999), st.integers(1, 4)),
    min_size=1, max_size=40,
)  # fmt: skip


@pytest.fixture
def tokens(database: None, engines: Any) -> Iterator[dict[str, str]]:
    Redis.from_url(engines.redis_url).flushdb()
    keys.forget()
    with session.transaction() as connection:
        made = quickstart.prepare(connection, current_settings())
    yield made
    keys.forget()


def check_bound(steps: list[tuple[int, int, int]], limit: int, take: Callable[[int, int], tuple[bool, int]]) -> None:
    """Requests at these times: never more than `limit` in any 60 seconds, and the promised time is kept."""
    second, admitted, promised = 1_000_000, [], 0
    for ahead, micros, cost in steps:
        second += ahead
        allowed, reset = take(second, cost)
        if allowed:
            admitted.append((second + micros / 1e6, cost))
        elif cost == 1:
            assert reset > second, "a refused caller is told a time that has passed"
            promised = reset
    for moment, _ in admitted:
        within = sum(cost for other, cost in admitted if moment <= other < moment + 60)
        assert within <= limit, f"{within} of {limit} in the 60 seconds from {moment}"
    if promised > second:
        assert take(promised, 1)[0], "one request at the promised time is refused"


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS, limit=st.integers(4, 9))
def test_s12_the_bound_breaks_in_redis(engines: Any, steps: list[tuple[int, int, int]], limit: int) -> None:
    redis: Any = Redis.from_url(engines.redis_url)
    redis.delete("limit:bound")
    timed = limits._SCRIPT.replace("redis.call('TIME')", "{ARGV[3], '0'}")
    assert timed != limits._SCRIPT
    script = redis.register_script(timed)

    def take(second: int, cost: int) -> tuple[bool, int]:
        allowed, _, reset, *_ = script(keys=["limit:bound"], args=[limit, cost, second])
        return bool(allowed), int(reset)

    check_bound(steps, limit, take)


@settings(max_examples=150, deadline=None)
@given(steps=STEPS, limit=st.integers(4, 9))
def test_s12_the_bound_breaks_without_redis(steps: list[tuple[int, int, int]], limit: int) -> None:
    buckets = LocalBuckets()

    def take(second: int, cost: int) -> tuple[bool, int]:
        verdict = buckets.take("bound", limit, cost, second)
        return verdict.allowed, verdict.reset

    check_bound(steps, limit, take)


def test_s13_a_quota_without_redis_is_no_quota_or_an_error(tokens: dict[str, str]) -> None:
    with session.transaction() as connection:
        connection.exec_driver_sql("UPDATE accounts SET requests_per_minute = 6")
    gone = read_settings(redis_url="redis://127.0.0.1:1/0", api_processes=2)
    client = create_app(gone).test_client()
    answers = [client.get("/v1/messages", headers={"Authorization": f"Bearer {tokens['live_key']}"}) for _ in range(5)]
    assert [answer.status_code for answer in answers] == [200] * 3 + [429] * 2, "each of two processes has half"
    for answer in answers:
        assert answer.headers["X-RateLimit-Degraded"] == "1"
        assert answer.headers["X-RateLimit-Limit"] == "3"
        assert int(answer.headers["X-RateLimit-Reset"]) > clock.now().timestamp()
    assert answers[-1].headers["Retry-After"] == answers[-1].headers["RateLimit"].rpartition("t=")[2]


def test_a_key_passes_its_own_limit_or_spends_the_accounts(tokens: dict[str, str]) -> None:
    client = create_app(read_settings()).test_client()
    owner = {"Authorization": f"Bearer {tokens['live_key']}"}
    made = client.post(
        "/v1/api-keys", json={"scopes": ["messages:read"], "requests_per_minute": 3}, headers=owner
    ).get_json()
    own = {"Authorization": f"Bearer {made['secret']}"}
    statuses = [client.get("/v1/messages", headers=own).status_code for _ in range(5)]
    assert statuses == [200] * 3 + [429] * 2
    assert client.get("/v1/messages", headers=owner).status_code == 200


ELSEWHERE = """
import sys, time
from common.domain.errors import Unauthenticated
from common.services import keys
keys.authenticate(sys.argv[1], "127.0.0.1")
print("known", flush=True)
sys.stdin.readline()
until = time.monotonic() + 20
while time.monotonic() < until:
    try:
        keys.authenticate(sys.argv[1], "127.0.0.1")
    except Unauthenticated:
        print("refused", flush=True)
        break
    time.sleep(0.05)
"""


def test_e1_a_revoked_key_goes_on_in_another_process(tokens: dict[str, str]) -> None:
    token = tokens["live_key"]
    with subprocess.Popen(
        [sys.executable, "-c", ELSEWHERE, token], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdin is not None and other.stdout is not None
        assert other.stdout.readline() == "known\n"
        with session.transaction() as connection:
            assert keys.revoke(connection, token[12:20], now=clock.now())
        began = clock.monotonic()
        other.stdin.write("\n")
        other.stdin.flush()
        assert other.stdout.readline() == "refused\n"
        assert clock.monotonic() - began <= keys.CACHE_SECONDS + 1
    with pytest.raises(Unauthenticated):
        keys.authenticate(token, "127.0.0.1")


def _wrong(token: str, *, kid: bool) -> str:
    """The same form and a right checksum, with another public part or another secret."""
    body = token[:-6]
    at = 12 if kid else 20
    body = body[:at] + ("b" if body[at] != "b" else "c") + body[at + 1 :]
    return body + keys._checksum(body)


def test_e2_the_work_tells_which_keys_exist(tokens: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    token, done = tokens["live_key"], []
    compare, digest, rows = keys.hmac.compare_digest, keys.hmac.digest, keys.rows

    def watched(name: str, work: Callable[..., Any]) -> Callable[..., Any]:
        def watch(*arguments: Any) -> Any:
            done.append((name, [len(each) for each in arguments if isinstance(each, bytes)]))
            return work(*arguments)

        return watch

    monkeypatch.setattr(keys.hmac, "compare_digest", watched("compare", compare))
    monkeypatch.setattr(keys.hmac, "digest", watched("digest", digest))
    monkeypatch.setattr(keys, "rows", watched("read", rows))
    traces = []
    for wrong in (_wrong(token, kid=True), _wrong(token, kid=False)):
        keys.forget()
        done.clear()
        with pytest.raises(Unauthenticated):
            keys.authenticate(wrong, "127.0.0.1")
        traces.append(list(done))
    assert traces[0] == traces[1], "an unknown key and a wrong secret are not the same work"
    assert [name for name, _ in traces[0]] == ["digest", "read", "compare", "compare"]
