"""measure(...): how soon mail is tried first and delivered, by tier, and what that leaves of each tier's error budget.

Counted from the time a message was accepted for: its acceptance, or its scheduled time. Never here: what is promised
(the policy, or else domain/objectives.py).
"""

from typing import Any

from sqlalchemy import Connection

from common.config import Settings
from common.db.session import rows
from common.domain.objectives import Objective, budget
from common.domain.principals import Principal
from common.domain.tiers import TIERS
from common.services import policies
from common.services.policies import Owner

MOST_MESSAGES = 50_000
"""The newest so many are measured."""

_MEASURE = f"""
WITH recent AS (
  SELECT m.id, m.tier, m.status, m.held, m.created_at, m.scheduled_time, m.delivered_at, m.ended_at
    FROM messages m
   WHERE m.account_id = %s AND m.environment = %s AND m.created_at >= now() - make_interval(secs => %s)
   ORDER BY m.created_at DESC LIMIT {MOST_MESSAGES}),
timed AS (
  SELECT r.tier, r.held, r.ended_at, greatest(r.created_at, r.scheduled_time) AS since, r.delivered_at,
         (SELECT min(a.started_at) FROM attempts a WHERE a.message_id = r.id) AS tried_at
    FROM recent r WHERE coalesce(r.scheduled_time, r.created_at) <= now()),
counted AS (
  SELECT t.tier, extract(epoch FROM t.tried_at - t.since) AS tried,
         extract(epoch FROM t.delivered_at - t.since) AS delivered,
         CASE WHEN t.tried_at IS NULL AND t.ended_at IS NULL AND NOT t.held
              THEN extract(epoch FROM now() - t.since) END AS waits
    FROM timed t)
SELECT c.tier, count(c.tried) AS tried, count(c.delivered) AS delivered, count(c.waits) AS waiting,
       count(*) FILTER (WHERE coalesce(c.tried, c.waits) > o.seconds) AS late,
       percentile_cont(ARRAY[0.5, 0.95, 0.99]) WITHIN GROUP (ORDER BY c.tried) AS first_attempt,
       percentile_cont(ARRAY[0.5, 0.95, 0.99]) WITHIN GROUP (ORDER BY c.delivered) AS delivery
  FROM counted c JOIN unnest(%s::double precision[]) WITH ORDINALITY AS o(seconds, number) ON o.number = c.tier + 1
 GROUP BY c.tier
"""


def measure(connection: Connection, settings: Settings, principal: Principal, window: int) -> list[dict[str, Any]]:
    """Each tier over the last `window` seconds. What is held waits for somebody, and is nobody's lateness."""
    values = policies.in_force(connection, settings, Owner(principal.account_id, principal))
    promised = {each["key"]: each for each in values}
    targets = [promised[f"objectives.{tier}.seconds"]["value"] for tier in TIERS]
    found = {
        row.tier: row
        for row in rows(connection, _MEASURE, principal.account_id, principal.environment, window, targets)
    }
    return [_shown(tier, promised, found.get(number)) for number, tier in enumerate(TIERS)]


def _shown(tier: str, promised: dict[str, dict[str, Any]], row: Any) -> dict[str, Any]:
    seconds, share = (promised[f"objectives.{tier}.{name}"] for name in ("seconds", "share"))
    count = row.tried + row.waiting if row else 0
    spent = budget(Objective(seconds["value"], share["value"]), count, row.late if row else 0)
    return {
        "priority": tier,
        "messages": count,
        "waiting": row.waiting if row else 0,
        "first_attempt": _percentiles(row and row.first_attempt),
        "delivery": _percentiles(row and row.delivery),
        "objective": {"seconds": seconds["value"], "share": share["value"], "origin": seconds["origin"]},
        "error_budget": {"allowed": spent.allowed, "late": spent.late, "left": spent.left, "burn": spent.burn},
        "met": spent.burn <= 1.0,
    }


def _percentiles(found: Any) -> dict[str, float | None]:
    values = found or (None, None, None)
    return {name: None if each is None else round(max(0.0, float(each)), 4) for name, each in
            zip(("p50", "p95", "p99"), values, strict=True)}  # fmt: skip
