"""route(connection, ids): suppression, then the way out, frozen on the row with its reason."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from common.config import current_settings
from common.db.session import rows
from common.domain.routing import Facts, Source, choose
from common.services import lifecycle
from common.services.lifecycle import Applied, Change

_DUE = """
SELECT m.id, m.account_id, m.environment, m.recipient_domain, m.tier, m.recipient_key, m.queue_position,
       a.default_source_id, a.retry_preset,
       (SELECT s.reason FROM suppressions s WHERE s.account_id = m.account_id
           AND s.environment = m.environment AND s.recipient_key = m.recipient_key
           AND (s.scope = 'all' OR s.scope = 'stream:' || m.stream OR s.scope = 'topic:' || m.topic)
           AND (s.expires_at IS NULL OR s.expires_at > now()) ORDER BY s.scope LIMIT 1) AS suppressed
  FROM messages m JOIN accounts a ON a.id = m.account_id
 WHERE m.id = ANY(%s::uuid[]) AND m.status = 'queued' AND NOT m.held AND m.lease_until IS NULL
   AND m.next_attempt_at <= now() + interval '200 ms'
   AND (m.expires_at IS NULL OR m.expires_at > now())
 ORDER BY m.tier, m.queue_position
   FOR UPDATE OF m SKIP LOCKED
"""

_SOURCES = """
SELECT id, name, kind, account_id, is_default FROM sources WHERE enabled AND
  (account_id IS NULL OR account_id = ANY(%s::uuid[])) ORDER BY name
"""


@dataclass(frozen=True, slots=True)
class Routed:
    """Messages of one tier and path, in queue order: one delivery ticket's work."""

    tier: int
    path: str
    ids: list[UUID]


def route(connection: Connection, ids: Sequence[UUID]) -> tuple[list[Routed], list[Applied]]:
    """Decide for the queued ones of `ids`; answers the work by tier and path, and what was applied."""
    found = rows(connection, _DUE, list(ids))
    if not found:
        return [], []
    accounts = list({row.account_id for row in found})
    sources = [Source(r.id, r.name, r.kind, r.account_id, r.is_default) for r in rows(connection, _SOURCES, accounts)]
    applied = lifecycle.apply(connection, [_decide(row, sources) for row in found])
    moved = {done.message_id: done for done in applied}
    groups: dict[tuple[int, str], list[UUID]] = {}
    for row in found:
        done = moved.get(row.id)
        if done is not None and done.status == "accepted":
            groups.setdefault((done.tier, done.path or ""), []).append(row.id)
    return [Routed(tier, path, list(members)) for (tier, path), members in groups.items()], applied


def _decide(row: Any, sources: Sequence[Source]) -> Change:
    if row.suppressed is not None:
        return Change(row.id, "suppress", data={"reason": row.suppressed, "stage": "routing"})
    way = choose(Facts(row.account_id, row.environment, row.recipient_domain, row.tier, row.default_source_id), sources)
    if way is None:
        return Change(row.id, "refuse", data={"reason": "no_source"}, cause="no_source")
    return Change(
        row.id,
        "accept",
        data={"source": way.source, "path": way.path, "reason": way.reason},
        source_id=way.source_id,
        path=way.path,
        retry_preset=row.retry_preset or current_settings().retry_preset,
    )
