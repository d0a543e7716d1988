"""settle, expire, empty: what waits already is marked as held, and goes on when its hold ends.

Marking makes a hold visible on every message (`held`, `hold_id`) and takes the message out of everybody's way; a hold
counts without it. A portion at a time: the request does the first ones, the scheduler the rest. Never here: holds
themselves (holds.py).
"""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import Connection

from common import clock
from common.db.session import rows, run, transaction
from common.services.due import Due
from common.services.holding import COVERS

PORTION = 2000

STAGE_OF = "CASE WHEN m.status IN ('scheduled', 'queued') THEN 'routing' ELSE 'delivery' END"

_SETTLE = f"""
WITH h AS (SELECT * FROM holds WHERE id = %s AND released_at IS NULL AND expires_at > now() FOR SHARE),
next AS (
  SELECT m.id, h.id AS hold FROM messages m, h
   WHERE m.status IN ('queued', 'accepted', 'deferred') AND m.lease_until IS NULL AND NOT m.held
     AND (h.stage IS NULL OR h.stage = {STAGE_OF}) AND {COVERS}
   LIMIT {PORTION} FOR UPDATE OF m)
UPDATE messages m SET held = true, hold_id = next.hold, held_at = clock_timestamp(), ticket_at = NULL
  FROM next WHERE m.id = next.id
"""


def settle(connection: Connection, hold_id: UUID) -> bool:
    """Mark a portion of what waits and a hold keeps back; answers whether more may be left.

    Waits for whoever is just claiming one of them, so that afterwards each is held or is being sent.
    """
    if run(connection, _SETTLE, hold_id) == PORTION:
        return True
    run(connection, "UPDATE holds SET settled_at = clock_timestamp() WHERE id = %s AND settled_at IS NULL", hold_id)
    return False


def unsettled(connection: Connection) -> list[UUID]:
    """Holds whose messages are not all marked yet."""
    sql = "SELECT id FROM holds WHERE released_at IS NULL AND settled_at IS NULL AND expires_at > now() LIMIT 100"
    return [row.id for row in rows(connection, sql)]


_EXPIRE = """
UPDATE holds SET released_at = clock_timestamp(), released_by = 'expiry'
 WHERE id IN (SELECT id FROM holds WHERE released_at IS NULL AND expires_at <= now() FOR UPDATE SKIP LOCKED)
"""


def expire(connection: Connection) -> int:
    """Release every hold whose time has come; `empty` lets its messages go."""
    return run(connection, _EXPIRE)


_EMPTY = f"""
WITH freed AS (
  SELECT id FROM messages WHERE hold_id = %s ORDER BY tier, queue_position LIMIT {PORTION} FOR UPDATE)
UPDATE messages m SET held = false, hold_id = NULL, held_at = NULL, ticket_count = 1,
       ticket_at = CASE WHEN m.next_attempt_at <= now() THEN clock_timestamp() END
  FROM freed WHERE m.id = freed.id
RETURNING m.id, m.tier, m.path, m.status, m.queue_position, m.next_attempt_at <= now() AS due
"""
_EMPTIED = "UPDATE holds SET emptied_at = clock_timestamp() WHERE id = %s AND released_at IS NOT NULL"
_EMPTYING = "SELECT id FROM holds WHERE released_at IS NOT NULL AND emptied_at IS NULL ORDER BY released_at LIMIT 20"


def empty(connection: Connection, hold_ids: Sequence[UUID] | None = None) -> list[Due]:
    """Let a portion of the messages of released holds go on; answers those that need a ticket now.

    What another hold keeps back as well is held again by whoever takes it up.
    """
    wanted = list(hold_ids) if hold_ids is not None else [row.id for row in rows(connection, _EMPTYING)]
    due: list[Due] = []
    for hold_id in wanted:
        freed = rows(connection, _EMPTY, hold_id)
        if len(freed) < PORTION:
            run(connection, _EMPTIED, hold_id)
        freed.sort(key=lambda row: (row.tier, row.queue_position))
        due += [
            Due(row.id, "routing" if row.status == "queued" else "delivery", row.tier, row.path or "")
            for row in freed
            if row.due and row.status != "scheduled"
        ]
    return due


INLINE_SECONDS = 1.0


def settle_now(hold_id: UUID) -> None:
    """Mark what waits, after the commit of a hold; what takes longer than a second is left to the scheduler."""
    until = clock.monotonic() + INLINE_SECONDS
    more = True
    while more and clock.monotonic() < until:
        with transaction() as connection:
            more = settle(connection, hold_id)


def empty_now(hold_ids: Sequence[UUID]) -> list[Due]:
    """Let messages go, after the commit of a release; the rest is left to the scheduler. The caller leaves tickets."""
    until = clock.monotonic() + INLINE_SECONDS
    due: list[Due] = []
    left = list(hold_ids)
    while left and clock.monotonic() < until:
        with transaction() as connection:
            due += empty(connection, left[:1])
            if is_empty(connection, left[0]):
                left.pop(0)
    return due


def is_empty(connection: Connection, hold_id: UUID) -> bool:
    """Whether a released hold has let all of its messages go."""
    return bool(rows(connection, "SELECT FROM holds WHERE id = %s AND emptied_at IS NOT NULL", hold_id))
