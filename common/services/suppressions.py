"""Suppressions: addresses that receive nothing more. Unsubscribes are the view on one reason.

Never here: the check before delivery (services/routing.py and delivery.py read the rows).
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from common.clock import rfc3339
from common.db.session import rows, run
from common.domain.addresses import Address
from common.domain.errors import NotFound
from common.domain.ids import encode, new_id
from common.domain.principals import Principal

UNSUBSCRIBED = "user_unsubscribed"
REASONS = (UNSUBSCRIBED, "hard_bounce", "complaint", "manual", "invalid")
Position = tuple[datetime, UUID]

_ALIVE = "(expires_at IS NULL OR expires_at > now())"
_COLUMNS = "id, recipient, reason, scope, note, source_message_id, created_at, expires_at"


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
    note: str | None = None,
    expires_at: datetime | None = None,
) -> tuple[dict[str, Any], bool]:
    """Suppress an address for the whole account. Answers the suppression and whether it is new.

    An address that is suppressed already keeps its first reason and date.
    """
    run(
        connection,
        "DELETE FROM suppressions WHERE account_id = %s AND recipient_key = %s AND expires_at <= now()",
        principal.account_id,
        recipient.key,
    )
    made = rows(
        connection,
        "INSERT INTO suppressions (id, account_id, recipient, recipient_key, reason, note, expires_at)"
        f" VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING RETURNING {_COLUMNS}",
        new_id(), principal.account_id, recipient.email, recipient.key, reason, note, expires_at,
    )  # fmt: skip
    if made:
        return _shown(made[0]), True
    return get(connection, principal, recipient.key), False


def get(connection: Connection, principal: Principal, which: str | UUID, reason: str | None = None) -> dict[str, Any]:
    """One suppression, by id or by the address's key. Raises NotFound."""
    column = "id" if isinstance(which, UUID) else "recipient_key"
    found = rows(
        connection,
        f"SELECT {_COLUMNS} FROM suppressions WHERE account_id = %s AND {column} = %s AND {_ALIVE}"
        " AND (%s::text IS NULL OR reason = %s) ORDER BY created_at LIMIT 1",
        principal.account_id, which, reason, reason,
    )  # fmt: skip
    if not found:
        raise NotFound("This address is not suppressed.")
    return _shown(found[0])


def find(
    connection: Connection,
    principal: Principal,
    *,
    reasons: list[str],
    recipient: str | None,
    limit: int,
    before: Position | None,
) -> tuple[list[dict[str, Any]], bool, Position | None]:
    """Suppressions, newest first; `recipient` is an address key. (data, has_more, next position)"""
    moment, last = before or (None, None)
    found = rows(
        connection,
        f"SELECT {_COLUMNS} FROM suppressions WHERE account_id = %s AND {_ALIVE}"
        " AND (%s::text[] IS NULL OR reason = ANY(%s::text[]))"
        " AND (%s::text IS NULL OR recipient_key = %s::text)"
        " AND (%s::timestamptz IS NULL OR (created_at, id) < (%s::timestamptz, %s::uuid))"
        " ORDER BY created_at DESC, id DESC LIMIT %s",
        principal.account_id, reasons or None, reasons or None, recipient, recipient, moment, moment, last,
        limit + 1,
    )  # fmt: skip
    kept = found[:limit]
    position = (kept[-1].created_at, kept[-1].id) if kept else None
    return [_shown(row) for row in kept], len(found) > limit, position


def remove(connection: Connection, principal: Principal, which: str | UUID, reason: str | None = None) -> None:
    """Let mail to this address through again. Raises NotFound."""
    column = "id" if isinstance(which, UUID) else "recipient_key"
    touched = run(
        connection,
        f"DELETE FROM suppressions WHERE account_id = %s AND {column} = %s"
        " AND (%s::text IS NULL OR reason = %s)",
        principal.account_id, which, reason, reason,
    )  # fmt: skip
    if not touched:
        raise NotFound("This address is not suppressed.")
