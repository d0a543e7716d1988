"""values(...): what every alert sees now, all rules of a kind in one statement.

Mail is read from the hourly counts of analytics, never from messages. Never here: what follows from a value.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from common.config import Settings
from common.db.session import as_json, planned_anew, rows
from common.domain.alerting import COUNTED, recent_share, value_of
from common.domain.analytics import floored
from common.domain.ids import encode
from common.domain.tiers import TIERS
from common.services import latencies, notices

Values = dict[tuple[UUID, str], float]
"""By alert and subject: what it is about, where a rule is looked at one by one; else the empty string."""

BURN_SECONDS = 3600
MOST_SUBJECTS = 200

_COUNTS = f"""
WITH a AS MATERIALIZED (
  SELECT * FROM json_to_recordset(%s) AS a(id uuid, account_id uuid, environment text, key_id uuid, template text,
         tag text, sending_domain text, tier text, per text, "from" timestamptz, "begin" timestamptz, share float8)
), n AS (
  SELECT a.id, coalesce(CASE a.per WHEN 'key' THEN p.key_id::text WHEN 'template' THEN p.template
                                   WHEN 'sending_domain' THEN p.sending_domain END, '') AS subject,
         CASE WHEN k.bucket < a."begin" THEN 'usual' ELSE k.metric END AS metric,
         sum(k.n * CASE WHEN k.bucket = a."begin" THEN a.share ELSE 1 END) AS n
    FROM a
    JOIN analytics_counts k ON k.account_id = a.account_id AND k.environment = a.environment AND k.grain = 'hour'
     AND k.bucket >= a."from" AND k.metric IN ('accepted', 'delivered', 'hard_bounced', 'soft_bounced', 'complained')
     AND (k.bucket >= a."begin" OR k.metric = 'accepted')
    JOIN analytics_profiles p ON p.id = k.profile_id
   WHERE (a.key_id IS NULL OR p.key_id = a.key_id) AND (a.template IS NULL OR p.template = a.template)
     AND (a.tag IS NULL OR a.tag = ANY(p.tags)) AND (a.tier IS NULL OR p.tier = a.tier)
     AND (a.sending_domain IS NULL OR p.sending_domain = a.sending_domain) AND NOT p.tags @> '{{{notices.TAG}}}'
   GROUP BY 1, 2, 3)
SELECT id, subject, json_object_agg(metric, n) AS counts FROM n
 GROUP BY id, subject ORDER BY max(n) DESC
"""


def _counted(connection: Connection, _: Settings, alerts: Sequence[Any], now: datetime) -> Values:
    hour = floored(now, "hour")
    asked = []
    for each in alerts:
        begin = hour - timedelta(hours=each.window_hours)
        before = each.baseline_hours if each.kind == "volume_spike" else 0
        names = ("id", "account_id", "environment", "key_id", "template", "tag", "sending_domain", "tier", "per")
        asked.append(
            {name: getattr(each, name) for name in names}
            | {"begin": begin, "from": begin - timedelta(hours=before), "share": recent_share(each.window_hours, now)}
        )
    rules = {each.id: each for each in alerts}
    found: Values = {}
    with planned_anew(connection):
        counted = rows(connection, _COUNTS, as_json(asked))
    for row in counted:
        rule = rules[row.id]
        if rule.per is not None and not row.subject:
            continue
        subject = encode("key", UUID(row.subject)) if rule.per == "key" else row.subject
        found[row.id, subject] = value_of(
            rule.kind, row.counts, rule.minimum, float(rule.window_hours), float(rule.baseline_hours)
        )
    return found


_AGES = """
SELECT a.id, max(extract(epoch FROM now() - greatest(m.next_attempt_at, coalesce(m.accepted_at, m.created_at)))) AS age
  FROM json_to_recordset(%s) AS a(id uuid, account_id uuid, environment text, tier integer)
  JOIN messages m ON m.account_id = a.account_id AND m.environment = a.environment
   AND (a.tier IS NULL OR m.tier = a.tier) AND m.lease_until IS NULL AND NOT m.held AND m.next_attempt_at <= now()
   AND m.status IN ('scheduled', 'queued', 'accepted', 'deferred')
 GROUP BY a.id
"""


def _ages(connection: Connection, _: Settings, alerts: Sequence[Any], __: datetime) -> Values:
    asked = [
        {"id": each.id, "account_id": each.account_id, "environment": each.environment,
         "tier": None if each.tier is None else TIERS.index(each.tier)}
        for each in alerts
    ]  # fmt: skip
    return {(row.id, ""): max(0.0, float(row.age)) for row in rows(connection, _AGES, as_json(asked))}


def _burns(connection: Connection, settings: Settings, alerts: Sequence[Any], _: datetime) -> Values:
    """Measured once for each account's environment."""
    found: Values = {}
    measured: dict[tuple[UUID, str], list[dict[str, Any]]] = {}
    for each in alerts:
        place = (each.account_id, each.environment)
        if place not in measured:
            measured[place] = latencies.measure(connection, settings, notices.account_itself(*place), BURN_SECONDS)
        for tier in measured[place]:
            if each.tier in (None, tier["priority"]):
                found[each.id, tier["priority"]] = float(tier["error_budget"]["burn"])
    return found


_DOMAINS = """
SELECT a.id, d.name FROM json_to_recordset(%s) AS a(id uuid, account_id uuid, sending_domain text)
  JOIN domains d ON d.account_id = a.account_id AND d.state IN ('degraded', 'failed')
   AND (a.sending_domain IS NULL OR d.name = a.sending_domain) AND d.verified_at IS NOT NULL
"""


def _domains(connection: Connection, _: Settings, alerts: Sequence[Any], __: datetime) -> Values:
    asked = [
        {"id": each.id, "account_id": each.account_id, "sending_domain": each.sending_domain} for each in alerts
    ]  # fmt: skip
    return {(row.id, row.name): 1.0 for row in rows(connection, _DOMAINS, as_json(asked))}


_WEBHOOKS = """
SELECT a.id, w.id AS webhook_id, extract(epoch FROM now() - h.failing_since) AS seconds
  FROM json_to_recordset(%s) AS a(id uuid, account_id uuid, environment text)
  JOIN webhooks w ON w.account_id = a.account_id AND w.environment = a.environment
  JOIN webhook_health h ON h.webhook_id = w.id AND h.failing_since IS NOT NULL
 WHERE w.state = 'enabled' OR w.disabled_reason <> 'manual'
"""


def _webhooks(connection: Connection, _: Settings, alerts: Sequence[Any], __: datetime) -> Values:
    asked = [{"id": each.id, "account_id": each.account_id, "environment": each.environment} for each in alerts]
    return {
        (row.id, encode("whk", row.webhook_id)): max(0.0, float(row.seconds))
        for row in rows(connection, _WEBHOOKS, as_json(asked))
    }


_READERS: Mapping[str, Callable[[Connection, Settings, Sequence[Any], datetime], Values]] = {
    **dict.fromkeys(COUNTED, _counted),
    "queue_age": _ages,
    "objective_burn": _burns,
    "domain_degraded": _domains,
    "webhook_failing": _webhooks,
}


def values(connection: Connection, settings: Settings, alerts: Sequence[Any], now: datetime) -> Values:
    """The values of rows of `alerts`, at most MOST_SUBJECTS of each rule; what is not answered is 0."""
    found: Values = {}
    for reader in dict.fromkeys(_READERS.values()):
        mine = [each for each in alerts if _READERS[each.kind] is reader]
        if mine:
            found |= reader(connection, settings, mine, now)
    kept: dict[UUID, int] = {}
    few: Values = {}
    for (alert_id, subject), value in sorted(found.items(), key=lambda each: -each[1]):
        kept[alert_id] = kept.get(alert_id, 0) + 1
        if kept[alert_id] <= MOST_SUBJECTS:
            few[alert_id, subject] = value
    return few
