"""Remembered answers: first in this process, then in the Redis that a machine's workers share.

Never here: questions. Redis being away only makes more of them.
"""

import threading
from collections import OrderedDict
from dataclasses import asdict, dataclass
from typing import Any

import orjson
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from common.clock import monotonic, now
from common.config import Settings

SIZE = 10_000
STALE_SECONDS = 86_400
BREAKER_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Entry:
    """`kind` is found, no_answer or no_name; `expires` is Unix seconds. Kept a day longer, to be served stale."""

    kind: str
    records: list[str]
    secure: bool
    name: str
    expires: float


class Shelf:
    """Small JSON values in Redis under a prefix, each for some seconds, and in this process.

    `get` never raises and never waits long: what cannot be read is not known.
    """

    def __init__(self, settings: Settings, prefix: str, size: int = SIZE) -> None:
        self._prefix, self._size = prefix, size
        self._values: OrderedDict[str, tuple[float, Any]] = OrderedDict()
        self._lock = threading.Lock()
        self._open_until = 0.0
        self._redis: Any = None
        if settings.redis_url:
            self._redis = Redis.from_url(
                settings.redis_url, socket_timeout=0.5, socket_connect_timeout=0.5, retry=Retry(NoBackoff(), 0)
            )

    def get(self, key: str) -> Any:
        """The value, or None."""
        found = self._values.get(key)
        if found is not None and found[0] > now().timestamp():
            return found[1]
        return self.look_past(key)

    def look_past(self, key: str) -> Any:
        """What Redis holds, whatever this process remembers."""
        answer = self._call("get", f"{self._prefix}:{key}")
        if answer is None:
            return None
        until, value = orjson.loads(answer)
        self._hold(key, until, value)
        return value if until > now().timestamp() else None

    def put(self, key: str, value: Any, seconds: float) -> None:
        """Keep it for everybody."""
        until = now().timestamp() + seconds
        self._hold(key, until, value)
        self._call("set", f"{self._prefix}:{key}", orjson.dumps([until, value]), ex=max(int(seconds), 1))

    def drop(self, key: str) -> None:
        with self._lock:
            self._values.pop(key, None)
        self._call("delete", f"{self._prefix}:{key}")

    def _hold(self, key: str, until: float, value: Any) -> None:
        with self._lock:
            self._values[key] = (until, value)
            self._values.move_to_end(key)
            while len(self._values) > self._size:
                self._values.popitem(last=False)

    def _call(self, name: str, *arguments: Any, **options: Any) -> Any:
        if self._redis is None or monotonic() < self._open_until:
            return None
        try:
            return getattr(self._redis, name)(*arguments, **options)
        except (RedisError, OSError):
            self._open_until = monotonic() + BREAKER_SECONDS
            return None


class Cache:
    """DNS answers. An entry that another worker has renewed is found when the own one has expired."""

    def __init__(self, settings: Settings) -> None:
        self._shelf = Shelf(settings, "dns")

    def get(self, key: str) -> Entry | None:
        """Possibly expired: the caller looks."""
        found = self._shelf.get(key)
        if found is not None and found["expires"] <= now().timestamp():
            found = self._shelf.look_past(key) or found
        return Entry(**found) if found is not None else None

    def keep(self, key: str, entry: Entry) -> None:
        """For the time it is fresh, and a day more."""
        self._shelf.put(key, asdict(entry), max(entry.expires - now().timestamp(), 0.0) + STALE_SECONDS)
