"""Dead letters: messages that ended badly, keyed on the message: list, group, inspect, discard.

Never here: the writing of them (services/lifecycle.py), sending again (services/replaying.py).
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from common.clock import rfc3339
from common.db.keyset import Page, Position, Turn, read_page
from common.db.session import planned_anew, rows, run
from common.domain.errors import Conflict, DomainError, NotFound
from common.domain.ids import encode
from common.domain.principals import Principal
from common.services import messages

STATES = ("waiting", "replayed", "discarded")

_STATE = """CASE WHEN d.discarded_at IS NOT NULL THEN 'discarded' WHEN d.replayed_as IS NOT NULL THEN 'replayed'
             ELSE 'waiting' END AS state"""
_LETTERS = f"""
(SELECT d.*, m.recipient, m.recipient_key, m.status, m.attempt_no, {_STATE}
   FROM dead_letters d JOIN messages m ON m.id = d.message_id) d
"""
_ALONE = f"(SELECT d.*, {_STATE} FROM dead_letters d) d"
"""Without their messages, of which there may be very many."""


@dataclass(frozen=True, slots=True)
class Filters:
    """Which dead letters; empty and None stand for everything. `recipient` is an address key."""

    states: tuple[str, ...] = ()
    causes: tuple[str, ...] = ()
    recipient: str | None = None
    domain: str | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None

    def kept(self) -> dict[str, Any]:
        """As JSON, for a job's options; `read` is the way back."""
        return asdict(self)

    @staticmethod
    def read(kept: Mapping[str, Any]) -> "Filters":
        moments = {
            name: None if kept[name] is None else datetime.fromisoformat(kept[name])
            for name in ("created_after", "created_before")
        }
        return Filters(tuple(kept["states"]), tuple(kept["causes"]), kept["recipient"], kept["domain"], **moments)


def _shown(row: Any) -> dict[str, Any]:
    return {
        "message_id": encode("msg", row.message_id),
        "recipient": row.recipient,
        "status": row.status,
        "state": row.state,
        "cause": row.cause,
        "detail": row.detail,
        "attempts": row.attempt_no,
        "created_at": rfc3339(row.created_at),
        "replayed_as": encode("msg", row.replayed_as) if row.replayed_as else None,
        "replayed_at": rfc3339(row.replayed_at) if row.replayed_at else None,
        "discarded_at": rfc3339(row.discarded_at) if row.discarded_at else None,
        "discard_reason": row.discard_reason,
    }


def find(
    connection: Connection, principal: Principal, filters: Filters, *, limit: int, turn: Turn | None = None
) -> Page:
    """Dead letters of this environment, newest first."""
    where, parameters = _conditions(principal, filters)
    select = f"SELECT * FROM {_LETTERS} WHERE {where}"
    return read_page(connection, select, parameters, _shown, limit=limit, turn=turn, order=("created_at", "message_id"))


def _conditions(principal: Principal, filters: Filters) -> tuple[str, list[Any]]:
    where = ["account_id = %s", "environment = %s"]
    parameters: list[Any] = [principal.account_id, principal.environment]
    given: list[tuple[str, Any]] = [
        ("state = ANY(%s)", list(filters.states) or None),
        ("cause = ANY(%s)", list(filters.causes) or None),
        ("recipient_key = %s", filters.recipient),
        ("recipient_domain = %s", filters.domain),
        ("created_at >= %s", filters.created_after),
        ("created_at < %s", filters.created_before),
    ]
    for condition, value in given:
        if value is not None:
            where.append(condition)
            parameters.append(value)
    return " AND ".join(where), parameters


_GROUPS = """
SELECT g.*, n.message_id AS newest, n.detail FROM (
  SELECT cause, count(*) AS count, count(*) FILTER (WHERE state = 'waiting') AS waiting, min(created_at) AS first_at,
         max(created_at) AS last_at, count(DISTINCT recipient_domain) AS domains
    FROM {letters} WHERE {where} GROUP BY cause) g
  CROSS JOIN LATERAL (SELECT message_id, detail FROM {letters} WHERE {where} AND cause = g.cause
                       ORDER BY created_at DESC, message_id DESC LIMIT 1) n
 ORDER BY g.count DESC, g.cause
"""


def causes(connection: Connection, principal: Principal, filters: Filters) -> list[dict[str, Any]]:
    """One entry for each cause, the most frequent first, with its newest dead letter as an example."""
    where, parameters = _conditions(principal, filters)
    letters = _ALONE if filters.recipient is None else _LETTERS
    with planned_anew(connection):
        groups = rows(connection, _GROUPS.format(letters=letters, where=where), *parameters, *parameters)
    return [
        {
            "cause": row.cause,
            "count": row.count,
            "waiting": row.waiting,
            "recipient_domains": row.domains,
            "first_at": rfc3339(row.first_at),
            "last_at": rfc3339(row.last_at),
            "newest_message_id": encode("msg", row.newest),
            "newest_detail": row.detail,
        }
        for row in groups
    ]


def count(connection: Connection, principal: Principal, filters: Filters) -> int:
    """How many match."""
    where, parameters = _conditions(principal, filters)
    return int(rows(connection, f"SELECT count(*) AS n FROM {_LETTERS} WHERE {where}", *parameters)[0].n)


def oldest(
    connection: Connection, principal: Principal, filters: Filters, after: Position | None, most: int
) -> list[Position]:
    """The next ones in the order of their death, for a job that walks through them."""
    where, parameters = _conditions(principal, filters)
    beyond = "" if after is None else " AND (created_at, message_id) > (%s, %s)"
    sql = f"SELECT created_at, message_id FROM {_LETTERS} WHERE {where}{beyond} ORDER BY created_at, message_id"
    found = rows(connection, f"{sql} LIMIT {int(most)}", *parameters, *(after or ()))
    return [(row.created_at, row.message_id) for row in found]


def get(connection: Connection, principal: Principal, message_id: UUID) -> dict[str, Any]:
    """One dead letter. Raises NotFound."""
    return _shown(_row(connection, principal, message_id))


def inspect(connection: Connection, principal: Principal, message_id: UUID) -> dict[str, Any]:
    """One dead letter with its message and every conversation about it. Raises NotFound."""
    return get(connection, principal, message_id) | {
        "message": messages.get(connection, principal, message_id),
        "conversations": messages.attempts(connection, principal, message_id),
    }


def _row(connection: Connection, principal: Principal, message_id: UUID) -> Any:
    sql = f"SELECT * FROM {_LETTERS} WHERE message_id = %s AND account_id = %s AND environment = %s"
    found = rows(connection, sql, message_id, principal.account_id, principal.environment)
    if not found:
        raise NotFound("There is no dead letter of this message.")
    return found[0]


def hold(connection: Connection, principal: Principal, ids: Sequence[UUID]) -> dict[UUID, Any]:
    """The rows of these dead letters, locked; what is another's, or none, is left out."""
    # Locked first and read afterwards: a statement sees its rows as they were when it began.
    where = "WHERE message_id = ANY(%s::uuid[]) AND account_id = %s AND environment = %s"
    parameters = (list(ids), principal.account_id, principal.environment)
    rows(connection, f"SELECT message_id FROM dead_letters {where} ORDER BY message_id FOR UPDATE", *parameters)
    return {row.message_id: row for row in rows(connection, f"SELECT * FROM {_LETTERS} {where}", *parameters)}


_DISCARD = """
UPDATE dead_letters SET discarded_at = now(), discard_reason = %s WHERE message_id = ANY(%s::uuid[])
"""


def discard(
    connection: Connection, principal: Principal, ids: Sequence[UUID], *, reason: str, dry_run: bool = False
) -> list[bool | DomainError]:
    """Put dead letters aside for good: nobody has to look at them again. Repeating it keeps the first reason.

    Answers for each, in order, whether it was discarded now; NotFound, or Conflict for one that was replayed.
    """
    held = hold(connection, principal, ids)
    now = [each for each, row in held.items() if row.state == "waiting"]
    if now and not dry_run:
        run(connection, _DISCARD, reason, now)
    answers: list[bool | DomainError] = []
    for message_id in ids:
        row = held.get(message_id)
        if row is None:
            answers.append(NotFound("There is no dead letter of this message."))
        elif row.state == "replayed":
            answers.append(Conflict(f"It was replayed as {encode('msg', row.replayed_as)}."))
        else:
            answers.append(row.state == "waiting")
    return answers
