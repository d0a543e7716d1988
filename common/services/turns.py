"""others_first: accounts take turns within a tier, so that the flood of one never delays the ten messages of another.

A ticket that has waited behind others does, before its own work, the oldest due work of one other account of its
tier: the next one each time. So with two accounts each gets half of the work, whoever came first; with many, none
waits longer than a round of turns. The tickets of work done in this way find nothing left, and do another's. While
nothing waits, nobody asks. Within an account and a tier the order is that of due times. Never here: claiming.
"""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import Connection

from common import clock
from common.config import current_settings
from common.db.session import rows
from common.domain.lifecycle import ENDED
from common.domain.tiers import TIERS

WAITED_SECONDS = 0.5
"""A ticket whose first message is younger than this has not waited behind others."""

_NOBODY = UUID(int=0)


UNCLAIMED = f"""m.status NOT IN ({", ".join(repr(status) for status in ("scheduled", *ENDED))})
      AND m.lease_until IS NULL AND NOT m.held"""
"""SQL: the rows of the index `messages_turns`, in words that no other index has: another would read all that is due
while the planner knows nothing of a flood yet."""


def _due(stage: str) -> str:
    return f"""(m.status = 'queued') IS {"TRUE" if stage == "routing" else "FALSE"}
      AND {UNCLAIMED} AND m.next_attempt_at <= now()"""


def _next(stage: str) -> str:
    """SQL: which account is next after one, in the order of their ids, without that of the ticket, whose own work
    follows; unless that is done already.

    Ranges on both sides of the ticket's own: a condition "not this one" would read all that it has waiting.
    """
    ranges = (
        "m.account_id > own.last AND m.account_id < own.account_id",
        "m.account_id > greatest(own.last, own.account_id)",
        "m.account_id < own.account_id",
        "m.account_id > own.account_id",
    )
    found = ", ".join(
        f"""(SELECT m.account_id FROM messages m WHERE {_due(stage)} AND m.tier = own.tier AND {each}
              ORDER BY m.account_id LIMIT 1)"""
        for each in ranges
    )
    return f"""
WITH own AS (
  SELECT m.tier, (%s::uuid[])[m.tier + 1] AS last, CASE WHEN {_due(stage)} THEN m.account_id ELSE '{_NOBODY}' END
         AS account_id FROM messages m WHERE m.id = %s)
SELECT own.tier, coalesce({found}) AS account_id FROM own
"""


# One connection's work: what goes the way of the oldest.
def _oldest(stage: str) -> str:
    return f"""
WITH oldest AS (
  SELECT m.id, m.path, m.next_attempt_at FROM messages m WHERE {_due(stage)} AND m.tier = %s AND m.account_id = %s
   ORDER BY m.next_attempt_at LIMIT %s)
SELECT id FROM oldest WHERE path IS NOT DISTINCT FROM (SELECT path FROM oldest ORDER BY next_attempt_at LIMIT 1)
"""


class Turns:
    """Of one process and stage: which account had the last turn, in each tier."""

    def __init__(self, stage: str) -> None:
        self._next, self._oldest = _next(stage), _oldest(stage)
        self._last = [_NOBODY for _ in TIERS]

    def others_first(self, connection: Connection, ids: Sequence[UUID]) -> list[UUID]:
        """The work of another account that this ticket does before its own; [] while none waits."""
        if not ids or _age(ids[0]) < WAITED_SECONDS:
            return []
        found = rows(connection, self._next, self._last, ids[0])
        if not found or found[0].account_id is None:
            return []
        tier, account_id = found[0].tier, found[0].account_id
        self._last[tier] = account_id
        size = current_settings().ticket_size
        return [row.id for row in rows(connection, self._oldest, tier, account_id, size)]


def _age(message_id: UUID) -> float:
    """Seconds since an id was drawn (UUIDv7)."""
    return clock.now().timestamp() - (message_id.int >> 80) / 1000
