"""backtest(...): the messages of the last hours decided twice, by what is in force and by the draft, and what differs.

Both decisions are made now, by the code that routes: with today's sources, health and warm-ups. Nothing is written.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from common import clock
from common.config import Settings
from common.db.session import rows
from common.domain.doubts import choice_of
from common.domain.ids import encode
from common.domain.policy import Layer, Policy, compile_policy
from common.domain.routing import Decision, Facts, World, decide
from common.services import policies, routing, ruling
from common.services.policies import Owner
from common.services.standing import stand

MOST = 2000
EXAMPLES = 20

_RECENT = f"""{routing.COLUMNS}, m.recipient
  FROM messages m JOIN accounts a ON a.id = m.account_id
 WHERE m.account_id = %s AND m.environment = %s AND m.created_at > now() - make_interval(hours => %s)
 ORDER BY m.created_at DESC LIMIT {MOST + 1}
"""


def backtest(connection: Connection, settings: Settings, owner: Owner, *, hours: int) -> dict[str, Any]:
    """{"messages", "complete", "changed", "changes", "examples"} about the newest messages of the asking key's account
    and environment."""
    principal = owner.principal
    assert principal is not None
    found = rows(connection, _RECENT, principal.account_id, principal.environment, hours)
    before, after = (compile_policy(layers) for layers in _two(connection, owner))
    both = [(row, ruling.Asking(before.needs | after.needs)) for row in found[:MOST]]
    facts = ruling.facts_of(connection, both)
    old, new = (_decided(connection, facts, policy, principal.account_id) for policy in (before, after))
    differing = {row.id: _differing(old[row.id], new[row.id], settings) for row, _ in both}
    changed = [row for row, _ in both if differing[row.id]]
    counted = Counter(each for several in differing.values() for each in several).most_common(50)
    return {
        "hours": hours,
        "messages": len(both),
        "complete": len(found) <= MOST,
        "changed": len(changed),
        "changes": [{"key": key, "before": a, "after": b, "messages": count} for (key, a, b), count in counted],
        "examples": [_example(row, old[row.id], new[row.id]) for row in changed[:EXAMPLES]],
    }


def _two(connection: Connection, owner: Owner) -> tuple[list[Layer], list[Layer]]:
    """The layers in force for the asking account, and the same with the owner's draft in place of what it publishes."""
    assert owner.principal is not None
    now = policies.layers(connection, Owner(owner.principal.account_id, owner.principal))
    origin = "operator" if owner.account_id is None else "account"
    document = policies.draft(connection, owner)["document"]
    return now, [Layer(each.origin, each.version, document if each.origin == origin else each.document) for each in now]


def _decided(
    connection: Connection, facts: Mapping[Any, Facts], policy: Policy, account_id: Any
) -> dict[Any, Decision]:
    sources = routing.sources_of(connection, [account_id])
    standings = stand(connection, [(each, policy) for each in facts.values()], sources, hold=False)
    world = World(sources, standings.look if standings else None)
    return {message_id: decide(each, policy, world) for message_id, each in facts.items()}


def _plain(made: Decision, settings: Settings) -> dict[str, str]:
    return {
        "act": made.act,
        "rule": made.rule.name if made.rule else "",
        "pool": made.pool or "",
        "source": made.route.source if made.route else "",
        "retry": made.retry or settings.retry_preset,
        "guarantee": made.guarantee or settings.delivery_guarantee,
        "in_doubt": choice_of(made.in_doubt, made.guarantee or settings.delivery_guarantee),
        "tls": made.tls or "",
    }


def _differing(old: Decision, new: Decision, settings: Settings) -> list[tuple[str, str, str]]:
    before, after = _plain(old, settings), _plain(new, settings)
    found = [(key, before[key], after[key]) for key in before if before[key] != after[key]]
    if old.expires != new.expires:
        found.append(("expires_at", "", "later" if _is_later(new, old) else "earlier"))
    return found


def _is_later(one: Decision, other: Decision) -> bool:
    return one.expires is None or other.expires is not None and one.expires > other.expires


def _example(row: Any, old: Decision, new: Decision) -> dict[str, Any]:
    return {
        "message_id": encode("msg", row.id),
        "recipient": row.recipient,
        "before": _shown(old),
        "after": _shown(new),
    }


def _shown(made: Decision) -> dict[str, Any]:
    expires = None if made.expires is None else clock.rfc3339(made.expires)
    names = ("act", "reason", "rule", "pool", "source", "path", "tls")
    return {name: made.shown()[name] for name in names} | {"retry": made.retry, "expires_at": expires}
