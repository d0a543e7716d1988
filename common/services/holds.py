"""create, pause, get, find, release: holds as things of an account, or of the whole installation.

Never here: what a hold does to messages (holding.py, settling.py), or queues (queue_states.py).
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from common import clock
from common.clock import rfc3339
from common.db.keyset import Page, Turn, read_page
from common.db.session import rows, run
from common.domain.errors import FieldError, Forbidden, InvalidFields, NotFound
from common.domain.holds import DEFAULT_HOURS, LONGEST_DAYS, Match, QueueName
from common.domain.ids import encode, new_id
from common.domain.principals import Principal
from common.domain.tiers import TIERS

STATES = ("active", "released")


@dataclass(frozen=True, slots=True)
class Wish:
    """A hold to be made. `everywhere`: of all accounts, for an operator. `until`: a day from now unless given."""

    kind: str
    match: Match
    reason: str
    author: str | None = None
    until: datetime | None = None
    stage: str | None = None
    everywhere: bool = False


def must_reach(principal: Principal, everywhere: bool) -> None:
    """Raises Forbidden when a key wants to reach beyond its account without the scope admin."""
    if everywhere and not principal.may("admin"):
        raise Forbidden("Only a key with the scope admin reaches every account.", code="insufficient_scope")


_CREATE = """
INSERT INTO holds (id, account_id, environment, kind, stage, tier, recipient_domain, tag, template, key_id,
  after_position, reason, author, created_by, expires_at)
SELECT %s, %s, %s, %s, %s, %s, %s, %s, %s, %s,
       CASE WHEN %s THEN (SELECT coalesce(pg_sequence_last_value(pg_get_serial_sequence('messages',
         'queue_position')::regclass), 0)) END, %s, %s, %s, %s
"""


def create(connection: Connection, principal: Principal, wish: Wish) -> dict[str, Any]:
    """A new hold, in force with the commit; settle it afterwards. Raises InvalidFields, Forbidden."""
    must_reach(principal, wish.everywhere)
    now = clock.now()
    until = wish.until or now + timedelta(hours=DEFAULT_HOURS)
    if until <= now:
        raise InvalidFields([FieldError("expires_at", "in_past", "lies in the past")])
    if until > now + timedelta(days=LONGEST_DAYS):
        raise InvalidFields([FieldError("expires_at", "too_far", f"is more than {LONGEST_DAYS} days ahead")])
    hold_id, match = new_id(), wish.match
    author = wish.author or ("operator" if wish.everywhere else encode("key", principal.key_id))
    run(
        connection, _CREATE, hold_id,
        None if wish.everywhere else principal.account_id, None if wish.everywhere else principal.environment,
        wish.kind, wish.stage, match.tier, match.recipient_domain, match.tag, match.template, match.key_id,
        wish.kind == "drain", wish.reason, author, principal.key_id, until,
    )  # fmt: skip
    return get(connection, principal, hold_id)


_SELECT = """
SELECT h.*, (SELECT count(*) FROM messages m WHERE m.hold_id = h.id AND (%s OR m.account_id = %s)) AS messages
  FROM holds h
"""
"""With the messages that the caller may know of."""


def get(connection: Connection, principal: Principal, hold_id: UUID) -> dict[str, Any]:
    """One hold of this environment, or one of the whole installation. Raises NotFound."""
    return shown(_row(connection, principal, hold_id))


def _row(connection: Connection, principal: Principal, hold_id: UUID) -> Any:
    operator = principal.may("admin")
    sql = f"{_SELECT} WHERE h.id = %s AND (%s OR h.account_id IS NULL OR h.account_id = %s AND h.environment = %s)"
    mine = (principal.account_id, principal.environment)
    found = rows(connection, sql, operator, principal.account_id, hold_id, operator, *mine)
    if not found:
        raise NotFound("There is no hold with this id.")
    return found[0]


def find(
    connection: Connection, principal: Principal, *, states: list[str], everywhere: bool, limit: int,
    turn: Turn | None = None,
) -> Page:  # fmt: skip
    """Holds that reach this environment, newest first; with `everywhere` those of all accounts. Raises Forbidden."""
    must_reach(principal, everywhere)
    where = "(%s OR h.account_id IS NULL OR h.account_id = %s AND h.environment = %s)"
    wanted = set(states)
    if len(wanted) == 1:
        where += f" AND h.released_at IS {'NULL' if wanted == {'active'} else 'NOT NULL'}"
    operator = principal.may("admin")
    parameters = (operator, principal.account_id, everywhere, principal.account_id, principal.environment)
    order = ("h.created_at", "h.id")
    return read_page(connection, f"{_SELECT} WHERE {where}", parameters, shown, limit=limit, turn=turn, order=order)


_RELEASE = """
UPDATE holds SET released_at = clock_timestamp(), released_by = %s WHERE id = %s AND released_at IS NULL
"""


def release(connection: Connection, principal: Principal, hold_id: UUID) -> dict[str, Any]:
    """End a hold; `settling.empty` lets its messages go. Repeating it is harmless. Raises NotFound, Forbidden."""
    row = _row(connection, principal, hold_id)
    if row.account_id is None:
        must_reach(principal, True)
    run(connection, _RELEASE, encode("key", principal.key_id), hold_id)
    return get(connection, principal, hold_id)


_OF_QUEUE = """
SELECT id FROM holds WHERE released_at IS NULL AND expires_at > now() AND kind IN ('pause', 'drain')
   AND stage = %s AND tier = %s AND account_id IS NOT DISTINCT FROM %s AND environment IS NOT DISTINCT FROM %s
 ORDER BY created_at FOR UPDATE
"""


def of_queue(connection: Connection, principal: Principal, queue: QueueName, everywhere: bool) -> list[UUID]:
    """The pauses and drains of a queue that this caller may end, locked. Raises Forbidden."""
    must_reach(principal, everywhere)
    whose = (None, None) if everywhere else (principal.account_id, principal.environment)
    return [row.id for row in rows(connection, _OF_QUEUE, queue.stage, queue.tier, *whose)]


def shown(row: Any) -> dict[str, Any]:
    """A hold as callers see it."""
    return {
        "id": encode("hld", row.id),
        "kind": row.kind,
        "state": "active" if row.released_at is None else "released",
        "everywhere": row.account_id is None,
        "stage": row.stage,
        "match": {
            "priority": None if row.tier is None else TIERS[row.tier],
            "recipient_domain": row.recipient_domain,
            "tag": row.tag,
            "template": row.template,
            "key_id": encode("key", row.key_id) if row.key_id else None,
        },
        "reason": row.reason,
        "author": row.author,
        "messages": row.messages,
        "created_at": rfc3339(row.created_at),
        "expires_at": rfc3339(row.expires_at),
        "released_at": rfc3339(row.released_at) if row.released_at else None,
        "released_by": row.released_by,
    }
