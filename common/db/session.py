"""The engine and the transaction. One pool per process, opened at the first use, never at import."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import orjson
from psycopg import adapters
from psycopg.adapt import Dumper
from sqlalchemy import Connection, Engine, create_engine

from common.config import current_settings

_engines: dict[int, Engine] = {}


def _dumps(value: object) -> str:
    return orjson.dumps(value).decode()


def make_engine(url: str | None = None, **options: Any) -> Engine:
    """A new engine on `url` (default: SENDARIX_DATABASE_URL)."""
    target = url or current_settings().database_url
    return create_engine(
        target.replace("postgresql://", "postgresql+psycopg://", 1),
        json_serializer=_dumps,
        json_deserializer=orjson.loads,
        pool_size=options.pop("pool_size", 10),
        max_overflow=options.pop("max_overflow", 20),
        hide_parameters=True,  # they hold one-time codes and addresses, and errors are logged
        pool_timeout=5,
        pool_recycle=1800,
        connect_args={"connect_timeout": 5, "application_name": "sendarix", "prepare_threshold": 3}
        | options.pop("connect_args", {}),
        **options,
    )


BY_INDEX = "-c enable_seqscan=off"
"""For connections that run the hot statements: a plan made while a table was nearly empty is kept, and must not
read the whole table once it has grown."""

_options: list[str] = []


def prefer_indexes() -> None:
    """Whatever this process runs goes by index; call it before the first use."""
    _options[:] = [BY_INDEX]


def engine() -> Engine:
    """The pool of this process. Keyed by pid, so that a fork never shares a socket."""
    pid = os.getpid()
    if pid not in _engines:
        _engines[pid] = make_engine(connect_args={"options": " ".join(_options)} if _options else {})
    return _engines[pid]


before_commit: ContextVar[Callable[[Connection], None] | None] = ContextVar("before_commit", default=None)
"""Called at the end of every transaction of this thread, inside it."""


@contextmanager
def transaction() -> Iterator[Connection]:
    """One connection, one transaction: committed at the end, rolled back on an exception."""
    with engine().begin() as connection:
        yield connection
        last = before_commit.get()
        if last is not None:
            last(connection)


def close() -> None:
    """Close this process's pool."""
    pool = _engines.pop(os.getpid(), None)
    if pool is not None:
        pool.dispose()


def pool_usage() -> dict[str, int]:
    """How many connections of this process's pool are in use and idle, and how many it may open."""
    found = _engines.get(os.getpid())
    pool: Any = found.pool if found is not None else None
    if pool is None:
        return {"in_use": 0, "idle": 0, "most": 0}
    return {"in_use": pool.checkedout(), "idle": pool.checkedin(), "most": pool.size() + pool._max_overflow}


def rows(connection: Connection, sql: str, *parameters: Any) -> list[Any]:
    """Run one set-based statement with %s parameters and return its rows."""
    return list(connection.exec_driver_sql(sql, parameters).all())


def run(connection: Connection, sql: str, *parameters: Any) -> int:
    """Run one set-based statement that returns nothing; answers the number of rows it touched."""
    return int(connection.exec_driver_sql(sql, parameters).rowcount)


@contextmanager
def planned_anew(connection: Connection) -> Iterator[None]:
    """What is asked inside is planned for its own values: for questions whose plan depends on what is asked."""
    driver: Any = connection.connection.driver_connection
    kept, driver.prepare_threshold = driver.prepare_threshold, None
    try:
        yield
    finally:
        driver.prepare_threshold = kept


class Json(bytes):
    """JSON text in UTF-8 that goes to the server as it is: a large one is not copied to a string and back."""


class _JsonDumper(Dumper):
    oid = 0  # like a string: what it is, the statement says

    def dump(self, obj: Json) -> Json:
        return obj


adapters.register_dumper(Json, _JsonDumper)


def as_json(value: object) -> Json:
    """One JSON parameter for `json_to_recordset`."""
    return Json(orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS))
