"""requeue: an operator's wish to try waiting messages now. Never here: bringing ended messages back."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import Connection

from common.db.session import rows

_REQUEUE = """
UPDATE messages SET next_attempt_at = least(next_attempt_at, now()), ticket_at = NULL, ticket_count = 1
 WHERE id = ANY(%s::uuid[]) AND status IN ('queued', 'accepted', 'deferred') AND lease_until IS NULL AND NOT held
RETURNING id
"""


def requeue(connection: Connection, ids: Sequence[UUID]) -> set[UUID]:
    """Make waiting messages due now; the scheduler leaves their tickets within seconds.

    Answers those it touched: what has ended, is held or is being sent right now is left alone.
    """
    return {row.id for row in rows(connection, _REQUEUE, list(ids))}
