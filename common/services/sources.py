"""Sources: the ways out. Kept by name, per account or (without an account) for the whole installation.

Passwords are sealed. Never here: connections, or what a caller may change (services/source_editing.py).
"""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Connection

from common.config import Settings
from common.db.session import rows
from common.domain.ids import new_id
from common.sealing import seal, unseal

_KEEP = """
INSERT INTO sources (id, account_id, name, kind, host, port, tls, username, password_sealed, ehlo_name, is_default)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (account_id, name) DO UPDATE SET kind = excluded.kind, host = excluded.host, port = excluded.port,
  tls = excluded.tls, username = excluded.username, password_sealed = excluded.password_sealed,
  ehlo_name = excluded.ehlo_name, is_default = excluded.is_default, updated_at = now()
RETURNING id
"""


def keep(
    connection: Connection,
    settings: Settings,
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
    known = rows(
        connection, "SELECT id FROM sources WHERE name = %s AND account_id IS NOT DISTINCT FROM %s", name, account_id
    )
    source_id: UUID = known[0].id if known else new_id()
    sealed = seal_password(settings, source_id, password)
    values = (kind, host, port, tls, username, sealed, ehlo_name, is_default)
    found: UUID = rows(connection, _KEEP, source_id, account_id, name, *values)[0].id
    return found


def seal_password(settings: Settings, source_id: UUID, password: str | None) -> bytes | None:
    """A password as it is stored: it opens for this source only."""
    return None if password is None else seal(settings, password.encode(), _owner(source_id))


def _owner(source_id: UUID) -> str:
    return f"source {source_id}"


@dataclass(frozen=True, slots=True)
class Exit:
    """What delivery needs of a source to connect. `account_id` is None for the operator's."""

    id: UUID
    account_id: UUID | None
    kind: str
    host: str | None
    port: int | None
    tls: str
    username: str | None
    password: str | None
    ehlo_name: str | None
    profile: str | None = None
    bind_ipv4: str | None = None
    bind_ipv6: str | None = None
    most_mails: int | None = None

    def __repr__(self) -> str:
        return f"Exit({self.kind} {self.id})"


_GET = """
SELECT id, account_id, kind, host, port, tls, username, password_sealed, ehlo_name, profile, bind_ipv4, bind_ipv6,
       messages_per_connection
  FROM sources WHERE id = %s AND (enabled OR NOT %s)
"""


def get(connection: Connection, settings: Settings, source_id: UUID, *, enabled: bool = True) -> Exit | None:
    """An enabled source (or any, for a test), or None."""
    found = rows(connection, _GET, source_id, enabled)
    if not found:
        return None
    facts = dict(found[0]._mapping)
    sealed = facts.pop("password_sealed")
    opened = unseal(settings, sealed, _owner(source_id)).decode() if sealed else None
    return Exit(password=opened, most_mails=facts.pop("messages_per_connection"), **facts)


def kind_of(connection: Connection, source_id: UUID) -> str | None:
    """direct, relay or sink; None when it is gone or disabled. Opens no secret."""
    found = rows(connection, "SELECT kind FROM sources WHERE id = %s AND enabled", source_id)
    return str(found[0].kind) if found else None
