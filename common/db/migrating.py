"""The one entry to the migrations. Apart from session.py, because Alembic is 10 MB that no running process needs."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import text

from common.db.session import make_engine

_MIGRATIONS = Path(__file__).parent / "migrations"
_LOCK = 0x53444158


def migrate(url: str | None = None) -> None:
    """Bring the schema to the newest migration, one process at a time (advisory lock)."""
    own = make_engine(url, pool_size=1)
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    try:
        with own.connect() as connection:
            connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _LOCK})
            connection.commit()
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            connection.execute(text("SELECT rebase_event_stream()"))
            connection.commit()
    finally:
        own.dispose()
