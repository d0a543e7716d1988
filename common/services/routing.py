"""route(connection, ids): suppression, then the account's policy and the way out, frozen on the row with its reason."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from common.config import current_settings
from common.db.session import rows
from common.domain.policy import Policy
from common.domain.routing import Decision, Facts, Source, choose
from common.services import holding, lifecycle, ruling, stamping
from common.services.lifecycle import Applied, Change

COLUMNS = f"""
SELECT m.id, m.account_id, m.environment, m.recipient_domain, m.tier, m.recipient_key, m.queue_position,
       m.created_at, m.scheduled_time, m.expires_at, m.stream, m.policy_version,
       {holding.held_by("routing")} AS hold,
       a.default_source_id, a.retry_preset, a.policy_version AS account_version, a.canary_version, a.canary_percent,
       (SELECT coalesce(max(p.version), 0) FROM policies p WHERE p.account_id IS NULL) AS defaults_version,
       (SELECT s.reason FROM suppressions s WHERE s.account_id = m.account_id
           AND s.environment = m.environment AND s.recipient_key = m.recipient_key
           AND (s.scope = 'all' OR s.scope = 'stream:' || m.stream OR s.scope = 'topic:' || m.topic)
           AND (s.expires_at IS NULL OR s.expires_at > now()) ORDER BY s.scope LIMIT 1) AS suppressed
"""
"""What a decision needs of a message `m` and its account `a`; explaining reads the same."""

_DUE = f"""{COLUMNS}
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


def sources_of(connection: Connection, accounts: Sequence[UUID]) -> list[Source]:
    """The enabled sources of these accounts and the operator's."""
    found = rows(connection, _SOURCES, list(accounts))
    return [Source(each.id, each.name, each.kind, each.account_id, each.is_default) for each in found]


def route(connection: Connection, ids: Sequence[UUID]) -> tuple[list[Routed], list[Applied]]:
    """Decide for the queued ones of `ids`; answers the work by tier and path, and what was applied."""
    found = holding.keep_back(connection, rows(connection, _DUE, list(ids)))
    if not found:
        return [], []
    sources = sources_of(connection, list({row.account_id for row in found}))
    decided = ruling.decide_many(connection, found, sources)
    if decided:
        stamping.stamp(connection, [(row, *decided[row.id]) for row in found if row.id in decided])
    changes = [_change(row, sources, decided.get(row.id)) for row in found]
    applied = lifecycle.apply(connection, [change for change in changes if change is not None])
    moved = {done.message_id: done for done in applied}
    groups: dict[tuple[int, str], list[UUID]] = {}
    for row in found:
        done = moved.get(row.id)
        if done is not None and done.status == "accepted":
            groups.setdefault((done.tier, done.path or ""), []).append(row.id)
    return [Routed(tier, path, list(members)) for (tier, path), members in groups.items()], applied


def _change(row: Any, sources: Sequence[Source], decided: tuple[Policy, Decision] | None) -> Change | None:
    """The change of status that follows; None when the message stays where it is."""
    if row.suppressed is not None and decided is None:
        return Change(row.id, "suppress", data={"reason": row.suppressed, "stage": "routing"})
    if decided is not None:
        return _ruled(row, *decided)
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


def _ruled(row: Any, policy: Policy, decision: Decision) -> Change | None:
    told = {"rule": decision.rule.name if decision.rule else None, "policy_version": policy.version}
    if decision.act == "none":
        return Change(row.id, "refuse", data={"reason": "no_source", **told}, cause="no_source")
    if decision.act == "reject":
        data = {"reason": "rejected_by_policy", "detail": decision.reason, **told}
        return Change(row.id, "refuse", data=data, cause="rejected_by_policy")
    way = decision.route
    if way is None:
        return None
    return Change(
        row.id,
        "accept",
        data={"source": way.source, "path": way.path, "reason": way.reason, "pool": decision.pool, **told},
        source_id=way.source_id,
        path=way.path,
        retry_preset=decision.retry or row.retry_preset or current_settings().retry_preset,
    )
