"""The processes that are alive: each says so every few seconds in Redis, and whoever fell silent is gone from the list.

A worker consumes queues, or is the scheduler; the other processes are told apart from them.
Redis being away never raises in a worker; a reader gets None. Never here: Celery, or what a worker does.
"""

import os
import socket
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from common import clock
from common.config import Settings

INDEX, OTHERS = "sdx:fleet", "sdx:fleet:others"
BEAT_SECONDS = 3.0
SILENT_SECONDS = 12.0
"""Who has not been heard for so long is gone."""


@dataclass(frozen=True, slots=True)
class Worker:
    """One process. `line` is its name in the Procfile, `concurrency` how many tasks it works on at once."""

    id: str
    line: str
    queues: tuple[str, ...]
    concurrency: int
    host: str = field(default_factory=socket.gethostname)
    pid: int = field(default_factory=os.getpid)


def _connect(settings: Settings) -> "Redis | None":
    if not settings.redis_url:
        return None
    retry = Retry(NoBackoff(), 0)
    return Redis.from_url(settings.redis_url, socket_timeout=0.5, socket_connect_timeout=0.5, retry=retry)


class Pulse:
    """A process's own heartbeat: a thread that tells of it until `stop`, and with it of what `measure` answers."""

    def __init__(
        self,
        settings: Settings,
        worker: Worker,
        measure: Callable[[], dict[str, Any]] = dict,
        *,
        index: str = INDEX,
    ) -> None:
        self._redis, self._worker = _connect(settings), worker
        self._measure, self._index = measure, index
        self._lock, self._stopped = threading.Lock(), threading.Event()
        self._busy = self._done = 0
        self._started_at = clock.rfc3339(clock.now())
        self._thread = threading.Thread(target=self._run, name="pulse", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def began(self) -> None:
        """A task is being worked on."""
        with self._lock:
            self._busy += 1

    def ended(self) -> None:
        """And is done."""
        with self._lock:
            self._busy -= 1
            self._done += 1

    def beat(self) -> None:
        """Say once that this worker is alive. Raises RedisError."""
        if self._redis is None:
            return
        now, worker = clock.now(), self._worker
        told = {
            "id": worker.id, "line": worker.line, "host": worker.host, "pid": worker.pid, "queues": worker.queues,
            "concurrency": worker.concurrency, "busy": self._busy, "tasks_done": self._done,
            "started_at": self._started_at, "last_heartbeat_at": clock.rfc3339(now),
        }  # fmt: skip
        pipeline = self._redis.pipeline(transaction=False)
        pipeline.set(_key(worker.id), orjson.dumps(told), px=int(SILENT_SECONDS * 1000))
        pipeline.set(_measured(worker.id), orjson.dumps(self._measure()), px=int(SILENT_SECONDS * 1000))
        pipeline.zadd(self._index, {worker.id: now.timestamp()})
        pipeline.zremrangebyscore(self._index, "-inf", now.timestamp() - 10 * SILENT_SECONDS)
        pipeline.execute()

    def stop(self) -> None:
        """A worker that ends says goodbye."""
        self._stopped.set()
        if self._redis is not None:
            try:
                self._redis.delete(_key(self._worker.id), _measured(self._worker.id))
                self._redis.zrem(self._index, self._worker.id)
            except RedisError:
                pass

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                self.beat()
            except RedisError:
                pass
            self._stopped.wait(BEAT_SECONDS)


def _key(worker_id: str) -> str:
    return f"{INDEX}:{worker_id}"


def _measured(worker_id: str) -> str:
    return f"{INDEX}:{worker_id}:measured"


class Fleet:
    """What a reader sees of it."""

    def __init__(self, settings: Settings) -> None:
        self._redis = _connect(settings)

    def workers(self) -> list[dict[str, Any]] | None:
        """Every worker that is alive, by line and host; None when Redis cannot say."""
        if self._redis is None:
            return None
        try:
            ids: Sequence[bytes] = self._redis.zrange(INDEX, 0, -1)  # type: ignore[assignment]
            if not ids:
                return []
            found: Sequence[bytes | None] = self._redis.mget([_key(each.decode()) for each in ids])  # type: ignore[assignment]
        except RedisError:
            return None
        alive = [orjson.loads(each) for each in found if each is not None]
        return sorted(alive, key=lambda each: (each["line"], each["host"], each["pid"]))

    def processes(self) -> list[dict[str, Any]] | None:
        """Every process that is alive, each with what it `measured` of itself; None when Redis cannot say."""
        if self._redis is None:
            return None
        try:
            ids: list[bytes] = []
            for index in (INDEX, OTHERS):
                ids += self._redis.zrange(index, 0, -1)  # type: ignore[arg-type]
            names = [each.decode() for each in ids]
            found: Sequence[bytes | None] = self._redis.mget([_key(each) for each in names]) if names else []  # type: ignore[assignment]
            more: Sequence[bytes | None] = self._redis.mget([_measured(each) for each in names]) if names else []  # type: ignore[assignment]
        except RedisError:
            return None
        return [
            orjson.loads(told) | {"measured": orjson.loads(measured) if measured else {}}
            for told, measured in zip(found, more, strict=True)
            if told is not None
        ]

    def consumers(self) -> dict[str, int] | None:
        """How many tasks of each queue can be worked on at once; None when Redis cannot say."""
        workers = self.workers()
        if workers is None:
            return None
        found: Counter[str] = Counter()
        for worker in workers:
            found.update(dict.fromkeys(worker["queues"], worker["concurrency"]))
        return dict(found)
