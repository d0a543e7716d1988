"""The event stream of an account's environment: in the order of commits, from any place on, without skipping any.

A place is (transaction number, event id); docs/decisions/0012-stream-order.md says why it never skips. Never here:
telling events (events.py), or waiting for them.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from common.db.session import rows
from common.domain.errors import NotFound
from common.domain.events import public_event
from common.domain.principals import Principal

Place = tuple[int, UUID]

START: Place = (-1, UUID(int=0))
_LAST_ID = UUID(int=2**128 - 1)
SCANNED = 5000
"""With filters, so many events are looked through for one page; then the page ends, full or not."""

LONGEST_TRANSACTION = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Filters:
    """What is shown; empty and None stand for everything. `types` are names, `message.*` or `*`."""

    types: tuple[str, ...] = ()
    message_id: UUID | None = None
    tag: str | None = None
    domain: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    @property
    def any(self) -> bool:
        return self != Filters()


@dataclass(frozen=True, slots=True)
class Part:
    """Events with the place of each, and where to go on. `more`: there are events beyond that already."""

    events: list[tuple[Place, dict[str, Any]]]
    place: Place
    more: bool


_READ = """
WITH scanned AS MATERIALIZED (
  SELECT * FROM events WHERE account_id = %s AND environment = %s AND (transaction_no, id) > (%s, %s)
     AND transaction_no < event_horizon() ORDER BY transaction_no, id LIMIT %s
), found AS (
  SELECT s.*, c.tags, c.metadata FROM scanned s LEFT JOIN message_contents c ON c.message_id = s.message_id
   WHERE (%s::text[] IS NULL OR s.type = ANY(%s) OR split_part(s.type, '.', 1) || '.*' = ANY(%s))
     AND (%s::uuid IS NULL OR s.message_id = %s) AND (%s::text IS NULL OR %s = ANY(c.tags))
     AND (%s::text IS NULL OR split_part(c.sender ->> 'email', '@', 2) = %s)
     AND (%s::timestamptz IS NULL OR s.timestamp >= %s) AND (%s::timestamptz IS NULL OR s.timestamp < %s)
   ORDER BY s.transaction_no, s.id LIMIT %s
), ends AS (
  SELECT count(*) AS n, event_horizon() AS horizon FROM scanned
), last AS (
  SELECT transaction_no, id, timestamp FROM scanned ORDER BY transaction_no DESC, id DESC LIMIT 1
)
SELECT e.n, e.horizon, l.transaction_no AS last_no, l.id AS last_id, l.timestamp AS last_at, f.*
  FROM ends e LEFT JOIN last l ON true LEFT JOIN found f ON true ORDER BY f.transaction_no, f.id
"""


def read(connection: Connection, principal: Principal, filters: Filters, after: Place, *, limit: int) -> Part:
    """What follows a place, oldest first, at most `limit` events."""
    types = None if not filters.types or "*" in filters.types else list(filters.types)
    scanned = SCANNED if filters.any else limit + 1
    found = rows(
        connection, _READ, principal.account_id, principal.environment, *after, scanned, types, types, types,
        filters.message_id, filters.message_id, filters.tag, filters.tag, filters.domain, filters.domain,
        filters.since, filters.since, filters.until, filters.until, limit + 1,
    )  # fmt: skip
    matching = [row for row in found if row.id is not None]
    shown = [((row.transaction_no, row.id), public_event(row)) for row in matching[:limit]]
    if len(matching) > limit:
        return Part(shown, shown[-1][0], True)
    end = found[0]
    if end.n == scanned:
        over = filters.until is not None and end.last_at - LONGEST_TRANSACTION > filters.until
        return Part(shown, (end.last_no, end.last_id), not over)
    return Part(shown, max(after, (end.horizon - 1, _LAST_ID)), False)


def now(connection: Connection) -> Place:
    """The place before everything that is still to come."""
    return int(rows(connection, "SELECT event_horizon() AS n")[0].n) - 1, _LAST_ID


_FIRST = """
SELECT coalesce(min(transaction_no), event_horizon()) AS first FROM events
 WHERE account_id = %s AND environment = %s AND timestamp >= %s AND id >= %s
"""


def at(connection: Connection, account_id: UUID, environment: str, since: datetime) -> Place:
    """The place before the first event of that time or later; ids begin with the time and find it fast."""
    drawn = max(0.0, since.timestamp() - LONGEST_TRANSACTION.total_seconds())
    lowest = UUID(int=int(drawn * 1000) << 80)
    return int(rows(connection, _FIRST, account_id, environment, since, lowest)[0].first) - 1, _LAST_ID


def place_of(connection: Connection, principal: Principal, event_id: UUID) -> Place:
    """The place of an event. Raises NotFound."""
    found = rows(
        connection,
        "SELECT transaction_no, id FROM events WHERE id = %s AND account_id = %s AND environment = %s",
        event_id,
        principal.account_id,
        principal.environment,
    )
    if not found:
        raise NotFound("There is no event with this id.")
    return found[0].transaction_no, found[0].id
