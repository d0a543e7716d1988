"""fold(...): events become counts, each exactly once, in the order of the stream and behind its horizon.

The cursor of a stream moves in the transaction that counts, so a folding that dies has counted nothing.
Accepting and delivering pay nothing. Never here: reading counts (analytics.py).
"""

from sqlalchemy import Connection

from common.domain.analytics import BOUNDS
from common.domain.tiers import TIERS
from common.services.following import MOST_EVENTS, PART, Followed, follow, moved, step_by_step

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
        CROSS JOIN LATERAL (
          SELECT created_at, scheduled_time, delivered_at, recipient_domain, tier FROM messages
           WHERE id = p.message_id OFFSET 0) m
        LEFT JOIN LATERAL (
          SELECT channel, key_id, template_slug, tags, sender FROM message_contents
           WHERE message_id = p.message_id OFFSET 0) c ON true
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
"""The CTE `facts` of the events in the CTE `part`: one row for each thing to count, with all that it is counted by.

The lookups are fenced by OFFSET: how many events a part has the planner cannot know, and it read all messages there are
for a thousand of them.
"""

_FOLD = f"""
WITH {PART}, {FACTS}, profiled AS (
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
), totalled AS (
  INSERT INTO metric_totals AS k (environment, tier, metric, detail, n)
  SELECT environment, tier, metric, detail, count(*) FROM facts GROUP BY 1, 2, 3, 4
  ON CONFLICT (environment, tier, metric, detail) DO UPDATE SET n = k.n + excluded.n
), {moved("analytics_cursors", "counted_until")}
SELECT count(*) AS n FROM part
"""


def fold(connection: Connection, *, most: int = MOST_EVENTS) -> Followed:
    """Count what every stream holds below the horizon, `most` events of each, in the caller's transaction.

    While another folding is at it, nothing is left to do.
    """
    return follow(connection, _FOLD, cursors="analytics_cursors", until="counted_until", lock=_FOLDING_LOCK, most=most)


def fold_all(*, seconds: float) -> int:
    """Fold, one transaction after the other, until nothing waits or the time is over; answers how many events."""
    return step_by_step(fold, seconds=seconds)
