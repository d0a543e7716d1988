"""Sources: the ways out. Kept by name, per account or (without an account) for the whole installation.

Never here: connections.
"""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Connection

from common.db.session import rows
from common.domain.ids import new_id

_KEEP = """
INSERT INTO sources (id, account_id, name, kind, host, port, tls, username, password, ehlo_name, is_default)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (account_id, name) DO UPDATE SET kind = excluded.kind, host = excluded.host, port = excluded.port,
  tls = excluded.tls, username = excluded.username, password = excluded.password,
  ehlo_name = excluded.ehlo_name, is_default = excluded.is_default
RETURNING id
"""


def keep(
    connection: Connection,
    account_id: UUID | None,
    name: str,
    *,
    kind: str,
    host: str | None = None,
    port: int | None = None,
    tls: str = "opportunistic",
    username: str | None = None,
    password: str | None = None,
    ehlo_name: str | None = None,
    is_default: bool = False,
) -> UUID:
    """Make the source `name` be as described, new or not; answers its id."""
    found = rows(
        connection, _KEEP, new_id(), account_id, name, kind, host, port, tls, username, password, ehlo_name, is_default
    )
    source_id: UUID = found[0].id
    return source_id


@dataclass(frozen=True, slots=True)
class Exit:
    """What delivery needs of a source to connect."""

    id: UUID
    kind: str
    host: str | None
    port: int | None
    tls: str
    username: str | None
    password: str | None
    ehlo_name: str | None


def get(connection: Connection, source_id: UUID) -> Exit | None:
    """An enabled source, or None."""
    sql = "SELECT id, kind, host, port, tls, username, password, ehlo_name FROM sources WHERE id = %s AND enabled"
    found = rows(connection, sql, source_id)
    return Exit(*found[0]) if found else None
