"""One PostgreSQL and one Redis per run, real ones; a clean database per test that asks for it."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from common import config
from common.db import session
from common.db.migrating import migrate
from deploy.engines import Engines


@pytest.fixture(scope="session")
def engines() -> Iterator[Engines]:
    with tempfile.TemporaryDirectory(prefix="sdx-") as folder:
        os.chmod(folder, 0o755)
        found = Engines(Path(folder) / "home")
        found.start()
        os.environ["SENDARIX_HOME"] = str(Path(folder) / "home")
        os.environ["SENDARIX_DATABASE_URL"] = found.database_url
        os.environ["SENDARIX_REDIS_URL"] = found.redis_url
        config.current_settings.cache_clear()
        migrate()
        yield found
        session.close()
        found.stop()


@pytest.fixture(scope="session")
def database_url(engines: Engines) -> str:
    return engines.database_url


@pytest.fixture(scope="session")
def redis_url(engines: Engines) -> str:
    return engines.redis_url


@pytest.fixture
def database(engines: Engines) -> Iterator[None]:
    """An empty schema, whatever ran before; every row a test leaves is gone afterwards."""
    _empty()
    yield
    _empty()


def _empty() -> None:
    """Empty the tables that hold rows; a transaction left open is an error, not a wait for ever."""
    with session.transaction() as connection:
        connection.exec_driver_sql("SET LOCAL lock_timeout = '20s'")
        names = [
            row[0]
            for row in connection.exec_driver_sql(
                "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version'"
            )
        ]
        asked = " UNION ALL ".join(f"SELECT '{name}' WHERE EXISTS (SELECT FROM {name})" for name in names)
        used = [row[0] for row in connection.exec_driver_sql(asked)]
        if used:
            connection.exec_driver_sql(f"TRUNCATE {', '.join(used)} CASCADE")


@pytest.fixture(autouse=True)
def unused_quotas() -> None:
    """No test is refused for what the ones before it have used up: many share the quickstart account."""
    if "SENDARIX_REDIS_URL" in os.environ:
        with redis.Redis.from_url(os.environ["SENDARIX_REDIS_URL"]) as client:
            client.flushdb()
