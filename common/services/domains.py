"""Sending domains: which names an account may send from.

Never here: DNS (a worker asks it and reports).
"""

from uuid import UUID

from sqlalchemy import Connection

from common.db.session import rows, run
from common.domain.ids import new_id


def verified(connection: Connection, account_id: UUID) -> frozenset[str]:
    """Names of the domains that `account_id` has proved to own, as lower-case A-labels."""
    found = rows(
        connection,
        "SELECT name FROM domains WHERE account_id = %s AND state IN ('verified', 'degraded')",
        account_id,
    )
    return frozenset(row.name for row in found)


def declare_verified(connection: Connection, account_id: UUID, name: str) -> None:
    """Take `name` as proved without DNS; for the quickstart's own example domain."""
    run(
        connection,
        "INSERT INTO domains (id, account_id, name, state, verified_at) VALUES (%s, %s, %s, 'verified', now())"
        " ON CONFLICT (account_id, name) DO UPDATE SET state = 'verified',"
        " verified_at = coalesce(domains.verified_at, now())",
        new_id(),
        account_id,
        name,
    )
