"""After a reputation block: once, over another source of the same owner and kind, if there is one. Of a message that
a pool of the policy carries, only over another member of the pool.

A block speaks against the address that mail came from, not against the recipient. Never here: which source
is best (routing.py decides that for new messages).
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from common.config import Settings
from common.db.session import as_json, rows
from common.domain import retry
from common.domain.routing import path_of
from common.services import ruling
from common.services.lifecycle import Change

# A message that has already been tried over two sources stays where it is. Two sources that would show the
# same address to the receiver are one.
_OTHERS = """
SELECT m.id, m.recipient_domain, used.name AS used, other.id AS source_id, other.name, other.kind
  FROM messages m JOIN sources used ON used.id = m.source_id
  JOIN LATERAL (
    SELECT s.id, s.name, s.kind FROM sources s
     WHERE (NOT %s::jsonb ? m.id::text OR %s::jsonb -> m.id::text ? s.name)
       AND s.enabled AND s.kind = used.kind AND s.kind <> 'sink' AND s.account_id IS NOT DISTINCT FROM used.account_id
       AND (s.host, s.port, s.username, s.bind_ipv4, s.bind_ipv6)
           IS DISTINCT FROM (used.host, used.port, used.username, used.bind_ipv4, used.bind_ipv6)
     ORDER BY s.is_default DESC, s.name LIMIT 1) other ON true
 WHERE m.id = ANY(%s::uuid[])
   AND NOT EXISTS (SELECT FROM attempts a WHERE a.message_id = m.id AND a.source_id <> m.source_id)
"""


def instead_of_bounces(connection: Connection, settings: Settings, bounces: Sequence[Change]) -> dict[UUID, Change]:
    """Another attempt over another source, for those of the bounced messages that have one."""
    by_id = {bounce.message_id: bounce for bounce in bounces}
    members = as_json(_members(connection, list(by_id)))
    found = rows(connection, _OTHERS, members, members, list(by_id))
    return {row.id: _over(settings, row, by_id[row.id]) for row in found}


_POOLED = """
SELECT id, account_id, policy_version, pool, coalesce((decision ->> 'defaults_version')::integer, 0) AS defaults_version
  FROM messages WHERE id = ANY(%s::uuid[]) AND pool IS NOT NULL
"""


def _members(connection: Connection, ids: Sequence[UUID]) -> dict[str, list[str]]:
    """Of messages that a pool carries, the sources that may: those of the pool, as of the policy that ruled them."""
    pooled = rows(connection, _POOLED, list(ids))
    keys = {row.id: (row.account_id, row.policy_version, row.defaults_version) for row in pooled}
    compiled = ruling.policies(connection, keys.values()) if keys else {}
    found = {}
    for row in pooled:
        pool = compiled[keys[row.id]].pools.get(row.pool)
        found[str(row.id)] = [each.source for each in pool.members if each.weight > 0] if pool else []
    return found


def _over(settings: Settings, row: Any, bounce: Change) -> Change:
    data = {name: value for name, value in bounce.data.items() if name != "bounce"}
    return Change(
        row.id,
        "defer",
        bounce.epoch,
        data | {"rerouted": {"from": row.used, "to": row.name}},
        delay=retry.REROUTE_SECONDS / settings.time_scale,
        armed=True,
        counts=True,
        source_id=row.source_id,
        path=path_of(row.name, row.kind, row.recipient_domain),
        attempt_state="deferred",
        outcome=bounce.outcome,
    )
