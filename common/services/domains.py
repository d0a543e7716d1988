"""Sending domains: which names an account may send from.

Never here: DNS (a worker asks it and reports).
"""

from uuid import UUID

from sqlalchemy import Connection

from common.config import Settings
from common.db.session import rows
from common.domain.ids import new_id
from common.services import domain_keys


def verified(connection: Connection, account_id: UUID) -> frozenset[str]:
    """Names of the domains that `account_id` has proved to own, as lower-case A-labels."""
    found = rows(
        connection,
        "SELECT name FROM domains WHERE account_id = %s AND state IN ('verified', 'degraded')",
        account_id,
    )
    return frozenset(row.name for row in found)


def declare_verified(connection: Connection, settings: Settings, account_id: UUID, name: str) -> None:
    """Take `name` as proved without DNS and let it sign; for the quickstart's own example domain."""
    found = rows(
        connection,
        "INSERT INTO domains AS d (id, account_id, name, state, declared, verified_at)"
        " VALUES (%s, %s, %s, 'verified', true, now())"
        " ON CONFLICT (account_id, name) DO UPDATE SET state = 'verified', declared = true, next_check_at = NULL,"
        " verified_at = coalesce(d.verified_at, now()) RETURNING id",
        new_id(), account_id, name,
    )  # fmt: skip
    domain_id: UUID = found[0].id
    if not domain_keys.find(connection, [domain_id])[domain_id]:
        domain_keys.make(connection, settings, domain_id, 1, active=True)
