"""Dead letters: messages that ended badly, keyed on the message, for a person to inspect.

Never here: the writing of them (services/lifecycle.py) or sending again.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from common.clock import rfc3339
from common.db.session import rows
from common.domain.ids import encode
from common.domain.principals import Principal

Position = tuple[datetime, UUID]

_FIND = """
SELECT d.message_id, d.cause, d.detail, d.created_at, m.recipient, m.status, m.attempt_no
  FROM dead_letters d JOIN messages m ON m.id = d.message_id
 WHERE d.account_id = %s AND m.environment = %s
   AND (%s::timestamptz IS NULL OR (d.created_at, d.message_id) < (%s::timestamptz, %s::uuid))
 ORDER BY d.created_at DESC, d.message_id DESC LIMIT %s
"""


def find(
    connection: Connection, principal: Principal, *, limit: int, before: Position | None
) -> tuple[list[dict[str, Any]], bool, Position | None]:
    """Dead letters of this environment, newest first. (data, has_more, next position)"""
    moment, last = before or (None, None)
    found = rows(connection, _FIND, principal.account_id, principal.environment, moment, moment, last, limit + 1)
    data = [
        {
            "message_id": encode("msg", row.message_id),
            "recipient": row.recipient,
            "status": row.status,
            "cause": row.cause,
            "detail": row.detail,
            "attempts": row.attempt_no,
            "created_at": rfc3339(row.created_at),
        }
        for row in found[:limit]
    ]
    position = (found[:limit][-1].created_at, found[:limit][-1].message_id) if found else None
    return data, len(found) > limit, position
