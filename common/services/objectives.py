"""measured(...): how soon mail of each tier is tried first, beside what the policy promises.

Counted from when a message may go to its first attempt; one that still waits counts with its wait so far. What is
held, suppressed, cancelled or rejected was not ours to hurry. Never here: promises (the policy).
"""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from common.db.session import rows
from common.domain.policy import compile_policy
from common.domain.principals import Principal
from common.domain.tiers import TIERS
from common.services import policies
from common.services.policies import Owner

MOST = 20_000

_WAITS = f"""
SELECT t.tier, count(*) AS messages,
       percentile_cont(ARRAY[0.5, 0.95, 0.99]) WITHIN GROUP (ORDER BY t.wait) AS waits, array_agg(t.wait) AS every
  FROM (SELECT m.tier, greatest(0, extract(epoch FROM coalesce(a.started_at, m.ended_at, now())
                 - greatest(m.created_at, coalesce(m.scheduled_time, m.created_at))))::float8 AS wait
          FROM messages m LEFT JOIN LATERAL (SELECT min(x.started_at) AS started_at FROM attempts x
                                              WHERE x.message_id = m.id) a ON true
         WHERE m.account_id = %s AND m.environment = %s AND m.created_at > now() - make_interval(hours => %s)
           AND NOT m.held AND m.status NOT IN ('scheduled', 'cancelled') AND (a.started_at IS NOT NULL
             OR m.ended_at IS NULL OR m.status = 'expired')
         ORDER BY m.created_at DESC LIMIT {MOST}) t
 GROUP BY t.tier
"""


def measured(connection: Connection, principal: Principal, *, hours: int) -> dict[str, Any]:
    """{"hours", "tiers"} of the key's account and environment; a tier without an objective has null in its place."""
    policy = compile_policy(policies.layers(connection, Owner(principal.account_id, principal)))
    found = {row.tier: row for row in rows(connection, _WAITS, principal.account_id, principal.environment, hours)}
    tiers = [_tier(name, policy.objectives.get(name), found.get(number)) for number, name in enumerate(TIERS)]
    return {"hours": hours, "tiers": tiers}


def _tier(name: str, objective: Mapping[str, Any] | None, row: Any) -> dict[str, Any]:
    p50, p95, p99 = (round(each, 3) for each in row.waits) if row else (None, None, None)
    told = {"priority": name, "messages": row.messages if row else 0, "p50": p50, "p95": p95, "p99": p99}
    blank = dict.fromkeys(("objective", "within", "budget_left", "burning"))
    if objective is None:
        return told | blank
    if row is None:
        return told | blank | {"objective": dict(objective)}
    within = sum(each <= objective["seconds"] for each in row.every) / row.messages
    allowed = 1 - objective["share"]
    left = 1 - (1 - within) / allowed
    return told | {
        "objective": dict(objective),
        "within": round(within, 5),
        "budget_left": round(left, 3),
        "burning": left < 0,
    }
