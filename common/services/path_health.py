"""add, read: how paths have done, kept as discounted counts that any delivery process adds to. A few rows a path.

Never here: what counts (domain/path_health.py).
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from common.db.session import as_json, rows, run
from common.domain.path_health import BLOCK_TAU, FRESH, OPEN_AFTER, TAU, Health, Marks

WHOLE = ""
"""The place that stands for a source at all of its places."""

RELAY = "relay"
"""The only place of a relay: what lies behind it is its own affair."""

_ADD = f"""
INSERT INTO path_health AS h (source_id, place, good, bad, blocked, failures, failed_at, typical_ms)
SELECT source_id, place, good, bad, blocked, failures, CASE WHEN failures > 0 THEN now() END, typical_ms
  FROM json_to_recordset(%s) AS x(source_id uuid, place text, good float8, bad float8, blocked float8, failures integer,
       typical_ms float8)
 ORDER BY 1, 2
ON CONFLICT (source_id, place) DO UPDATE SET
  good = h.good * exp(-least(extract(epoch FROM now() - h.updated_at) * %s / {TAU}, 500)::float8) + excluded.good,
  bad = CASE WHEN excluded.good > 0 AND h.failures >= {OPEN_AFTER} THEN 0 ELSE h.bad END
        * exp(-least(extract(epoch FROM now() - h.updated_at) * %s / {TAU}, 500)::float8) + excluded.bad,
  blocked = h.blocked * exp(-least(extract(epoch FROM now() - h.updated_at) * %s / {BLOCK_TAU}, 500)::float8)
            + excluded.blocked,
  failures = CASE WHEN excluded.good > 0 THEN excluded.failures
                  ELSE least(h.failures + excluded.failures, greatest({OPEN_AFTER}, h.failures + 1)) END,
  failed_at = coalesce(excluded.failed_at, h.failed_at), updated_at = now(),
  typical_ms = coalesce(
    h.typical_ms + (excluded.typical_ms - h.typical_ms) * (1 - power({1 - FRESH}, least(excluded.good, 500)::float8)),
    excluded.typical_ms, h.typical_ms)
"""


def add(connection: Connection, marks: Mapping[tuple[UUID, str], Marks], *, time_scale: float) -> None:
    """Add marks by (source, place), also to the source as a whole; one statement, always in one order."""
    counted = [_row(source_id, place, each) for (source_id, place), each in marks.items()]
    whole: dict[UUID, list[Marks]] = {}
    for (source_id, _), each in marks.items():
        whole.setdefault(source_id, []).append(each)
    counted += [_row(source_id, WHOLE, _sum(several)) for source_id, several in whole.items()]
    if counted:
        run(connection, _ADD, as_json(counted), time_scale, time_scale, time_scale)


def _sum(several: Sequence[Marks]) -> Marks:
    good = sum(each.good for each in several)
    failures = 0 if good else sum(each.failures for each in several)
    return Marks(
        good,
        sum(each.bad for each in several),
        sum(each.blocked for each in several),
        failures,
        sum(each.timed for each in several),
        sum(each.ms for each in several),
    )


def _row(source_id: UUID, place: str, marks: Marks) -> dict[str, Any]:
    counts = {"good": marks.good, "bad": marks.bad, "blocked": marks.blocked, "failures": marks.failures}
    typical = marks.ms / marks.timed if marks.timed else None
    return {"source_id": source_id, "place": place, "typical_ms": typical, **counts}


_READ = """
SELECT source_id, place, good, bad, blocked, failures, typical_ms, extract(epoch FROM failed_at) AS failed_at,
       extract(epoch FROM updated_at) AS updated_at
  FROM path_health WHERE source_id = ANY(%s::uuid[]) AND place = ANY(%s)
"""


def read(
    connection: Connection, sources: Iterable[UUID], places: Iterable[str], *, time_scale: float
) -> dict[tuple[UUID, str], Health]:
    """The health of these sources at these places and as a whole, in scaled seconds."""
    found = rows(connection, _READ, list(sources), [WHOLE, RELAY, *places])
    return {
        (row.source_id, row.place): Health(
            row.good, row.bad, row.blocked, row.failures, float(row.failed_at or 0) * time_scale,
            float(row.updated_at) * time_scale, row.typical_ms,
        )
        for row in found
    }  # fmt: skip


_LEARN = """
INSERT INTO recipient_places AS p (domain, provider, hosts)
SELECT domain, provider, hosts FROM json_to_recordset(%s) AS x(domain text, provider text, hosts text[]) ORDER BY 1
ON CONFLICT (domain) DO UPDATE SET provider = excluded.provider, hosts = excluded.hosts, seen_at = now()
 WHERE (p.provider, p.hosts) IS DISTINCT FROM (excluded.provider, excluded.hosts)
    OR p.seen_at < now() - interval '1 day'
"""


def learn_places(connection: Connection, seen: Mapping[str, tuple[str | None, Sequence[str]]]) -> None:
    """Keep whose servers take the mail of these domains: rules about providers go by it."""
    given = [
        {"domain": domain, "provider": provider, "hosts": list(hosts)} for domain, (provider, hosts) in seen.items()
    ]
    if given:
        run(connection, _LEARN, as_json(given))
