"""The accept floor: a bare Flask view with the product's schema, one pooled INSERT and one LPUSH.

`python -m tests.bench.floor_web PORT PROCESSES THREADS` under the same server as the product.
BENCH_DATABASE_URL and BENCH_REDIS_URL say where. Never here: anything a real contract adds.
"""

import os
import queue
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import redis
from flask import Flask, request
from granian import Granian
from granian.constants import HTTPModes, Interfaces
from granian.log import LogLevels

from api.v1.schemas.messages import MESSAGE_IN

TABLE = "CREATE TABLE IF NOT EXISTS bench_floor (id uuid PRIMARY KEY, recipient text, subject text, content text)"
LIST = "bench-floor"


class Pool:
    """Open connections, one per request at a time."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._idle: queue.LifoQueue[psycopg.Connection[Any]] = queue.LifoQueue()

    @contextmanager
    def take(self) -> Iterator[psycopg.Connection[Any]]:
        try:
            connection = self._idle.get_nowait()
        except queue.Empty:
            connection = psycopg.connect(self._url, autocommit=True, prepare_threshold=3)
        yield connection
        self._idle.put(connection)


def application() -> Flask:
    """One web process's application (a factory)."""
    app = Flask("floor")
    pool = Pool(os.environ["BENCH_DATABASE_URL"])
    broker = redis.Redis.from_url(os.environ["BENCH_REDIS_URL"])

    @app.post("/v1/messages")
    def accept() -> tuple[dict[str, str], int]:
        fields = MESSAGE_IN.load(request.get_json())
        message_id = uuid.uuid4()
        recipient = fields["recipient"]["email"]
        with pool.take() as connection:
            connection.execute(
                "INSERT INTO bench_floor VALUES (%s, %s, %s, %s)",
                (message_id, recipient, fields["subject"], fields["text"]),
            )
        broker.lpush(LIST, str(message_id))
        return {"message_id": str(message_id), "status": "queued", "recipient": recipient}, 202

    return app


def main() -> None:
    port, processes, threads = (int(each) for each in sys.argv[1:4])
    with psycopg.connect(os.environ["BENCH_DATABASE_URL"], autocommit=True) as connection:
        connection.execute(TABLE)
    Granian(
        "tests.bench.floor_web:application",
        factory=True,
        address="127.0.0.1",
        port=port,
        interface=Interfaces.WSGI,
        http=HTTPModes.http1,
        workers=processes,
        blocking_threads=threads,
        backlog=2048,
        websockets=False,
        log_level=LogLevels.error,
    ).serve()


if __name__ == "__main__":
    main()
