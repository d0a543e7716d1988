"""resolve, lapse: somebody decides about messages in doubt, or nobody does in time.

A message is in doubt while an attempt of it ended unknown and it has not ended itself. Sending it again is a choice
that its timeline tells, with who chose and why. Never here: what follows an unknown outcome by itself.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from common import clock
from common.config import Settings
from common.db.session import rows
from common.domain.doubts import HELD, NOBODY_KNOWS
from common.domain.errors import Conflict, DomainError, NotFound
from common.domain.ids import encode
from common.domain.lifecycle import LIVE
from common.domain.principals import Principal
from common.services import doubts, lifecycle
from common.services.consequences import seconds_to_decide
from common.services.due import BATCH, Due
from common.services.lifecycle import Applied, Change


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody wants of messages in doubt: `choice` of domain/doubts.py, why, and who; the key unless given."""

    choice: str
    reason: str
    author: str | None = None


@dataclass(frozen=True, slots=True)
class Resolved:
    """For each id None, or why nothing was done; what needs a ticket; what was moved."""

    answers: list[DomainError | None]
    due: list[Due]
    applied: list[Applied]


_OWNED = """
SELECT m.id, m.status, m.tier, m.path, m.unknown_count, m.attempt_no, m.expires_at, m.lease_until IS NOT NULL AS leased
  FROM messages m WHERE m.id = ANY(%s::uuid[]) AND m.account_id = %s AND m.environment = %s
 ORDER BY m.id FOR UPDATE
"""


def resolve(
    connection: Connection, settings: Settings, principal: Principal, ids: Sequence[UUID], wish: Wish
) -> Resolved:
    """Send again, hold or end those that are in doubt. NotFound, or Conflict for one that is not."""
    owned = {row.id: row for row in rows(connection, _OWNED, list(ids), principal.account_id, principal.environment)}
    faults = {message_id: _fault(row) for message_id, row in owned.items()}
    able = [row for row in owned.values() if faults[row.id] is None]
    applied = lifecycle.apply(connection, [_change(settings, principal, row, wish) for row in able])
    moved = [each.message_id for each in applied]
    free: set[UUID] = set()
    if wish.choice == "hold":
        doubts.hold(connection, moved, wish.reason)
    elif wish.choice == "resend":
        free = doubts.let_go(connection, moved)
    answers = [_answer(each, owned, faults, set(moved)) for each in ids]
    due = [Due(each.message_id, "delivery", each.tier, each.path or "") for each in applied if each.message_id in free]
    return Resolved(answers, due, applied)


def _fault(row: Any) -> Conflict | None:
    extra = {"message_status": row.status}
    if row.status not in LIVE:
        told = f"The message has ended as {row.status}: POST /v1/messages/{{id}}/resend sends a new one."
        return Conflict(told, extra=extra)
    if not row.unknown_count:
        return Conflict("The message is not in doubt: no attempt of it ended unknown.", extra=extra)
    return Conflict("The message is being sent just now: ask again.", extra=extra) if row.leased else None


def _change(settings: Settings, principal: Principal, row: Any, wish: Wish) -> Change:
    author = wish.author or encode("key", principal.key_id)
    data: dict[str, Any] = {"in_doubt": wish.choice, "author": author, "unknown_attempts": row.unknown_count}
    if wish.choice == "fail":
        told = data | {"reason": "outcome_unknown", "detail": wish.reason}
        return Change(row.id, "give_up", data=told, cause="outcome_unknown")
    if wish.choice == "resend":
        return Change(row.id, "resend", data=data | {"reason": wish.reason}, delay=0.0, armed=True)
    now = clock.now()
    wait = seconds_to_decide(settings, row.expires_at, now)
    until = {"next_attempt_at": None, "until": clock.rfc3339(now + timedelta(seconds=wait))}
    return Change(row.id, "keep_back", data=data | until | {"reason": HELD + wish.reason}, delay=wait)


def _answer(
    message_id: UUID, owned: Mapping[UUID, Any], faults: Mapping[UUID, Conflict | None], moved: Collection[UUID]
) -> DomainError | None:
    if message_id not in owned:
        return NotFound("No such message.")
    if faults[message_id] is None and message_id not in moved:
        return Conflict("The message has just moved on: read it again.")
    return faults[message_id]


_LAPSED = f"""
SELECT m.id, m.unknown_count FROM messages m
 WHERE m.unknown_count > 0 AND m.ended_at IS NULL AND m.next_attempt_at <= now() AND m.lease_until IS NULL
   AND {doubts.IS_HELD} ORDER BY m.next_attempt_at LIMIT %s FOR UPDATE SKIP LOCKED
"""


def lapse(connection: Connection) -> list[Applied]:
    """End those about which nobody decided in time. They are dead letters: what is wanted after all can be replayed."""
    told = {"reason": "outcome_unknown", "in_doubt": "fail", "author": "expiry",
            "detail": f"{NOBODY_KNOWS}, and nobody decided"}  # fmt: skip
    return lifecycle.apply(
        connection,
        [
            Change(row.id, "give_up", data=told | {"unknown_attempts": row.unknown_count}, cause="outcome_unknown")
            for row in rows(connection, _LAPSED, BATCH)
        ],
    )
