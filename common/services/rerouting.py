"""After a reputation block: once, over another source of the same owner and kind, if there is one. A message that a
pool of the policy carries goes only over another member of it, or else over one of the rule's fallback.

A deferred message of a pool leaves a way that is out: its source is disabled, or its circuit open. Otherwise a retry
stays with its source, as greylisting wants it.

A block speaks against the address that mail came from, not against the recipient. Never here: which source
is best (routing.py decides that for new messages).
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from common import clock
from common.config import Settings
from common.db.session import as_json, rows
from common.domain import retry
from common.domain.path_health import SOURCE_OPEN_AFTER, UNKNOWN, Health, is_open
from common.domain.policy import Policy
from common.domain.routing import path_of
from common.services import path_health, ruling
from common.services.lifecycle import Change
from common.services.path_health import RELAY, WHOLE

# A message that has already been tried over two sources stays where it is. Two sources that would show the
# same address to the receiver are one. A policy names its ways in order, of whatever kind and owner.
_OTHERS = """
SELECT m.id, m.recipient_domain, used.name AS used, other.id AS source_id, other.name, other.kind, other.pool
  FROM messages m JOIN sources used ON used.id = m.source_id
  LEFT JOIN LATERAL (SELECT true AS ruled WHERE %s::jsonb ? m.id::text) r ON true
  JOIN LATERAL (
    SELECT s.id, s.name, s.kind, p.pool FROM sources s
      LEFT JOIN jsonb_to_recordset(%s::jsonb -> m.id::text) AS p(source text, pool text, place integer)
             ON p.source = s.name
     WHERE s.enabled AND s.kind <> 'sink'
       AND CASE WHEN r.ruled THEN p.place IS NOT NULL AND (s.account_id IS NULL OR s.account_id = m.account_id)
                ELSE s.kind = used.kind AND s.account_id IS NOT DISTINCT FROM used.account_id END
       AND (s.host, s.port, s.username, s.bind_ipv4, s.bind_ipv6)
           IS DISTINCT FROM (used.host, used.port, used.username, used.bind_ipv4, used.bind_ipv6)
     ORDER BY p.place, s.account_id IS NULL, s.is_default DESC, s.name LIMIT 1) other ON true
 WHERE m.id = ANY(%s::uuid[])
   AND NOT EXISTS (SELECT FROM attempts a WHERE a.message_id = m.id AND a.source_id <> m.source_id)
"""


def instead_of_bounces(connection: Connection, settings: Settings, bounces: Sequence[Change]) -> dict[UUID, Change]:
    """Another attempt over another source, for those of the bounced messages that have one."""
    by_id = {bounce.message_id: bounce for bounce in bounces}
    members = as_json(_members(connection, list(by_id)))
    found = rows(connection, _OTHERS, members, members, list(by_id))
    return {row.id: _over(settings, row, by_id[row.id]) for row in found}


_ON_POOLS = """
SELECT m.id, m.account_id, m.recipient_domain, u.id AS source_id, u.kind, u.enabled
  FROM messages m JOIN sources u ON u.id = m.source_id WHERE m.id = ANY(%s::uuid[]) AND m.pool IS NOT NULL
"""
_NAMED = "SELECT id, account_id, name, kind FROM sources WHERE enabled AND name = ANY(%s)"


def around_what_is_out(connection: Connection, settings: Settings, defers: Sequence[Change]) -> dict[UUID, Change]:
    """The same retries over another way of the rule's pools, for messages whose own is out, once each."""
    by_id = {defer.message_id: defer for defer in defers}
    found = rows(connection, _ON_POOLS, list(by_id))
    if not found:
        return {}
    members = _members(connection, [row.id for row in found])
    named = rows(connection, _NAMED, list({each["source"] for ways in members.values() for each in ways}))
    places = {row.id: _place(row, by_id[row.id]) for row in found}
    known = [*(row.source_id for row in found), *(row.id for row in named)]
    health = path_health.read(connection, known, places.values(), time_scale=settings.time_scale)
    moment = clock.now().timestamp() * settings.time_scale
    shut = [row for row in found if not row.enabled or _is_out(health, row.source_id, row.kind, places[row.id], moment)]
    for row in shut:
        out = {each.name for each in named if each.account_id in (None, row.account_id)
               and _is_out(health, each.id, each.kind, places[row.id], moment)}  # fmt: skip
        members[str(row.id)] = [each for each in members[str(row.id)] if each["source"] not in out]
    ways = as_json(members)
    others = rows(connection, _OTHERS, ways, ways, [row.id for row in shut]) if shut else []
    return {row.id: _by(row, by_id[row.id]) for row in others}


def _place(row: Any, defer: Change) -> str:
    return (defer.outcome.provider if defer.outcome else None) or str(row.recipient_domain)


def _is_out(health: Mapping[tuple[UUID, str], Health], source_id: UUID, kind: str, place: str, moment: float) -> bool:
    """Whether a circuit keeps all but probes away; a retry is no probe."""
    path = health.get((source_id, place if kind == "direct" else RELAY), UNKNOWN).now(moment)
    whole = health.get((source_id, WHOLE), UNKNOWN).now(moment)
    return is_open(path, moment, 1.0) or is_open(whole, moment, 1.0, after=SOURCE_OPEN_AFTER)


def _by(row: Any, defer: Change) -> Change:
    """The retry as it was, by another way."""
    told = {"rerouted": {"from": row.used, "to": row.name, "pool": row.pool}}
    path = path_of(row.name, row.kind, row.recipient_domain)
    return replace(defer, data=defer.data | told, source_id=row.source_id, path=path)


_POOLED = """
SELECT id, account_id, policy_version, rule, pool,
       coalesce((decision ->> 'defaults_version')::integer, 0) AS defaults_version
  FROM messages WHERE id = ANY(%s::uuid[]) AND pool IS NOT NULL
"""


def _members(connection: Connection, ids: Sequence[UUID]) -> dict[str, list[dict[str, Any]]]:
    """Of messages that a pool carries, the sources that may: those of the rule's pools in order, the fallback last,
    as of the policy that ruled them."""
    pooled = rows(connection, _POOLED, list(ids))
    keys = {row.id: (row.account_id, row.policy_version, row.defaults_version) for row in pooled}
    compiled = ruling.policies(connection, keys.values()) if keys else {}
    return {str(row.id): _ways(compiled[keys[row.id]], row) for row in pooled}


def _ways(policy: Policy, row: Any) -> list[dict[str, Any]]:
    rule = next((each for each in policy.rules if each.name == row.rule and each.act == "pool"), None)
    names = dict.fromkeys((rule.pool, rule.fallback) if rule else (row.pool,))
    members = [
        (pool.name, each) for name in names if name and (pool := policy.pools.get(name)) for each in pool.members
    ]
    usable = [(pool, each) for pool, each in members if each.weight > 0]
    places = sorted(usable, key=lambda one: (list(names).index(one[0]), one[1].role == "standby"))
    first: dict[str, dict[str, Any]] = {}
    for place, (name, each) in enumerate(places):
        first.setdefault(each.source, {"source": each.source, "pool": name, "place": place})
    return list(first.values())


def _over(settings: Settings, row: Any, bounce: Change) -> Change:
    data = {name: value for name, value in bounce.data.items() if name != "bounce"}
    return Change(
        row.id,
        "defer",
        bounce.epoch,
        data | {"rerouted": {"from": row.used, "to": row.name, "pool": row.pool}},
        delay=retry.REROUTE_SECONDS / settings.time_scale,
        armed=True,
        counts=True,
        source_id=row.source_id,
        path=path_of(row.name, row.kind, row.recipient_domain),
        attempt_state="deferred",
        outcome=bounce.outcome,
    )
