"""Request limits: a true sliding bound of 61 one-second buckets, in Redis, with a local stand-in.

Never here: whose limit it is, or HTTP. Redis being away never raises and never means "unlimited".
"""

import math
import threading
from dataclasses import dataclass, field, replace
from typing import Any

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, RedisError
from redis.retry import Retry

from common import clock
from common.config import Settings

WINDOW = 60
BREAKER_SECONDS = 2.0
_LOCAL_BUCKETS = 10_000

# One hash per bucket set: a field per second, `n` their sum, `t` the second up to which old ones are gone.
# The window is the current, partial second and the 60 full ones before it. A refusal takes nothing.
_SCRIPT = """
local time = redis.call('TIME')
local now = tonumber(time[1])
local limit, cost = tonumber(ARGV[1]), tonumber(ARGV[2])
local state = redis.call('HMGET', KEYS[1], 'n', 't')
local used, last = tonumber(state[1] or '0'), tonumber(state[2] or '0')
if last > now then now = last end
if used > 0 and now - last > 60 then
  redis.call('DEL', KEYS[1])
  used = 0
elseif used > 0 and now > last then
  for second = last - 60, now - 61 do
    local old = redis.call('HGET', KEYS[1], second)
    if old then
      used = used - tonumber(old)
      redis.call('HDEL', KEYS[1], second)
    end
  end
  redis.call('HSET', KEYS[1], 'n', used, 't', now)
end
local allowed = used + cost <= limit
if allowed and cost > 0 then
  redis.call('HINCRBY', KEYS[1], now, cost)
  used = used + cost
  redis.call('HSET', KEYS[1], 'n', used, 't', now)
  redis.call('EXPIRE', KEYS[1], 122)
end
local reset = now + 61
if used >= limit or not allowed then
  local free = limit - used
  for second = now - 60, now do
    local count = redis.call('HGET', KEYS[1], second)
    if count then
      free = free + tonumber(count)
      if free >= math.max(cost, 1) then reset = second + 61 break end
    end
  end
end
return {allowed and 1 or 0, math.max(limit - used, 0), reset, now, tonumber(time[2])}
"""


@dataclass(frozen=True, slots=True)
class Verdict:
    """`reset` is Unix seconds: one request sent then is admitted. `wait` is the same as seconds from now."""

    allowed: bool
    limit: int
    remaining: int
    reset: int
    wait: int
    degraded: bool = False


class LocalBuckets:
    """The same bound inside one process."""

    def __init__(self) -> None:
        self._buckets: dict[str, dict[int, int]] = {}
        self._lock = threading.Lock()

    def take(self, name: str, limit: int, cost: int, now: int) -> Verdict:
        with self._lock:
            if name not in self._buckets and len(self._buckets) >= _LOCAL_BUCKETS:
                self._buckets.pop(next(iter(self._buckets)))
            seconds = self._buckets.setdefault(name, {})
            for old in [second for second in seconds if second < now - WINDOW]:
                del seconds[old]
            used = sum(seconds.values())
            allowed = used + cost <= limit
            if allowed and cost:
                seconds[now] = seconds.get(now, 0) + cost
                used += cost
            reset = _reset(seconds, limit - used, max(cost, 1), now)
        return Verdict(allowed, limit, max(limit - used, 0), reset, max(reset - now, 1), True)


def _reset(seconds: dict[int, int], free: int, wanted: int, now: int) -> int:
    if free >= wanted:
        return now + WINDOW + 1
    for second in sorted(seconds):
        free += seconds[second]
        if free >= wanted:
            return second + WINDOW + 1
    return now + WINDOW + 1


AHEAD_FROM = 10_000
"""Limits under it are counted one by one, to the last request."""

AHEAD_MOST = 100


class Ahead:
    """What this process has taken from one bucket set before anybody asked: busy sets only, never near the limit.

    A set that gave `n` within the last second is taken from `n / 8` at a time, so that one call serves many
    requests. It is used in the second of Redis's clock it was counted in, so the bound stays exact; what is
    then left over is lost to the caller. Not thread-safe.
    """

    def __init__(self) -> None:
        self._left, self._until = 0, 0.0
        self._verdict: Verdict | None = None
        self._since, self._used, self._pace = 0.0, 0, 0

    def take(self, cost: int, now: float) -> Verdict | None:
        """A verdict from what was taken ahead; None when Redis has to be asked."""
        if now - self._since >= 1.0:
            self._pace = self._used if now - self._since < 2.0 else 0
            self._since, self._used = now, 0
        self._used += cost
        if self._left < cost or now >= self._until or self._verdict is None:
            return None
        self._left -= cost
        given = self._verdict
        return Verdict(True, given.limit, given.remaining + self._left, given.reset, given.wait)

    def more(self, limit: int) -> int:
        """How much to take beyond what is asked for now."""
        if limit < AHEAD_FROM or self._verdict is None or self._verdict.remaining < limit // 5:
            return 0
        return min(max(self._pace, self._used) // 8, limit // 100, AHEAD_MOST)

    def keep(self, more: int, verdict: Verdict, until: float) -> None:
        """What a call that took `more` beyond its need has brought, and when its second ends."""
        self._left, self._verdict, self._until = more, verdict, until


@dataclass(slots=True)
class _Asking:
    """A request that waits for the quota call that another thread makes for it."""

    cost: int
    done: threading.Event
    verdict: Verdict | None = None
    together: list["_Asking"] = field(default_factory=list)


class Limiter:
    """`take` answers within half a second whatever Redis does.

    Requests of one bucket set that come while its call is in flight share the next one.
    """

    def __init__(self, settings: Settings) -> None:
        self._processes = max(settings.api_processes, 1)
        self._local = LocalBuckets()
        self._open_until = 0.0
        self._redis: Any = None
        self._sha = ""
        self._asking: dict[tuple[str, int], list[_Asking]] = {}
        self._ahead: dict[tuple[str, int], Ahead] = {}
        self._lock = threading.Lock()
        if settings.redis_url:
            self._redis = Redis.from_url(
                settings.redis_url,
                socket_timeout=0.5,
                socket_connect_timeout=0.5,
                retry=Retry(NoBackoff(), 0),
                max_connections=max(settings.api_threads * 2, 8),
            )

    def take(self, name: str, limit: int, cost: int = 1) -> Verdict:
        """Take `cost` from the bucket set `name`, or refuse and take nothing. `cost` 0 only looks."""
        with self._lock:
            ready = self._ahead_of(name, limit).take(cost, clock.monotonic()) if cost else None
            if ready is not None:
                return ready
            asking = _Asking(cost, threading.Event())
            others = self._asking.get((name, limit))
            if others is None:
                self._asking[name, limit] = []
            else:
                others.append(asking)
        if others is None:
            try:
                return self._ask(name, limit, cost)
            finally:
                self._hand_over(name, limit)
        asking.done.wait()
        if asking.together:
            try:
                self._settle(name, limit, asking.together)
            finally:
                self._hand_over(name, limit)
                for other in asking.together[1:]:
                    other.done.set()
        return asking.verdict or self._ask(name, limit, cost)

    def _ahead_of(self, name: str, limit: int) -> Ahead:
        """Under the lock."""
        found = self._ahead.get((name, limit))
        if found is None:
            if len(self._ahead) >= _LOCAL_BUCKETS:
                self._ahead.pop(next(iter(self._ahead)))
            found = self._ahead[name, limit] = Ahead()
        return found

    def _hand_over(self, name: str, limit: int) -> None:
        """The first of those who came meanwhile asks next, for all of them: nobody serves others for long."""
        with self._lock:
            together = self._asking.pop((name, limit))
            if together:
                self._asking[name, limit] = []
        if together:
            together[0].together = together
            together[0].done.set()

    def _settle(self, name: str, limit: int, together: list[_Asking]) -> None:
        """One call for all. When they do not all fit, each asks for itself."""
        cost = sum(asking.cost for asking in together)
        with self._lock:
            ready = self._ahead_of(name, limit).take(cost, clock.monotonic()) if cost else None
        verdict = ready or self._ask(name, limit, cost)
        if not verdict.allowed:
            return
        behind = 0
        for asking in reversed(together):
            asking.verdict = replace(verdict, remaining=verdict.remaining + behind)
            behind += asking.cost

    def _ask(self, name: str, limit: int, cost: int) -> Verdict:
        with self._lock:
            more = self._ahead_of(name, limit).more(limit) if cost else 0
        verdict = self._call(name, limit, cost, more) if more else None
        return verdict if verdict is not None and verdict.allowed else self._call(name, limit, cost)

    def _call(self, name: str, limit: int, cost: int, more: int = 0) -> Verdict:
        began = clock.monotonic()
        if self._redis is not None and began >= self._open_until:
            try:
                allowed, remaining, reset, now, micros = self._run(name, limit, cost + more)
                verdict = Verdict(bool(allowed), limit, remaining, reset, max(reset - now, 1))
                with self._lock:
                    self._ahead_of(name, limit).keep(more if allowed else 0, verdict, began + 1 - micros / 1e6)
                return replace(verdict, remaining=remaining + more) if allowed and more else verdict
            except (RedisError, OSError):
                self._open_until = clock.monotonic() + BREAKER_SECONDS
        share = math.ceil(limit / self._processes)
        return self._local.take(name, share, cost, int(clock.now().timestamp()))

    def _run(self, name: str, limit: int, cost: int) -> Any:
        if not self._sha:
            self._sha = self._redis.script_load(_SCRIPT)
        try:
            return self._redis.evalsha(self._sha, 1, f"limit:{name}", limit, cost)
        except NoScriptError:
            return self._redis.eval(_SCRIPT, 1, f"limit:{name}", limit, cost)

    def is_reachable(self) -> bool:
        """Whether Redis answers a PING now."""
        try:
            return self._redis is not None and bool(self._redis.ping())
        except (RedisError, OSError):
            return False
