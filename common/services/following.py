"""behind, step_by_step: readers that follow every account's events, each with a cursor of its own, exactly once.

A cursor moves in the transaction that used the events up, so a reader that dies has used nothing up.
Never here: what is made of the events (folding.py, indexing.py).
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection

from common import clock
from common.db.session import as_json, rows, run, transaction

MOST_STREAMS, MOST_EVENTS = 50, 1000
"""In one transaction: so many streams, and so many events of each."""

RESTS = 4.0
"""After each transaction a reader rests so many times as long: it can wait, the mail it reads about cannot."""


@dataclass(frozen=True, slots=True)
class Followed:
    """How many events were used up, and whether more wait."""

    events: int
    more: bool


# OFFSET keeps the look into the events one look for each stream: as a join it read all events there are.
_WAITING = """
WITH h AS MATERIALIZED (SELECT event_horizon() AS horizon)
SELECT a.id AS account_id, v.environment
  FROM accounts a CROSS JOIN (VALUES ('live'), ('test')) v(environment)
  LEFT JOIN {cursors} c ON c.account_id = a.id AND c.environment = v.environment
 WHERE EXISTS (
   SELECT FROM events e WHERE e.account_id = a.id AND e.environment = v.environment
      AND (e.transaction_no, e.id) > (coalesce(c.transaction_no, -1),
                                      coalesce(c.event_id, '00000000-0000-0000-0000-000000000000'))
      AND e.transaction_no < (SELECT horizon FROM h) OFFSET 0)
 ORDER BY c.{until} NULLS FIRST LIMIT %s
"""

_BEGIN = """
INSERT INTO {cursors} (account_id, environment)
SELECT account_id, environment FROM json_to_recordset(%s) AS x(account_id uuid, environment text)
 ORDER BY 1, 2 ON CONFLICT DO NOTHING
"""

_PLACES = """
SELECT c.account_id, c.environment, c.transaction_no, c.event_id FROM {cursors} c
  JOIN json_to_recordset(%s) AS x(account_id uuid, environment text) USING (account_id, environment)
"""

PART = """
s AS MATERIALIZED (
  SELECT * FROM json_to_recordset(%s) AS s(account_id uuid, environment text, transaction_no bigint, event_id uuid)
), h AS MATERIALIZED (SELECT event_horizon() AS horizon),
part AS MATERIALIZED (
  SELECT e.* FROM s CROSS JOIN LATERAL (
    SELECT e.* FROM events e WHERE e.account_id = s.account_id AND e.environment = s.environment
       AND (e.transaction_no, e.id) > (s.transaction_no, s.event_id)
       AND e.transaction_no < (SELECT horizon FROM h) ORDER BY e.transaction_no, e.id LIMIT %s) e
)"""
"""The CTE `part`: the next events of each place. Takes the places as JSON, and how many events of each at most."""


def moved(cursors: str, until: str) -> str:
    """The CTE `moved`: the cursors stand behind the last event of `part`."""
    return f"""moved AS (
  UPDATE {cursors} c SET transaction_no = l.transaction_no, event_id = l.id, {until} = l.timestamp
    FROM (SELECT DISTINCT ON (account_id, environment) account_id, environment, transaction_no, id, timestamp
            FROM part ORDER BY account_id, environment, transaction_no DESC, id DESC) l
   WHERE c.account_id = l.account_id AND c.environment = l.environment
)"""


def follow(
    connection: Connection, statement: str, *, cursors: str, until: str, lock: int, most: int = MOST_EVENTS
) -> Followed:
    """Run `statement` (it begins with PART, answers one row `n`) once over what waits, in the caller's transaction.

    While another process is at it, nothing is left to do.
    """
    alone = rows(connection, "SELECT pg_try_advisory_xact_lock(%s) AS got", lock)[0].got
    waiting = rows(connection, _WAITING.format(cursors=cursors, until=until), MOST_STREAMS) if alone else []
    if not waiting:
        return Followed(0, False)
    named = as_json([{"account_id": row.account_id, "environment": row.environment} for row in waiting])
    run(connection, _BEGIN.format(cursors=cursors), named)
    places = [dict(row._mapping) for row in rows(connection, _PLACES.format(cursors=cursors), named)]
    n = int(rows(connection, statement, as_json(places), most)[0].n)
    return Followed(n, n >= most or len(waiting) == MOST_STREAMS)


def step_by_step(step: Callable[[Connection], Followed], *, seconds: float) -> int:
    """Take steps, one transaction after the other, until nothing waits or the time is over; answers how many events."""
    until, done, pause = clock.monotonic() + seconds, 0, threading.Event()
    while True:
        began = clock.monotonic()
        with transaction() as connection:
            followed = step(connection)
        done += followed.events
        rest = RESTS * (clock.monotonic() - began)
        if not followed.more or clock.monotonic() + rest > until:
            return done
        pause.wait(rest)
