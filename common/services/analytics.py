"""report(...), account_for(...): counts by time and dimension, and whether every accepted mail is accounted for.

Both are one statement, so one snapshot: what is counted already, and the events behind the cursor that are not yet.
Never here: counting for good (folding.py).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from common import clock
from common.clock import rfc3339
from common.db.session import planned_anew, rows
from common.domain.analytics import after, buckets, floored, metrics_of, times_of
from common.domain.ids import encode
from common.domain.lifecycle import LIVE
from common.domain.principals import Principal
from common.services.folding import FACTS

MOST_TAIL = 20_000
"""So many events that are not counted yet are added at reading; when there are more, `as_of` says how far it is."""


@dataclass(frozen=True, slots=True)
class Question:
    """`start` and `end` are beginnings of intervals (hours for `total`). `filters` has the values allowed for each
    dimension; `group_by` names dimensions, of which at most `limit` combinations are answered, the largest first."""

    start: datetime
    end: datetime
    interval: str
    group_by: tuple[str, ...] = ()
    filters: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    limit: int = 25


_TAIL = """
place AS MATERIALIZED (
  SELECT %s::uuid AS account_id, %s::text AS environment
), cursor AS MATERIALIZED (
  SELECT coalesce(c.transaction_no, -1) AS transaction_no, c.counted_until,
         coalesce(c.event_id, '00000000-0000-0000-0000-000000000000') AS event_id
    FROM place LEFT JOIN analytics_cursors c USING (account_id, environment)
), rest AS MATERIALIZED (
  SELECT e.* FROM place s CROSS JOIN cursor c CROSS JOIN LATERAL (
    SELECT e.* FROM events e WHERE e.account_id = s.account_id AND e.environment = s.environment
       AND (e.transaction_no, e.id) > (c.transaction_no, c.event_id)
     ORDER BY e.transaction_no, e.id LIMIT %s) e
), state AS MATERIALIZED (
  SELECT n <= %s AS whole, CASE WHEN n <= %s THEN clock_timestamp() ELSE c.counted_until END AS as_of
    FROM (SELECT count(*) AS n FROM rest) r, cursor c
), part AS MATERIALIZED (
  SELECT r.* FROM rest r, state WHERE state.whole
), """

_COLUMNS = {
    "tier": "tier",
    "channel": "channel",
    "key": "key_id",
    "template": "template",
    "tag": "tag",
    "sending_domain": "sending_domain",
    "source": "source",
    "provider": "provider",
    "recipient_domain": "recipient_domain",
}


_REPORT = (
    f"""
WITH {_TAIL}{FACTS}""".replace("{", "{{").replace("}", "}}")
    + """, every AS MATERIALIZED (
  SELECT {interval} AS bucket{alike}, metric, detail, sum(n) AS n FROM (
    SELECT bucket{alike}, metric, detail, n FROM {stored}
     WHERE k.account_id = %s AND k.environment = %s AND ({spans})
    UNION ALL
    SELECT bucket{alike}, metric, detail, n FROM (
      SELECT date_trunc('hour', at, 'UTC') AS bucket{alike}, metric, detail, 1 AS n FROM facts) f
     WHERE bucket >= %s AND bucket < %s) x
   WHERE {conditions} GROUP BY {kept}
), cells AS MATERIALIZED (
  SELECT bucket{groups}, metric, detail, sum(n) AS n FROM every {spread} GROUP BY {numbered}
), top AS MATERIALIZED (
  SELECT {named} FROM cells {by} ORDER BY {order} LIMIT %s
)
SELECT 'state' AS kind, as_of AS bucket{nothing}, NULL AS metric, NULL AS detail, 0 AS n FROM state
UNION ALL
SELECT 'total', NULL{nothing}, metric, detail, sum(n) FROM every GROUP BY metric, detail
UNION ALL
SELECT 'cell', c.bucket{shown}, c.metric, c.detail, c.n FROM cells c {chosen}
"""
)


def report(connection: Connection, principal: Principal, question: Question) -> dict[str, Any]:
    """Counts for each interval and combination of `group_by`, and their totals over the range."""
    sql, filtered = _statement(question)
    place = (principal.account_id, principal.environment)
    whole = (question.start,) if question.interval == "total" else ()
    spans = [each for span in _spans(question) for each in span]
    with planned_anew(connection):
        found = rows(
            connection, sql, *place, MOST_TAIL + 1, MOST_TAIL, MOST_TAIL,
            *whole, *place, *spans, question.start, question.end, *filtered, question.limit,
        )  # fmt: skip
    totals: dict[tuple[str, str], int] = {}
    cells: dict[tuple[Any, ...], dict[tuple[str, str], int]] = {}
    for row in found:
        if row.kind == "total":
            totals[row.metric, row.detail] = int(row.n)
        elif row.kind == "cell":
            key = (row.bucket, *(getattr(row, f"g{at}") for at in range(len(question.group_by))))
            cells.setdefault(key, {})[row.metric, row.detail] = int(row.n)
    as_of = next(row.bucket for row in found if row.kind == "state")
    return {
        "start": rfc3339(question.start),
        "end": rfc3339(question.end),
        "interval": question.interval,
        "group_by": list(question.group_by),
        "environment": principal.environment,
        "as_of": None if as_of is None else rfc3339(as_of),
        "data": _lines(question, cells),
        "totals": metrics_of(totals) | {"time_to_delivery": times_of(totals)},
    }


def _spans(question: Question) -> list[tuple[str, datetime, datetime]]:
    """What is read of which grain: whole days as days, and the hours before and after them."""
    start, end = question.start, question.end
    first, last = floored(start, "day"), floored(end, "day")
    now = clock.now()
    if end >= now and last == floored(now, "day"):  # nothing is counted of the future: today is as good as a whole day
        last = after(last, "day")
    if question.interval == "hour" or first >= last:
        return [("hour", start, end)]
    first = start if start == first else after(first, "day")
    if first == last:
        return [("hour", start, end)]
    edges = [("hour", start, min(first, end)), ("hour", last, end)]
    return [("day", first, last), *(each for each in edges if each[1] < each[2])]


def _statement(question: Question) -> tuple[str, list[Any]]:
    """The statement of a question, and the values of its filters."""
    asked = dict.fromkeys(_COLUMNS[name] for name in (*question.group_by, *question.filters))
    alike = "".join(f", {'tags' if name == 'tag' else name}" for name in asked)
    stored = "analytics_recipients k" if "recipient_domain" in asked else "analytics_counts k"
    if asked and "recipient_domain" not in asked:
        stored += " JOIN analytics_profiles p ON p.id = k.profile_id"
    interval = f"date_trunc('{question.interval}', bucket, 'UTC')"
    given: list[Any] = []
    conditions = ["true"]
    for name, values in question.filters.items():
        conditions.append("tags && %s::text[]" if name == "tag" else f"{_COLUMNS[name]} = ANY(%s)")
        given.append(list(values))
    if question.interval == "total":
        interval = "%s::timestamptz"
    spread = "CROSS JOIN LATERAL unnest(CASE WHEN tags = '{}' THEN ARRAY[NULL] ELSE tags END) AS tag"
    groups = ", ".join(f"{_COLUMNS[name]} AS g{at}" for at, name in enumerate(question.group_by))
    named = ", ".join(f"g{at}" for at in range(len(question.group_by)))
    same = " AND ".join(f"c.{each} IS NOT DISTINCT FROM t.{each}" for each in named.split(", ")) if named else "true"
    return _REPORT.format(
        stored=stored,
        spans=" OR ".join(["k.grain = %s AND k.bucket >= %s AND k.bucket < %s"] * len(_spans(question))),
        alike=alike,
        conditions=" AND ".join(conditions),
        kept=", ".join(str(at) for at in range(1, len(asked) + 4)),
        interval=interval,
        spread=spread if "tag" in question.group_by else "",
        groups=f", {groups}" if groups else "",
        numbered=", ".join(str(at) for at in range(1, len(question.group_by) + 4)),
        named=named or "1 AS one",
        by=f"GROUP BY {named}" if named else "",
        order=f"sum(n) FILTER (WHERE metric <> 'delivered_in') DESC, {named}" if named else "1",
        nothing="".join(f", NULL AS g{at}" for at in range(len(question.group_by))),
        shown="".join(f", c.g{at}::text" for at in range(len(question.group_by))),
        chosen=f"JOIN top t ON {same}" if named else "WHERE EXISTS (SELECT FROM top)",
    ), given


def _lines(question: Question, cells: dict[tuple[Any, ...], dict[tuple[str, str], int]]) -> list[dict[str, Any]]:
    """The intervals in order. Without groups every interval has its line, also where nothing happened."""
    if not question.group_by:
        for bucket in buckets(question.start, question.end, question.interval):
            cells.setdefault((bucket,), {})
    volumes: dict[tuple[Any, ...], int] = {}
    for (_, *group), counts in cells.items():
        volumes[tuple(group)] = volumes.get(tuple(group), 0) + sum(
            n for (metric, _), n in counts.items() if metric != "delivered_in"
        )
    order = sorted(cells, key=lambda key: (key[0], -volumes[key[1:]], tuple(map(str, key[1:]))))
    return [_line(question, key, cells[key]) for key in order]


def _line(question: Question, key: tuple[Any, ...], counts: dict[tuple[str, str], int]) -> dict[str, Any]:
    start: datetime = key[0]
    end = question.end if question.interval == "total" else after(start, question.interval)
    times = times_of(counts)
    return {
        "start": rfc3339(start),
        "end": rfc3339(end),
        "dimensions": {
            name: encode("key", UUID(value)) if name == "key" and value is not None else value
            for name, value in zip(question.group_by, key[1:], strict=True)
        },
        "metrics": metrics_of(counts),
        "time_to_delivery": {name: value for name, value in times.items() if name != "histogram"},
    }


_IDENTITY = f"""
WITH {_TAIL}{FACTS}, cohort AS (
  SELECT metric, n FROM analytics_cohorts k WHERE k.account_id = %s AND k.environment = %s
     AND (%s::timestamptz IS NULL OR k.created_hour >= %s) AND (%s::timestamptz IS NULL OR k.created_hour < %s)
  UNION ALL
  SELECT metric, 1 FROM facts WHERE (%s::timestamptz IS NULL OR created_at >= %s)
     AND (%s::timestamptz IS NULL OR created_at < %s)
), live AS (
  SELECT count(*) AS n FROM messages m WHERE m.status = ANY(%s) AND m.account_id = %s AND m.environment = %s
     AND (%s::timestamptz IS NULL OR m.created_at >= %s) AND (%s::timestamptz IS NULL OR m.created_at < %s)
     AND m.status IN ({", ".join(repr(status) for status in LIVE)})
)
SELECT metric, sum(n) AS n, NULL::timestamptz AS as_of, NULL::boolean AS whole FROM cohort GROUP BY metric
UNION ALL SELECT 'live', n, NULL, NULL FROM live
UNION ALL SELECT 'state', 0, as_of, whole FROM state
"""


def account_for(
    connection: Connection, principal: Principal, start: datetime | None, end: datetime | None
) -> dict[str, Any]:
    """Where all mail is that was accepted from `start` (an hour) to `end`: accepted = the sum of the others.

    `live` is counted among the messages themselves, the rest among the events, so `closes` is a proof.
    """
    place = (principal.account_id, principal.environment)
    limits = (start, start, end, end)
    with planned_anew(connection):
        found = rows(
            connection, _IDENTITY, *place, MOST_TAIL + 1, MOST_TAIL, MOST_TAIL, *place, *limits, *limits, list(LIVE),
            *place, *limits,
        )  # fmt: skip
    n = {row.metric: int(row.n) for row in found}
    state = next(row for row in found if row.metric == "state")
    late = n.get("late_bounced", 0)
    parts = {
        "live": n.get("live", 0),
        "delivered": n.get("delivered", 0) - late,
        "bounced": n.get("hard_bounced", 0) + n.get("soft_bounced", 0),
        **{name: n.get(name, 0) for name in ("suppressed", "cancelled", "expired", "failed")},
    }
    accepted = n.get("accepted", 0)
    return {
        "start": None if start is None else rfc3339(start),
        "end": None if end is None else rfc3339(end),
        "environment": principal.environment,
        "as_of": None if state.as_of is None else rfc3339(state.as_of),
        "accepted": accepted,
        **parts,
        "complained": n.get("complained", 0),
        "difference": accepted - sum(parts.values()),
        "closes": (accepted == sum(parts.values())) if state.whole else None,
    }
