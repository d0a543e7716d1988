"""park and wake: mail that waits for a slot at its destination, and the next of it when one is free.

A parked row costs nothing while it waits: no ticket, no attempt, no event. Whoever gives a slot back wakes as
many as fit, higher tiers first, oldest first; its own due time is the net below that. Never here: Redis.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from common.clock import rfc3339
from common.db.session import as_json, rows
from common.domain.principals import Principal
from common.domain.tiers import TIERS
from common.services.claimed import Claimed
from common.services.due import Due

NET_SECONDS = 60.0
"""Parked mail that nobody wakes looks for itself after this long, or later when many are ahead of it."""

# The attempt that was opened with the claim never began: it goes. `ticket_at` says that no countdown is wanted:
# for what waits for a connection, whoever frees one leaves the ticket.
_PARK = """
WITH x AS (SELECT * FROM json_to_recordset(%s) AS x(id uuid, epoch integer, wait double precision)),
freed AS (
  UPDATE messages m SET lease_until = NULL, lease_owner = NULL, phase = 'idle',
         next_attempt_at = clock_timestamp() + make_interval(secs => x.wait),
         ticket_at = CASE WHEN %s THEN clock_timestamp() + make_interval(secs => x.wait) END, ticket_count = 1,
         paced = %s, pace_note = %s,
         paced_at = CASE WHEN m.paced IS NULL THEN clock_timestamp() ELSE m.paced_at END
    FROM x WHERE m.id = x.id AND m.lease_epoch = x.epoch AND m.lease_until IS NOT NULL
  RETURNING m.id, m.lease_epoch)
DELETE FROM attempts a USING freed WHERE a.message_id = freed.id AND a.epoch = freed.lease_epoch
"""


def park(
    connection: Connection, claimed: Sequence[Claimed], scope: str, note: str, waits: Sequence[float], *, woken: bool
) -> None:
    """Give messages back untried, each with its wait in seconds. `woken`: a free slot will wake them, not the clock."""
    wanted = [{"id": each.id, "epoch": each.epoch, "wait": wait} for each, wait in zip(claimed, waits, strict=True)]
    connection.exec_driver_sql(_PARK, (as_json(wanted), woken, scope, note))


_WAKE = """
WITH next AS (
  SELECT id FROM messages WHERE paced = %s AND lease_until IS NULL AND status IN ('accepted', 'deferred') AND NOT held
     AND tier <= %s AND next_attempt_at > now() ORDER BY tier, queue_position LIMIT %s FOR UPDATE SKIP LOCKED)
UPDATE messages m SET next_attempt_at = now(), ticket_at = clock_timestamp(), ticket_count = 1
  FROM next WHERE m.id = next.id RETURNING m.id, m.tier, m.path, m.queue_position
"""


def wake(connection: Connection, scope: str, count: int, *, up_to: int = len(TIERS)) -> list[Due]:
    """Make the next `count` parked messages of a scope, of the tiers up to one, due now; the caller claims them or
    leaves their ticket."""
    found = sorted(rows(connection, _WAKE, scope, up_to, count), key=lambda row: (row.tier, row.queue_position))
    return [Due(row.id, "delivery", row.tier, row.path or "") for row in found]


_REOPEN = """
UPDATE messages SET next_attempt_at = now(), ticket_at = NULL, ticket_count = 1
 WHERE paced = ANY(%s) AND lease_until IS NULL AND status IN ('accepted', 'deferred') AND next_attempt_at > now()
"""


def reopen(connection: Connection, scopes: Sequence[str]) -> int:
    """All that is parked there looks again now: its limits have changed. Answers how many."""
    return connection.exec_driver_sql(_REOPEN, (list(scopes),)).rowcount


_PLACES = """
SELECT p.*, s.name AS source FROM (
  SELECT m.paced, m.source_id, m.tier, count(*) AS waiting, min(m.paced_at) AS oldest, min(m.next_attempt_at) AS next,
         (array_agg(m.pace_note ORDER BY m.paced_at))[1] AS detail
    FROM messages m WHERE m.paced IS NOT NULL AND m.account_id = %s AND m.environment = %s AND m.lease_until IS NULL
   GROUP BY m.paced, m.source_id, m.tier) p LEFT JOIN sources s ON s.id = p.source_id
 ORDER BY p.waiting DESC, p.paced, p.tier LIMIT 100
"""


def places(connection: Connection, principal: Principal) -> list[dict[str, Any]]:
    """Where messages of this account and environment wait, the most crowded first."""
    return [
        {
            "source": row.source,
            "tier": TIERS[row.tier],
            "waiting": row.waiting,
            "detail": row.detail or "",
            "oldest_since": rfc3339(row.oldest),
            "next_attempt_at": rfc3339(row.next),
        }
        for row in rows(connection, _PLACES, principal.account_id, principal.environment)
    ]


def ids_of(due: Sequence[Due]) -> list[UUID]:
    """Their ids, in order."""
    return [each.id for each in due]
