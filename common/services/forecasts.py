"""forecast(connection, ids): what a sender may expect of messages that were just accepted, asked only when wanted.

An estimate from what waits before it and how fast the account's mail went in the last minute. Never here: promises.
"""

from collections.abc import Sequence
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
WITH mine AS MATERIALIZED (
  SELECT m.id, m.account_id, m.tier, m.next_attempt_at, {held_by(None)} AS hold,
         min(m.queue_position) OVER same AS first,
         count(*) FILTER (WHERE m.next_attempt_at <= now()) OVER (same ORDER BY m.queue_position
           ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS beside
    FROM messages m WHERE m.id = ANY(%s::uuid[]) WINDOW same AS (PARTITION BY m.account_id, m.tier)
), lines AS (
  SELECT x.account_id, x.tier, (SELECT count(*) FROM (
          SELECT FROM messages q
           WHERE q.status IN ('queued', 'accepted', 'deferred') AND q.lease_until IS NULL AND NOT q.held
             AND q.account_id = x.account_id AND q.tier = x.tier AND q.next_attempt_at <= now()
             AND q.queue_position < x.first LIMIT {MOST_COUNTED}) before) AS before
    FROM (SELECT DISTINCT account_id, tier, first FROM mine) x
), rates AS (
  SELECT a.account_id, (SELECT count(*) FROM events e WHERE e.id >= %s AND e.account_id = a.account_id
           AND e.type IN ('message.delivered', 'message.deferred', 'message.bounced')) AS went
    FROM (SELECT DISTINCT account_id FROM mine) a
)
SELECT m.id, m.next_attempt_at, h.id AS hold, h.kind, h.reason, h.author, h.created_at AS since,
       h.expires_at AS until, l.before + m.beside AS ahead, r.went
  FROM mine m JOIN lines l USING (account_id, tier) JOIN rates r USING (account_id) LEFT JOIN holds h ON h.id = m.hold
"""


def forecast(connection: Connection, ids: Sequence[UUID]) -> dict[UUID, dict[str, Any]]:
    """By message `estimated_first_attempt_at`, `queue_position` (1 is next; among the account's own of its tier) and
    `held_by`. Of many, each stands behind those before it."""
    now = clock.now()
    since = UUID(int=int((now.timestamp() - 60) * 1000) << 80)
    return {
        row.id: {
            "estimated_first_attempt_at": rfc3339(_estimate(row, now)),
            "queue_position": row.ahead + 1,
            "held_by": None if row.hold is None else _held_by(row),
        }
        for row in rows(connection, _FORECAST, list(ids), since)
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
