"""forecast(connection, id): what a sender may expect of a message that was just accepted, asked only when wanted.

An estimate from what waits before it and how fast the account's mail went in the last minute. Never here: promises.
"""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from common import clock
from common.clock import rfc3339
from common.db.session import rows
from common.domain.ids import encode
from common.services.holding import held_by

USUAL_PER_SECOND = 100.0
"""Assumed of an account that has sent nothing in the last minute."""
STAGES_SECONDS = 0.05
"""What routing and delivery take when nothing waits."""
MOST_COUNTED = 100_000

_FORECAST = f"""
SELECT m.next_attempt_at, m.status, h.id AS hold, h.kind, h.reason, h.author, h.created_at AS since,
       h.expires_at AS until,
       (SELECT count(*) FROM (
          SELECT FROM messages q
           WHERE q.status IN ('queued', 'accepted', 'deferred') AND q.lease_until IS NULL AND NOT q.held
             AND q.account_id = m.account_id AND q.tier = m.tier AND q.next_attempt_at <= now()
             AND q.queue_position < m.queue_position LIMIT {MOST_COUNTED}) ahead) AS ahead,
       (SELECT count(*) FROM events e WHERE e.id >= %s AND e.account_id = m.account_id
           AND e.type IN ('message.delivered', 'message.deferred', 'message.bounced')) AS went
  FROM messages m LEFT JOIN holds h ON h.id = {held_by(None)}
 WHERE m.id = %s
"""


def forecast(connection: Connection, message_id: UUID) -> dict[str, Any]:
    """`estimated_first_attempt_at`, `queue_position` (1 is next; among the account's own of its tier), `held_by`."""
    now = clock.now()
    since = UUID(int=int((now.timestamp() - 60) * 1000) << 80)
    row = rows(connection, _FORECAST, since, message_id)[0]
    return {
        "estimated_first_attempt_at": rfc3339(_estimate(row, now)),
        "queue_position": row.ahead + 1,
        "held_by": None if row.hold is None else _held_by(row),
    }


def _estimate(row: Any, now: datetime) -> datetime:
    rate = row.went / 60 if row.went else USUAL_PER_SECOND
    moment: datetime = max(now, row.next_attempt_at) + timedelta(seconds=STAGES_SECONDS + row.ahead / rate)
    return moment if row.hold is None else max(moment, row.until)


def _held_by(row: Any) -> dict[str, Any]:
    return {
        "id": encode("hld", row.hold),
        "kind": row.kind,
        "reason": row.reason,
        "author": row.author,
        "since": rfc3339(row.since),
        "until": rfc3339(row.until),
    }
