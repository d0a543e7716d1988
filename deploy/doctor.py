"""`make doctor`: what is wrong here, and the fix. Reads only; changes nothing."""

import platform
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]
import psycopg
import redis
from alembic.config import Config
from alembic.script import ScriptDirectory

from common.config import Settings, read_settings
from common.queueing.queues import ALL
from deploy.local import ROOT, home_of
from deploy.locator import EngineError, postgres_folder, valkey_binary
from deploy.lock import lock_holder
from deploy.ports import accepts

_LATE_SECONDS = 60
_DEEP_QUEUE = 10_000
_PACKAGES = ("sendarix", "celery", "flask", "sqlalchemy", "psycopg", "redis")
_OLDEST_DUE = """
SELECT coalesce(extract(epoch FROM now() - min(next_attempt_at)), 0)::float
  FROM messages
 WHERE status IN ('scheduled', 'queued', 'accepted', 'deferred') AND lease_until IS NULL AND next_attempt_at <= now()
"""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line: what was looked at, what was seen, and the fix when it is a problem."""

    subject: str
    seen: str
    fix: str = ""


def findings(settings: Settings, home: Path) -> Iterator[Finding]:
    """Every check in order; a part that cannot be reached ends its own checks only."""
    holder = lock_holder(home)
    yield _python()
    yield Finding("packages", ", ".join(f"{name} {version(name)}" for name in _PACKAGES))
    yield from _binaries(settings)
    yield _running(holder)
    yield from _ports(settings, holder)
    urls = holder or {}
    yield from _database(settings.database_url or urls.get("database_url", ""))
    yield from _queues(settings.redis_url or urls.get("redis_url", ""))


def _python() -> Finding:
    seen = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    return Finding("python", seen, "" if sys.version_info >= (3, 11) else "Install Python 3.11 or newer.")


def _binaries(settings: Settings) -> Iterator[Finding]:
    wanted: list[tuple[str, str, Callable[[], Path]]] = [
        ("postgresql", settings.database_url, postgres_folder),
        ("valkey", settings.redis_url, valkey_binary),
    ]
    for name, url, find in wanted:
        try:
            yield Finding(f"{name} engine", "a server of your own" if url else f"embedded, {find()}")
        except EngineError as error:
            yield Finding(f"{name} engine", "not found", str(error))


def _running(holder: dict[str, Any] | None) -> Finding:
    if holder is None:
        return Finding("formation", "not running", "Start it: make run")
    return Finding("formation", f"pid {holder.get('pid')}, {holder.get('url') or 'starting'}")


def _ports(settings: Settings, holder: dict[str, Any] | None) -> Iterator[Finding]:
    if holder is not None:
        return
    wanted = {"API": (settings.api_host, settings.api_port), "MAILBOX": (settings.mailbox_host, settings.mailbox_port)}
    for name, (host, port) in wanted.items():
        if port and accepts(host, port):
            yield Finding(f"port {port}", "taken", f"Set SENDARIX_{name}_PORT=0, or end what listens there.")
        else:
            yield Finding(f"port {port or 'any'}", "free")


def _database(url: str) -> Iterator[Finding]:
    if not url:
        return
    try:
        with psycopg.connect(url, connect_timeout=5, autocommit=True) as connection:
            yield Finding("database", f"PostgreSQL {connection.info.server_version // 10000} answers")
            yield from _durability(connection)
            yield from _contents(connection)
    except psycopg.Error as error:
        yield Finding("database", str(error).strip(), "Check SENDARIX_DATABASE_URL, logs/postgres.log and `make run`.")


def _durability(connection: psycopg.Connection) -> Iterator[Finding]:
    for name in ("fsync", "synchronous_commit"):
        value = str(_one(connection, f"SELECT current_setting('{name}')"))
        yield Finding(name, value, f"Turn {name} on, or accepted mail can be lost." if value == "off" else "")


def _contents(connection: psycopg.Connection) -> Iterator[Finding]:
    config = Config()
    config.set_main_option("script_location", str(ROOT / "common" / "db" / "migrations"))
    head = ScriptDirectory.from_config(config).get_current_head()
    if _one(connection, "SELECT to_regclass('alembic_version')") is None:
        yield Finding("schema", "empty", "Run: sendarix migrate")
        return
    current = _one(connection, "SELECT version_num FROM alembic_version")
    yield Finding("schema", f"{current}", "" if current == head else f"The newest is {head}. Run: sendarix migrate")
    broken = int(_one(connection, "SELECT count(*) FROM invariant_violations"))
    yield Finding(
        "invariants", f"{broken} violations", "Read them: SELECT * FROM invariant_violations" if broken else ""
    )
    late = float(_one(connection, _OLDEST_DUE))
    fix = "Are the routing, delivery and scheduler processes up? See logs/." if late > _LATE_SECONDS else ""
    yield Finding("oldest due message", f"{late:.1f} s", fix)


def _one(connection: psycopg.Connection, sql: str) -> Any:
    row = connection.execute(sql.encode()).fetchone()
    return row[0] if row else None


def _queues(url: str) -> Iterator[Finding]:
    if not url:
        return
    client = redis.Redis.from_url(url, socket_timeout=5, socket_connect_timeout=5)
    try:
        server = client.info("server")
        yield Finding(
            "redis",
            f"{server.get('server_name', 'redis')} {server.get('valkey_version', server['redis_version'])} answers",
        )
        depths = {name: int(client.llen(name)) for name in ALL}
        deep = [name for name, depth in depths.items() if depth > _DEEP_QUEUE]
        seen = ", ".join(f"{name} {depth}" for name, depth in depths.items() if depth) or "all empty"
        yield Finding("queues", seen, f"Add workers for {', '.join(deep)}." if deep else "")
    except redis.RedisError as error:
        yield Finding("redis", str(error), "Check SENDARIX_REDIS_URL, logs/valkey.log and `make run`.")
    finally:
        client.close()


def main() -> int:
    """Print every finding; exit code 1 when there is a problem."""
    settings = read_settings()
    home = home_of(settings)
    free = psutil.disk_usage(str(home if home.exists() else ROOT)).free / 1e9
    low = Finding("disk", f"{free:.1f} GB free", "Free some space; below 1 GB PostgreSQL may stop." if free < 1 else "")
    problems = 0
    for finding in (*findings(settings, home), low):
        problems += bool(finding.fix)
        print(f"{'problem' if finding.fix else 'ok':8} {finding.subject}: {finding.seen}")
        if finding.fix:
            print(f"{'':8}   fix: {finding.fix}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
