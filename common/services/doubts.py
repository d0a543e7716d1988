"""hold: messages whose outcome nobody knows are kept back until somebody decides.

Called in the transaction that moved them. Never here: what follows a decision (resolving.py).
"""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import Connection

from common.db.session import rows, run
from common.domain.doubts import HELD, NOBODY_KNOWS
from common.services.lifecycle import Applied, Change

IS_HELD = f"m.held AND m.hold_id IS NULL AND m.hold_reason LIKE '{HELD}%%' AND m.unknown_count > 0"
"""SQL: whether the message `m` is held because its outcome is unknown."""

_HOLD = """
UPDATE messages SET held = true, hold_id = NULL, hold_reason = %s, held_at = clock_timestamp(), ticket_at = NULL,
       next_attempt_at = least(next_attempt_at, expires_at)
 WHERE id = ANY(%s::uuid[])
"""


def hold(connection: Connection, ids: Sequence[UUID], reason: str = NOBODY_KNOWS) -> None:
    """Keep these back; `next_attempt_at` is when they are given up."""
    if ids:
        run(connection, _HOLD, HELD + reason, list(ids))


def hold_doubted(connection: Connection, changes: Sequence[Change], applied: Sequence[Applied]) -> None:
    """The same of those that a change has put in doubt."""
    wanted = {each.message_id for each in changes if each.transition == "doubt"}
    if wanted:
        hold(connection, [each.message_id for each in applied if each.message_id in wanted])


_LET_GO = """
UPDATE messages SET held = hold_id IS NOT NULL, hold_reason = NULL, held_at = CASE WHEN hold_id IS NULL THEN NULL
       ELSE held_at END WHERE id = ANY(%s::uuid[]) RETURNING id, held
"""


def let_go(connection: Connection, ids: Sequence[UUID]) -> set[UUID]:
    """Keep them back no longer; answers those that no other hold keeps back."""
    return {row.id for row in rows(connection, _LET_GO, list(ids)) if not row.held} if ids else set()
