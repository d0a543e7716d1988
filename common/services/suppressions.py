"""Suppressions: addresses that receive nothing more, or nothing of a stream or topic. Unsubscribes are the
view on one reason. Live and test mail are kept apart.

Never here: the check before delivery (services/routing.py and delivery.py read the rows), many at once
(services/importing.py).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from common.clock import rfc3339
from common.db.keyset import Page, Position, Turn, read_page
from common.db.session import rows, run, transaction
from common.domain.addresses import Address
from common.domain.errors import NotFound
from common.domain.ids import encode, new_id
from common.domain.principals import Principal
from common.domain.suppressions import ALL
from common.services import auditing, events
from common.services.events import NewEvent

_ALIVE = "(expires_at IS NULL OR expires_at > now())"
_COLUMNS = "id, recipient, reason, scope, note, source_message_id, created_at, expires_at"
_EXPORT_ROWS = 5_000


@dataclass(frozen=True, slots=True)
class Filters:
    """What a list shows. `recipient` is an address key, `prefix` the beginning of one."""

    reasons: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()
    recipient: str | None = None
    prefix: str | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None


def _shown(row: Any) -> dict[str, Any]:
    return {
        "id": encode("sup", row.id),
        "recipient": row.recipient,
        "reason": row.reason,
        "scope": row.scope,
        "note": row.note,
        "source_message_id": encode("msg", row.source_message_id) if row.source_message_id else None,
        "created_at": rfc3339(row.created_at),
        "expires_at": rfc3339(row.expires_at) if row.expires_at else None,
    }


def add(
    connection: Connection,
    principal: Principal,
    *,
    recipient: Address,
    reason: str,
    scope: str = ALL,
    note: str | None = None,
    expires_at: datetime | None = None,
) -> tuple[dict[str, Any], bool]:
    """Suppress an address in this environment. Answers the suppression and whether it is new.

    What is suppressed already in this scope keeps its first reason and date.
    """
    run(
        connection,
        "DELETE FROM suppressions WHERE account_id = %s AND environment = %s AND recipient_key = %s AND scope = %s"
        " AND expires_at <= now()",
        principal.account_id, principal.environment, recipient.key, scope,
    )  # fmt: skip
    made = rows(
        connection,
        "INSERT INTO suppressions (id, account_id, environment, recipient, recipient_key, reason, scope, note,"
        " expires_at) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)"
        f" ON CONFLICT (account_id, environment, recipient_key, scope) DO NOTHING RETURNING {_COLUMNS}",
        new_id(), principal.account_id, principal.environment, recipient.email, recipient.key, reason, scope, note,
        expires_at,
    )  # fmt: skip
    if made:
        events.record(connection, [_event("suppression.created", principal, made[0])])
        return _shown(made[0]), True
    return get(connection, principal, recipient.key, scope=scope), False


def get(
    connection: Connection,
    principal: Principal,
    which: str | UUID,
    reason: str | None = None,
    scope: str | None = None,
) -> dict[str, Any]:
    """One suppression, by id or by the address's key (the widest scope first). Raises NotFound."""
    where, parameters = _which(principal, which, reason, scope)
    found = rows(
        connection,
        f"SELECT {_COLUMNS} FROM suppressions WHERE {where} AND {_ALIVE} ORDER BY scope LIMIT 1",
        *parameters,
    )
    if not found:
        raise NotFound("This address is not suppressed.")
    return _shown(found[0])


def _which(
    principal: Principal, which: str | UUID, reason: str | None, scope: str | None
) -> tuple[str, tuple[Any, ...]]:
    column = "id" if isinstance(which, UUID) else "recipient_key"
    return (
        f"account_id = %s AND environment = %s AND {column} = %s"
        " AND (%s::text IS NULL OR reason = %s) AND (%s::text IS NULL OR scope = %s)",
        (principal.account_id, principal.environment, which, reason, reason, scope, scope),
    )


def find(
    connection: Connection,
    principal: Principal,
    filters: Filters,
    *,
    limit: int,
    turn: Turn | None = None,
) -> Page:
    """One page of suppressions, newest first."""
    where, parameters = _conditions(principal, filters)
    select = f"SELECT {_COLUMNS} FROM suppressions WHERE {' AND '.join(where)}"
    return read_page(connection, select, parameters, _shown, limit=limit, turn=turn)


def _conditions(principal: Principal, filters: Filters) -> tuple[list[str], list[Any]]:
    where = ["account_id = %s", "environment = %s", _ALIVE]
    parameters: list[Any] = [principal.account_id, principal.environment]
    given: list[tuple[str, Any]] = [
        ("reason = ANY(%s)", list(filters.reasons) or None),
        ("scope = ANY(%s)", list(filters.scopes) or None),
        ("recipient_key = %s", filters.recipient),
        ("recipient_key LIKE %s", None if filters.prefix is None else _like(filters.prefix)),
        ("created_at >= %s", filters.created_after),
        ("created_at < %s", filters.created_before),
    ]
    for condition, value in given:
        if value is not None:
            where.append(condition)
            parameters.append(value)
    return where, parameters


def _like(prefix: str) -> str:
    escaped = prefix.lower().replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"{escaped}%"


def export(principal: Principal, filters: Filters) -> Iterator[list[dict[str, Any]]]:
    """Every suppression that matches, newest first, some thousand at a time.

    Each portion is its own short transaction, so a slow reader holds no snapshot and no connection.
    """
    where, parameters = _conditions(principal, filters)
    position: Position | None = None
    while True:
        beyond = "" if position is None else " AND (created_at, id) < (%s, %s)"
        with transaction() as connection:
            found = rows(
                connection,
                f"SELECT {_COLUMNS} FROM suppressions WHERE {' AND '.join(where)}{beyond}"
                f" ORDER BY created_at DESC, id DESC LIMIT {_EXPORT_ROWS}",
                *parameters,
                *(position or ()),
            )
        if found:
            yield [_shown(row) for row in found]
        if len(found) < _EXPORT_ROWS:
            return
        position = (found[-1].created_at, found[-1].id)


def remove(
    connection: Connection,
    principal: Principal,
    which: str | UUID,
    reason: str | None = None,
    scope: str | None = None,
) -> None:
    """Let mail through again: one id, or an address in one scope or all. Raises NotFound."""
    where, parameters = _which(principal, which, reason, scope)
    gone = rows(
        connection,
        f"DELETE FROM suppressions WHERE {where} AND {_ALIVE} RETURNING id, recipient, reason, scope",
        *parameters,
    )
    if not gone:
        raise NotFound("This address is not suppressed.")
    auditing.about(encode("sup", gone[0].id))
    events.record(connection, [_event("suppression.deleted", principal, row) for row in gone])


def prune(connection: Connection, most: int = 50_000) -> int:
    """Remove what has expired; answers how many."""
    return run(
        connection,
        "DELETE FROM suppressions WHERE id IN (SELECT id FROM suppressions WHERE expires_at <= now()"
        " ORDER BY expires_at LIMIT %s)",
        most,
    )


def _event(name: str, principal: Principal, row: Any) -> NewEvent:
    data = {"suppression_id": encode("sup", row.id), "recipient": row.recipient, "reason": row.reason}
    return NewEvent(principal.account_id, name, data | {"scope": row.scope}, principal.environment)
