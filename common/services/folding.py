"""fold(...): events become counts, each exactly once, in the order of the stream and behind its horizon.

The cursor of a stream moves in the transaction that counts, so a folding that dies has counted nothing.
Accepting and delivering pay nothing. Never here: reading counts (analytics.py).
"""

import threading
from dataclasses import dataclass

from sqlalchemy import Connection

from common import clock
from common.db.session import as_json, rows, run, transaction
from common.domain.analytics import BOUNDS
from common.domain.tiers import TIERS

MOST_STREAMS, MOST_EVENTS = 50, 1000
"""In one transaction: so many streams, and so many events of each."""

RESTS = 4.0
"""After each transaction it rests so many times as long: counting can wait, the mail it counts cannot."""

_FOLDING_LOCK = 0x5344464F

_STEPS = f"ARRAY[{', '.join(str(bound) for bound in BOUNDS)}]::double precision[]"
_TIERS = f"(ARRAY[{', '.join(repr(name) for name in TIERS)}])[m.tier + 1]"

FACTS = f"""
facts AS MATERIALIZED (
  SELECT a.*, md5(jsonb_build_array(a.account_id, a.tier, a.channel, a.key_id, a.template, a.tags, a.sending_domain,
                                    a.source, a.provider)::text)::uuid AS profile_id
    FROM (
      SELECT p.account_id, p.environment, p.timestamp AS at, m.created_at, m.recipient_domain, {_TIERS} AS tier,
             coalesce(c.channel, 'api') AS channel, c.key_id, c.template_slug AS template,
             coalesce(c.tags, '{{}}') AS tags, coalesce(split_part(c.sender ->> 'email', '@', 2), '') AS sending_domain,
             CASE WHEN p.type = 'message.accepted' OR p.data ? 'attempt' THEN p.data ->> 'source' END AS source,
             p.data ->> 'provider' AS provider, f.metric, f.detail
        FROM part p
        JOIN messages m ON m.id = p.message_id
        LEFT JOIN message_contents c ON c.message_id = p.message_id
        CROSS JOIN LATERAL (
          SELECT CASE p.type
                   WHEN 'message.queued' THEN CASE WHEN p.seq = 1 THEN 'accepted' END
                   WHEN 'message.accepted' THEN 'routed'
                   WHEN 'message.bounced' THEN CASE p.data #>> '{{bounce,type}}' WHEN 'soft' THEN 'soft_bounced'
                                               ELSE 'hard_bounced' END
                   WHEN 'message.delivered' THEN 'delivered' WHEN 'message.deferred' THEN 'deferred'
                   WHEN 'message.complained' THEN 'complained' WHEN 'message.unsubscribed' THEN 'unsubscribed'
                   WHEN 'message.suppressed' THEN 'suppressed' WHEN 'message.cancelled' THEN 'cancelled'
                   WHEN 'message.expired' THEN 'expired' WHEN 'message.failed' THEN 'failed' END AS metric,
                 CASE p.type
                   WHEN 'message.deferred' THEN coalesce(p.data ->> 'category', p.data ->> 'outcome', '')
                   WHEN 'message.bounced' THEN coalesce(p.data ->> 'category', p.data #>> '{{bounce,reason}}', '')
                   WHEN 'message.suppressed' THEN coalesce(p.data ->> 'reason', '')
                   WHEN 'message.failed' THEN coalesce(p.data ->> 'reason', '') ELSE '' END AS detail
          UNION ALL
          SELECT 'delivered_in', width_bucket(extract(epoch FROM p.timestamp
                   - greatest(m.created_at, m.scheduled_time))::double precision, {_STEPS})::text
           WHERE p.type = 'message.delivered'
          UNION ALL
          SELECT 'late_bounced', '' WHERE p.type = 'message.bounced' AND m.delivered_at IS NOT NULL) f
       WHERE f.metric IS NOT NULL) a
)"""
"""The CTE `facts` of the events in the CTE `part`: one row for each thing to count, with all that it is counted by."""

_WAITING = """
WITH h AS MATERIALIZED (SELECT event_horizon() AS horizon)
SELECT a.id AS account_id, v.environment
  FROM accounts a CROSS JOIN (VALUES ('live'), ('test')) v(environment)
  LEFT JOIN analytics_cursors c ON c.account_id = a.id AND c.environment = v.environment
 WHERE EXISTS (
   SELECT FROM events e WHERE e.account_id = a.id AND e.environment = v.environment
      AND (e.transaction_no, e.id) > (coalesce(c.transaction_no, -1),
                                      coalesce(c.event_id, '00000000-0000-0000-0000-000000000000'))
      AND e.transaction_no < (SELECT horizon FROM h))
 ORDER BY c.counted_until NULLS FIRST LIMIT %s
"""

_BEGIN = """
INSERT INTO analytics_cursors (account_id, environment)
SELECT account_id, environment FROM json_to_recordset(%s) AS x(account_id uuid, environment text)
 ORDER BY 1, 2 ON CONFLICT DO NOTHING
"""

_PLACES = """
SELECT c.account_id, c.environment, c.transaction_no, c.event_id FROM analytics_cursors c
  JOIN json_to_recordset(%s) AS x(account_id uuid, environment text) USING (account_id, environment)
"""

_FOLD = f"""
WITH s AS MATERIALIZED (
  SELECT * FROM json_to_recordset(%s) AS s(account_id uuid, environment text, transaction_no bigint, event_id uuid)
), h AS MATERIALIZED (SELECT event_horizon() AS horizon),
part AS MATERIALIZED (
  SELECT e.* FROM s CROSS JOIN LATERAL (
    SELECT e.* FROM events e WHERE e.account_id = s.account_id AND e.environment = s.environment
       AND (e.transaction_no, e.id) > (s.transaction_no, s.event_id)
       AND e.transaction_no < (SELECT horizon FROM h) ORDER BY e.transaction_no, e.id LIMIT %s) e
), {FACTS}, profiled AS (
  INSERT INTO analytics_profiles (id, account_id, tier, channel, key_id, template, tags, sending_domain, source,
                                  provider)
  SELECT DISTINCT ON (profile_id) profile_id, account_id, tier, channel, key_id, template, tags, sending_domain,
         source, provider FROM facts ORDER BY profile_id
  ON CONFLICT DO NOTHING
), counted AS (
  INSERT INTO analytics_counts AS k (account_id, environment, grain, bucket, profile_id, metric, detail, n)
  SELECT account_id, environment, g.grain, date_trunc(g.grain, at, 'UTC'), profile_id, metric, detail, count(*)
    FROM facts CROSS JOIN (VALUES ('hour'), ('day')) g(grain) GROUP BY 1, 2, 3, 4, 5, 6, 7
  ON CONFLICT (account_id, environment, grain, bucket, profile_id, metric, detail) DO UPDATE SET n = k.n + excluded.n
), received AS (
  INSERT INTO analytics_recipients AS k (account_id, environment, grain, bucket, recipient_domain, metric, detail, n)
  SELECT account_id, environment, g.grain, date_trunc(g.grain, at, 'UTC'), recipient_domain, metric, detail, count(*)
    FROM facts CROSS JOIN (VALUES ('hour'), ('day')) g(grain) GROUP BY 1, 2, 3, 4, 5, 6, 7
  ON CONFLICT (account_id, environment, grain, bucket, recipient_domain, metric, detail)
  DO UPDATE SET n = k.n + excluded.n
), told AS (
  INSERT INTO analytics_cohorts AS k (account_id, environment, created_hour, metric, n)
  SELECT account_id, environment, date_trunc('hour', created_at, 'UTC'), metric, count(*)
    FROM facts WHERE metric NOT IN ('routed', 'deferred', 'delivered_in', 'unsubscribed') GROUP BY 1, 2, 3, 4
  ON CONFLICT (account_id, environment, created_hour, metric) DO UPDATE SET n = k.n + excluded.n
), moved AS (
  UPDATE analytics_cursors c SET transaction_no = l.transaction_no, event_id = l.id, counted_until = l.timestamp
    FROM (SELECT DISTINCT ON (account_id, environment) account_id, environment, transaction_no, id, timestamp
            FROM part ORDER BY account_id, environment, transaction_no DESC, id DESC) l
   WHERE c.account_id = l.account_id AND c.environment = l.environment
)
SELECT count(*) AS n FROM part
"""


@dataclass(frozen=True, slots=True)
class Folded:
    """How many events were counted, and whether more wait."""

    events: int
    more: bool


def fold(connection: Connection, *, most: int = MOST_EVENTS) -> Folded:
    """Count what every stream holds below the horizon, `most` events of each, in the caller's transaction.

    While another folding is at it, nothing is left to do.
    """
    alone = rows(connection, "SELECT pg_try_advisory_xact_lock(%s) AS got", _FOLDING_LOCK)[0].got
    waiting = rows(connection, _WAITING, MOST_STREAMS) if alone else []
    if not waiting:
        return Folded(0, False)
    named = as_json([{"account_id": row.account_id, "environment": row.environment} for row in waiting])
    run(connection, _BEGIN, named)
    places = rows(connection, _PLACES, named)
    streams = [
        {name: getattr(row, name) for name in ("account_id", "environment", "transaction_no", "event_id")}
        for row in places
    ]
    n = int(rows(connection, _FOLD, as_json(streams), most)[0].n)
    return Folded(n, n >= most or len(waiting) == MOST_STREAMS)


def fold_all(*, seconds: float) -> int:
    """Fold, one transaction after the other, until nothing waits or the time is over; answers how many events."""
    until, done, pause = clock.monotonic() + seconds, 0, threading.Event()
    while True:
        began = clock.monotonic()
        with transaction() as connection:
            folded = fold(connection)
        done += folded.events
        rest = RESTS * (clock.monotonic() - began)
        if not folded.more or clock.monotonic() + rest > until:
            return done
        pause.wait(rest)
