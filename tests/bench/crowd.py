"""load(rows): a database as after three weeks of mail, made by SQL in a few minutes, every count equal to a recount.

Four accounts share the mail 70 : 20 : 8 : 2. Days have a rhythm, recipients come again, tags and domains are unequal,
some mail bounces, waits or is deferred, and the newest is still on its way. Never here: measuring.
"""

import time
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

from common.db import session
from common.services import folding, indexing
from common.services.quickstart import publish_starters
from tests.builders import Account, an_account

Tell = Callable[[str], None]


def load(rows: int, tell: Tell) -> list[Account]:
    """`rows` messages of the last three weeks in four accounts, counted and indexed; the accounts, largest first."""
    accounts = [an_account() for _ in range(4)]
    with session.transaction() as connection:
        for account in accounts:
            publish_starters(connection, account.id)
    began = time.monotonic()
    for name, sql in _steps(rows, accounts):
        tell(f"{time.monotonic() - began:5.0f} s  {name}")
        with session.transaction() as connection:
            connection.exec_driver_sql("SET LOCAL synchronous_commit = off")
            connection.connection.cursor().execute(sql)  # without parameters: a % is a %
    _vacuum()
    tell(f"{time.monotonic() - began:5.0f} s  counting")
    _exhaust(folding.fold)
    tell(f"{time.monotonic() - began:5.0f} s  indexing for search")
    with session.transaction() as connection:
        index = session.rows(connection, "SELECT pg_get_indexdef('search_entries_found'::regclass) AS sql")[0].sql
        connection.exec_driver_sql("DROP INDEX search_entries_found")
    _exhaust(indexing.index)
    with session.transaction() as connection:
        connection.exec_driver_sql("SET LOCAL maintenance_work_mem = '512MB'")
        connection.exec_driver_sql(index)
    _vacuum()
    tell(f"{time.monotonic() - began:5.0f} s  loaded: {rows:,} messages")
    return accounts


def _steps(rows: int, accounts: list[Account]) -> list[tuple[str, str]]:
    """Each step's name and statements."""
    ids = ", ".join(f"'{each.id}'" for each in accounts)
    filled = {":accounts": f"ARRAY[{ids}]", ":rows": str(rows), ":people": str(max(rows * 3 // 10, 1))}
    _, *parts = (Path(__file__).parent / "crowd.sql").read_text(encoding="utf-8").split("\n--- ")
    named = [each.partition("\n")[::2] for each in parts]
    found = []
    for name, sql in named:
        for word, value in filled.items():
            sql = sql.replace(word, value)
        found.append((name, sql))
    return found


def _exhaust(step: Callable[..., folding.Followed]) -> None:
    more = True
    while more:
        with session.transaction() as connection:
            more = step(connection, most=20_000).more


def _vacuum() -> None:
    with session.engine().connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("VACUUM ANALYZE")


def first_and_last(account: UUID) -> tuple[UUID, UUID]:
    """The oldest and the newest delivered message of an account."""
    sql = "SELECT id FROM messages WHERE account_id = %s AND status = 'delivered' ORDER BY created_at {} LIMIT 1"
    with session.transaction() as connection:
        found = [session.rows(connection, sql.format(way), account)[0].id for way in ("ASC", "DESC")]
    return found[0], found[1]
