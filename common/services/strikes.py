"""strike(...): addresses whose mail keeps bouncing for their own sake are suppressed for a while (delivery.md 4.2).

Strikes are not kept: they are the messages to the address that ended like this since one was delivered. Never here:
which categories strike, and how often is too often (domain/categories.py).
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from common.clock import rfc3339
from common.db.session import as_json, rows
from common.domain.categories import CATEGORIES
from common.domain.ids import encode, new_id
from common.domain.suppressions import REPEATED
from common.services import events
from common.services.events import NewEvent

LOOKED_AT = 1000
"""So many of the newest messages to an address are looked at, so that one bounce never reads a million rows."""

_LIST = """
WITH x AS (SELECT * FROM json_to_recordset(%s) AS x(id uuid, suppression_id uuid, category text, strikes integer,
             strike_days integer, strike_hours_apart integer, suppress_days integer)),
struck AS (
  SELECT DISTINCT ON (m.account_id, m.environment, m.recipient_key) m.id, m.account_id, m.environment, m.recipient,
         m.recipient_key, x.suppression_id, x.suppress_days, x.category, n.bounces
    FROM x JOIN messages m ON m.id = x.id
    CROSS JOIN LATERAL (
      SELECT count(*) AS bounces, min(o.ended_at) AS first
        FROM (SELECT o.*, max(o.delivered_at) FILTER (WHERE o.status = 'delivered') OVER () AS fine_at
                FROM (SELECT id, status, ended_at, delivered_at, lease_epoch, environment FROM messages r
                       WHERE r.account_id = m.account_id AND r.recipient_key = m.recipient_key
                       ORDER BY r.created_at DESC LIMIT %s) o WHERE o.environment = m.environment) o
       WHERE o.status = 'bounced' AND o.ended_at > now() - make_interval(days => x.strike_days)
         AND (o.fine_at IS NULL OR o.ended_at > o.fine_at)
         AND (EXISTS (SELECT FROM dead_letters d WHERE d.message_id = o.id AND d.cause = x.category)
              OR EXISTS (SELECT FROM attempts a WHERE a.message_id = o.id AND a.epoch = o.lease_epoch
                                                  AND a.category = x.category))) n
   WHERE n.bounces >= x.strikes AND n.first <= now() - make_interval(hours => x.strike_hours_apart)
)
INSERT INTO suppressions (id, account_id, environment, recipient, recipient_key, reason, note, source_message_id,
                          expires_at)
SELECT suppression_id, account_id, environment, recipient, recipient_key, %s,
       category || ': ' || bounces || ' bounces and no delivery between them', id,
       now() + make_interval(days => nullif(suppress_days, 0))
  FROM struck
ON CONFLICT (account_id, environment, recipient_key, scope) DO UPDATE
   SET id = excluded.id, reason = excluded.reason, note = excluded.note, expires_at = excluded.expires_at,
       source_message_id = excluded.source_message_id
 WHERE suppressions.expires_at < coalesce(excluded.expires_at, 'infinity')
RETURNING id, account_id, environment, recipient, reason, scope, expires_at, source_message_id
"""


def strike(connection: Connection, ended: Sequence[tuple[UUID, str]]) -> None:
    """`ended` are messages that have just bounced, each with its category; most categories strike nobody."""
    given = [_row(message_id, category) for message_id, category in ended if CATEGORIES[category].strikes]
    if not given:
        return
    listed = rows(connection, _LIST, as_json(given), LOOKED_AT, REPEATED)
    if listed:
        events.record(connection, [_told(row) for row in listed])


def _row(message_id: UUID, category: str) -> dict[str, Any]:
    what = CATEGORIES[category]
    names = ("strikes", "strike_days", "strike_hours_apart", "suppress_days")
    return {"id": message_id, "suppression_id": new_id(), "category": category} | {
        name: getattr(what, name) for name in names
    }


def _told(row: Any) -> NewEvent:
    data = {
        "suppression_id": encode("sup", row.id),
        "recipient": row.recipient,
        "reason": row.reason,
        "scope": row.scope,
        "message_id": encode("msg", row.source_message_id),
        "expires_at": row.expires_at and rfc3339(row.expires_at),
    }
    return NewEvent(row.account_id, "suppression.created", data, row.environment)
