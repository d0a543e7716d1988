"""Shared pacing of destinations: leases of connections, a message rate, and limits that learn. One Lua call a batch.

All workers share the state in Redis. A lease ends by itself `LEASE_SECONDS` after its last renewal, so a
killed worker's connections are free again. Redis being away never raises and never means "unlimited": each
process then keeps to its share alone. Never here: whose limits they are, SMTP, or SQL.
"""

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, RedisError
from redis.retry import Retry

from common import clock
from common.config import Settings
from common.pacing_scripts import FINISH, LOOK, MARK, PARK, RENEW, TAKE
from common.pacing_values import Feedback as Feedback
from common.pacing_values import Grant as Grant
from common.pacing_values import Level as Level
from common.pacing_values import Scope as Scope
from common.pacing_values import Use as Use

BREAKER_SECONDS = 2.0
CEILING_SECONDS = 600.0
"""How long a limit that a server has shown is not tried again."""

REST_SECONDS = 2.0
"""The first rest of a server that lets nobody in or is away; each next one is twice as long, up to 30 times this."""


@dataclass(slots=True)
class _Local:
    """A level without Redis."""

    held: set[str]
    tat: float = 0.0
    connect_tat: float = 0.0


class Paces:
    """Thread-safe, one per process. Every call answers within half a second whatever Redis does."""

    def __init__(self, settings: Settings, owner: str) -> None:
        self._settings, self._owner = settings, owner
        self._open_until = 0.0
        self._redis: Any = None
        self._shas: dict[str, str] = {}
        self._held: dict[str, Scope] = {}
        self._local: dict[str, _Local] = {}
        self._peers = 2
        self._count = 0
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        if settings.redis_url:
            self._redis = Redis.from_url(
                settings.redis_url,
                socket_timeout=0.5,
                socket_connect_timeout=0.5,
                retry=Retry(NoBackoff(), 0),
                max_connections=64,
            )

    def new_lease(self) -> str:
        with self._lock:
            self._count += 1
            return f"{self._owner}:{self._count}"

    def take(
        self, scope: Scope, lease: str, wanted: int, *, tier: int, woken: bool = False, good: int = 0, opened: int = 0
    ) -> Grant:
        """Up to `wanted` mails over the connection `lease`, which is taken if it is not held yet.

        `woken`: they have waited for this. `good`: mails since the last call that show a working host; `opened`:
        connections since then, beyond the one that comes with a new lease. One connection and a little rate are kept
        for tier 0.
        """
        arguments = [lease, tier, wanted, int(woken), self._lease_ms, good, opened, *_limits(scope)]
        found = self._ask(TAKE, scope, arguments)
        if found is None:
            return self._take_alone(scope, lease, wanted)
        count, limit, level, used, most, wait = found
        if count:
            self._hold(lease, scope)
            return Grant(int(count), queued=bool(level), mark=int(most), room=bool(used))
        key = scope.levels[int(level) - 1].key
        return Grant(0, limit.decode(), key, int(used), float(most), float(wait) / 1000)

    def park(self, scope: Scope, count: int, *, tier: int) -> tuple[float, float]:
        """Queue `count` mails: seconds until the first one's turn by the rate, and from one to the next."""
        found = self._ask(PARK, scope, [count, tier, *_limits(scope)])
        if found is None:
            step = 1.0 / max(scope.levels[0].per_second / self._peers, 0.001)
            return 1.0, step
        return float(found[0]) / 1000, float(found[1]) / 1000

    def mark_parked(self, scope: Scope) -> None:
        """Tell whoever holds a connection that mail is parked. After its commit: who is told must find it."""
        self._ask(MARK, scope, [])

    def finish(
        self, scope: Scope, lease: str, feedback: Feedback, *, keep_seconds: float = 0.0, drained: int | None = None
    ) -> tuple[bool, bool]:
        """Tell what came of it and give the lease back; with `keep_seconds` an idle connection keeps it so long,
        if there is plenty of room. `drained`: the mark before a look that found nobody parked. Answers whether it was
        kept, and whether mail may be parked; with `keep_seconds` a lease that is not kept is still held, for the
        connection to be closed first."""
        flags = (int(feedback.crowded), int(feedback.throttled))
        arguments = [lease, feedback.good, feedback.bad, *flags, feedback.unused, int(keep_seconds * 1000)]
        arguments += [
            -1 if drained is None else drained,
            self._scaled(CEILING_SECONDS),
            self._scaled(REST_SECONDS),
            feedback.lost,
            feedback.opened,
        ]
        arguments += _limits(scope)
        found = self._ask(FINISH, scope, arguments)
        with self._lock:
            self._held.pop(lease, None)
            for level in scope.levels:
                if (local := self._local.get(level.key)) is not None:
                    local.held.discard(lease)
        return (bool(found[0]), bool(found[1])) if found else (False, True)

    def room(self, scope: Scope, *, tier: int = 2) -> bool:
        """Whether a connection is free right now, as far as is known."""
        return self.take(scope, "", 0, tier=tier, woken=True).limit == ""

    def look(self, scope: Scope, *, tier: int) -> tuple[list[Use], Grant] | None:
        """How each level stands, and what a mail would be told that asked now; changes nothing. None without Redis."""
        found = self._ask(LOOK, scope, [tier, *_limits(scope)])
        if found is None:
            return None
        uses = [Use(*map(int, each[:3]), *(max(0.0, float(ms) / 1000) for ms in each[3:])) for each in found]
        grant = self.take(scope, "", 1, tier=tier)
        late = max(range(len(uses)), key=lambda at: uses[at].connect_wait)
        if not grant.limit and uses[late].connect_wait:
            level, wait = scope.levels[late], uses[late].connect_wait
            grant = Grant(0, "connects", level.key, 0, level.connects_per_minute, wait)
        return uses, grant

    def hits(self, name: str, seconds: float) -> int:
        """Count one more of `name` within the `seconds` since the first; 1 while Redis is away."""
        if self._redis is None or clock.monotonic() < self._open_until:
            return 1
        try:
            pipeline = self._redis.pipeline()
            pipeline.incr(f"pace:hits:{name}")
            pipeline.pexpire(f"pace:hits:{name}", max(1, int(seconds * 1000)), nx=True)
            return int(pipeline.execute()[0])
        except (RedisError, OSError):
            self._open_until = clock.monotonic() + BREAKER_SECONDS
            return 1

    def renew(self) -> None:
        """One call per level keeps every lease of this process."""
        with self._lock:
            held = dict(self._held)
        by_scope: dict[Scope, list[str]] = {}
        for lease, scope in held.items():
            by_scope.setdefault(scope, []).append(lease)
        for scope, leases in by_scope.items():
            found = self._ask(RENEW, scope, [self._owner, self._lease_ms, *leases])
            if found is not None:
                self._peers = max(1, int(found[0]))

    @property
    def _lease_ms(self) -> int:
        return int(self._settings.pacing_lease_seconds * 1000)

    def _scaled(self, seconds: float) -> int:
        return max(1, int(seconds * 1000 / self._settings.time_scale))

    def _hold(self, lease: str, scope: Scope) -> None:
        with self._lock:
            self._held[lease] = scope
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="pacing", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        tick = threading.Event()
        while not tick.wait(self._settings.pacing_lease_seconds / 3):
            self.renew()

    def _ask(self, script: str, scope: Scope, arguments: Sequence[object]) -> Any:
        """The script's answer, or None while Redis is away."""
        if self._redis is None or clock.monotonic() < self._open_until:
            return None
        keys = keys_of(scope)
        try:
            try:
                sha = self._shas.get(script) or self._shas.setdefault(script, self._redis.script_load(script))
                return self._redis.evalsha(sha, len(keys), *keys, *arguments)
            except NoScriptError:
                return self._redis.eval(script, len(keys), *keys, *arguments)
        except (RedisError, OSError):
            self._open_until = clock.monotonic() + BREAKER_SECONDS
            return None

    def _take_alone(self, scope: Scope, lease: str, wanted: int) -> Grant:
        """Without Redis: this process's share of each limit, at least one connection."""
        now = clock.monotonic()
        with self._lock:
            locals_ = [self._local.setdefault(level.key, _Local(set())) for level in scope.levels]
            count = wanted
            for level, local in zip(scope.levels, locals_, strict=True):
                most = max(1, min(level.connections, level.start) // self._peers)
                if lease not in local.held and len(local.held) >= most:
                    return Grant(0, "connections", level.key, len(local.held), most, 5.0)
                if lease not in local.held and level.connects_per_minute and local.connect_tat > now:
                    return Grant(0, "connects", level.key, 0, level.connects_per_minute, local.connect_tat - now)
                step = self._peers / level.per_second
                count = min(count, int((now + 0.25 - max(local.tat, now)) / step) + 1)
                if count < 0 or wanted and not count:
                    return Grant(0, "rate", level.key, 0, level.per_second / self._peers, local.tat - now - 0.25)
            for level, local in zip(scope.levels, locals_, strict=True):
                if lease and lease not in local.held:
                    local.held.add(lease)
                    if level.connects_per_minute:
                        local.connect_tat = max(local.connect_tat, now) + 60.0 * self._peers / level.connects_per_minute
                local.tat = max(local.tat, now) + count * self._peers / level.per_second
        return Grant(count)


def keys_of(scope: Scope) -> list[str]:
    """Redis keys: a hash and a set of leases for each level, all in one slot of a cluster."""
    return [f"pace:{{{scope.place}}}:{level.key}{end}" for level in scope.levels for end in ("", ":leases")]


def _limits(scope: Scope) -> Iterable[object]:
    for level in scope.levels:
        yield from (level.connections, level.per_second, level.start, level.connects_per_minute, level.failed_connects)
