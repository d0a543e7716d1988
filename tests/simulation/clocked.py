"""The real pacing scripts by a clock that is told the time. Never here: limits."""

from typing import Any

from redis import Redis

from common.config import Settings
from common.pacing import Paces, Scope, keys_of

_NOW = "sim:now"
_TOLD = f"redis.call('LRANGE', '{_NOW}', 0, 1)"


class ClockedPaces(Paces):
    """`common.pacing.Paces` whose scripts ask `moment` (seconds) instead of Redis's own clock."""

    def __init__(self, redis_url: str) -> None:
        super().__init__(Settings(database_url="", redis_url=redis_url), "simulation")
        self.moment = 0.0
        self.calls = 0
        self._server: Any = Redis.from_url(redis_url)
        self._told: dict[str, Any] = {}

    def _ask(self, script: str, scope: Scope, arguments: Any) -> Any:
        if script not in self._told:
            if "redis.call('TIME')" not in script:
                raise ValueError("the script asks no clock that could be told the time")
            self._told[script] = self._server.script_load(script.replace("redis.call('TIME')", _TOLD))
        self.calls += 1
        keys = keys_of(scope)
        seconds, rest = divmod(self.moment, 1)
        with self._server.pipeline(transaction=False) as pipeline:
            pipeline.delete(_NOW)
            pipeline.rpush(_NOW, int(seconds), int(rest * 1_000_000))
            pipeline.evalsha(self._told[script], len(keys), *keys, *arguments)
            return pipeline.execute()[-1]

    def _hold(self, lease: str, scope: Scope) -> None:
        """Nothing renews by itself here: a simulated batch ends long before its lease."""

    def clear(self) -> None:
        """Forget every destination."""
        self._server.flushdb()
