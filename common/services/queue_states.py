"""states: every queue of a caller, by stage and tier: how deep, how old, how fast, and who has paused it.

Read from rows, which are the queue; tickets only hint at them. Never here: changing anything.
"""

from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from common import clock
from common.clock import rfc3339
from common.db.session import rows
from common.domain.holds import QUEUES, QueueName
from common.domain.principals import Principal
from common.services import holds
from common.services.settling import STAGE_OF

WINDOW_SECONDS = 60

_DEPTHS = f"""
SELECT stage, tier, count(*) FILTER (WHERE leased) AS in_progress,
       count(*) FILTER (WHERE held) AS held,
       count(*) FILTER (WHERE NOT leased AND NOT held AND due) AS depth,
       count(*) FILTER (WHERE NOT leased AND NOT held AND NOT due AND paced) AS paced,
       count(*) FILTER (WHERE NOT leased AND NOT held AND NOT due AND NOT paced) AS later,
       min(since) FILTER (WHERE NOT leased AND NOT held AND due) AS oldest
  FROM (
    SELECT {STAGE_OF} AS stage, m.tier, false AS leased, m.held, m.next_attempt_at <= now() AS due,
           m.paced IS NOT NULL AS paced, greatest(m.next_attempt_at, coalesce(m.accepted_at, m.created_at)) AS since
      FROM messages m
     WHERE m.status IN ('scheduled', 'queued', 'accepted', 'deferred') AND m.lease_until IS NULL
       AND (%s OR m.account_id = %s AND m.environment = %s)
    UNION ALL
    SELECT 'delivery', m.tier, true, false, false, false, NULL FROM messages m
     WHERE m.lease_until IS NOT NULL AND (%s OR m.account_id = %s AND m.environment = %s)) each
 GROUP BY stage, tier
"""

_RATES = """
SELECT m.tier, count(*) FILTER (WHERE e.type = 'message.queued') AS queued,
       count(*) FILTER (WHERE e.type = 'message.accepted') AS accepted,
       count(*) FILTER (WHERE e.type IN ('message.delivered', 'message.deferred', 'message.bounced',
                                         'message.failed')) AS tried
  FROM events e JOIN messages m ON m.id = e.message_id
 WHERE e.id >= %s AND (%s OR e.account_id = %s AND e.environment = %s)
 GROUP BY m.tier
"""

_PAUSES = """
SELECT h.*, NULL::bigint AS messages FROM holds h
 WHERE h.released_at IS NULL AND h.expires_at > now() AND h.kind IN ('pause', 'drain')
   AND (h.account_id IS NULL OR NOT %s AND h.account_id = %s AND h.environment = %s) ORDER BY h.created_at
"""


def states(connection: Connection, principal: Principal, *, everywhere: bool = False) -> list[dict[str, Any]]:
    """All queues, routing before delivery, the highest tier first. `everywhere`: of all accounts. Raises Forbidden."""
    holds.must_reach(principal, everywhere)
    whose = (everywhere, principal.account_id, principal.environment)
    deep = {(row.stage, row.tier): row for row in rows(connection, _DEPTHS, *whose, *whose)}
    since = _first_id_of(clock.now().timestamp() - WINDOW_SECONDS)
    rates = {row.tier: row for row in rows(connection, _RATES, since, *whose)}
    pauses: dict[tuple[str, int], Any] = {}
    for row in rows(connection, _PAUSES, *whose):
        pauses.setdefault((row.stage, row.tier), row)
    now = clock.now()
    return [
        _state(queue, deep.get((queue.stage, queue.tier)), rates.get(queue.tier),
               pauses.get((queue.stage, queue.tier)), now)
        for queue in QUEUES
    ]  # fmt: skip


def depths(connection: Connection) -> list[Any]:
    """How deep and how old the queues of all accounts are: a row for each stage and tier with something in it."""
    return rows(connection, _DEPTHS, *(True, None, None) * 2)


def state(
    connection: Connection, principal: Principal, queue: QueueName, *, everywhere: bool = False
) -> dict[str, Any]:
    """One of them."""
    return next(each for each in states(connection, principal, everywhere=everywhere) if each["name"] == queue.text)


def _state(queue: QueueName, depths: Any, rates: Any, pause: Any, now: Any) -> dict[str, Any]:
    depth = depths.depth if depths else 0
    names = ("queued", "accepted") if queue.stage == "routing" else ("accepted", "tried")
    came, went = (int(getattr(rates, name)) * 60 // WINDOW_SECONDS if rates else 0 for name in names)
    oldest = depths.oldest if depths else None
    return {
        "name": queue.text,
        "stage": queue.stage,
        "priority": queue.text.partition(".")[2],
        "depth": depth,
        "in_progress": depths.in_progress if depths else 0,
        "later": depths.later if depths else 0,
        "paced": depths.paced if depths else 0,
        "held": depths.held if depths else 0,
        "oldest_since": rfc3339(oldest) if oldest else None,
        "oldest_age_seconds": round(max(0.0, (now - oldest).total_seconds()), 3) if oldest else None,
        "in_per_minute": came,
        "out_per_minute": went,
        "drain_seconds": 0.0 if depth == 0 else round(depth * 60 / went, 1) if went else None,
        "paused": pause and paused(pause),
    }


def paused(row: Any) -> dict[str, Any]:
    """Who has paused a queue, why and until when."""
    found = holds.shown(row)
    return {"id": found["id"], "kind": row.kind, "reason": row.reason, "since": found["created_at"],
            "until": found["expires_at"], "author": row.author, "everywhere": found["everywhere"]}  # fmt: skip


def _first_id_of(seconds: float) -> UUID:
    """No id that was drawn later is smaller (UUIDv7)."""
    return UUID(int=int(seconds * 1000) << 80)
