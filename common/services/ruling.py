"""decide_many(...): what policies say about queued messages, for routing, explaining and backtesting alike.

An account without a policy costs a comparison of two numbers here. A compiled policy is kept by its version, which
never changes. Never here: writing anything, or what decisions are made of (domain/routing.py).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from common import clock
from common.caching import Remembered
from common.db.session import rows
from common.domain.policy import Layer, Policy, compile_policy, share_of
from common.domain.provider_domains import provider_for
from common.domain.routing import Decision, Facts, Source, World, decide
from common.domain.suppressions import UNSUBSCRIBED
from common.domain.tiers import TIERS
from common.services.standing import stand

FIRST_VERSION = 1
"""Of every account, before it publishes anything: an empty document."""

Key = tuple[UUID, int, int]

_compiled: Remembered[Key, Policy] = Remembered(seconds=86_400.0, size=2048)
_places: Remembered[str, tuple[str | None, tuple[str, ...]]] = Remembered(seconds=60.0, size=65_536)

_DOCUMENTS = """
SELECT account_id, version, document FROM policies
 WHERE account_id = ANY(%s::uuid[]) AND version = ANY(%s) OR account_id IS NULL AND version = ANY(%s)
"""


def key_of(row: Any) -> Key | None:
    """Whose and which policy rules a row with account_id, account_version, canary_version, canary_percent and
    defaults_version; None when there is none."""
    version = row.account_version
    if row.canary_version is not None and share_of(row.id, "canary") * 100 < row.canary_percent:
        version = row.canary_version
    return (
        None
        if version <= FIRST_VERSION and not row.defaults_version
        else (row.account_id, version, row.defaults_version)
    )


def policies(connection: Connection, keys: Iterable[Key]) -> dict[Key, Policy]:
    """The compiled policies of (account, version, version of the operator's defaults)."""
    return _compiled.get_many(keys, lambda missing: _load(connection, missing))


def _load(connection: Connection, keys: Sequence[Key]) -> dict[Key, Policy]:
    accounts, versions, defaults = (list({key[place] for key in keys}) for place in range(3))
    found = {
        (row.account_id, row.version): row.document
        for row in rows(connection, _DOCUMENTS, accounts, versions, defaults)
    }
    made = {}
    for account_id, version, operator in keys:
        layers = [Layer("account", version, found.get((account_id, version), {}))]
        if operator:
            layers.append(Layer("operator", operator, found.get((None, operator), {})))
        made[account_id, version, operator] = compile_policy(layers)
    return made


def forget() -> None:
    """Drop what is remembered; for tests that begin again with the same accounts."""
    _compiled.forget()
    _places.forget()


_CONTENT = """
SELECT c.message_id, c.tags, c.template_slug, split_part(c.sender ->> 'email', '@', 2) AS sender_domain,
       CASE WHEN %s THEN coalesce(octet_length(c.html), 0) + coalesce(octet_length(c.text), 0)
         + coalesce(octet_length(c.mime), 0) + coalesce((SELECT sum(length(a ->> 'content') * 3 / 4)
             FROM jsonb_array_elements(c.attachments) a), 0) ELSE 0 END AS size
  FROM message_contents c WHERE c.message_id = ANY(%s::uuid[])
"""
_PLACES = "SELECT domain, provider, hosts FROM recipient_places WHERE domain = ANY(%s)"


def decide_many(
    connection: Connection, found: Sequence[Any], sources: Sequence[Source]
) -> dict[UUID, tuple[Policy, Decision]]:
    """The decisions about those of the rows that a policy rules, with the policy. Rows are as of routing's query.

    A suppressed address is left out, unless the policy lets this tier pass.
    """
    keys = {row.id: key for row in found if (key := key_of(row)) is not None}
    if not keys:
        return {}
    compiled = policies(connection, keys.values())
    ruled = [
        (row, compiled[keys[row.id]]) for row in found if row.id in keys and is_let_through(row, compiled[keys[row.id]])
    ]
    if not ruled:
        return {}
    facts = facts_of(connection, ruled)
    standings = stand(connection, [(facts[row.id], policy) for row, policy in ruled], sources, hold=True)
    if standings is None:
        return {row.id: (policy, decide(facts[row.id], policy, World(sources))) for row, policy in ruled}
    world, made = World(sources, standings.look), {}
    for row, policy in ruled:
        decision = decide(facts[row.id], policy, world)
        standings.took(facts[row.id], decision, sources)
        made[row.id] = (policy, decision)
    standings.keep(connection)
    return made


def is_let_through(row: Any, policy: Policy) -> bool:
    """Whether no suppression stands against the row, or one that the policy lets its tier pass."""
    return row.suppressed is None or row.suppressed == UNSUBSCRIBED and TIERS[row.tier] in policy.passes


@dataclass(frozen=True, slots=True)
class Asking:
    """What is asked of a message apart from any policy. A Policy asks by its own `needs`."""

    needs: frozenset[str]


def facts_of(
    connection: Connection, ruled: Sequence[tuple[Any, Policy | Asking]], given: Mapping[UUID, Any] | None = None
) -> dict[UUID, Facts]:
    """What the policies ask of these rows, in at most two more queries. `given` is content that is not stored."""
    asking = [(row, policy.needs) for row, policy in ruled]
    content = [row.id for row, needs in asking if "content" in needs and row.id not in (given or {})]
    sized = any("size" in needs for _, needs in asking)
    contents = {each.message_id: each for each in rows(connection, _CONTENT, sized, content)} if content else {}
    contents |= given or {}
    places = places_of(connection, [row.recipient_domain for row, needs in asking if "place" in needs])
    now = clock.now()
    return {row.id: _facts(row, contents.get(row.id), places.get(row.recipient_domain), now) for row, _ in asking}


def _facts(row: Any, content: Any, place: tuple[str | None, tuple[str, ...]] | None, now: datetime) -> Facts:
    provider, hosts = place or (None, ())
    return Facts(
        row.account_id,
        row.environment,
        row.recipient_domain,
        row.tier,
        row.default_source_id,
        message_id=row.id,
        stream=row.stream,
        tags=(content.tags or ()) if content else (),
        template=content.template_slug if content else None,
        sender_domain=content.sender_domain if content else "",
        size=int(content.size) if content else 0,
        provider=provider,
        hosts=hosts,
        starts=row.scheduled_time or row.created_at,
        expires=row.expires_at,
        now=now,
    )


def places_of(connection: Connection, domains: Sequence[str]) -> Mapping[str, tuple[str | None, tuple[str, ...]]]:
    """The provider and the mail hosts of domains, as far as delivering has shown them or everybody knows them."""
    if not domains:
        return {}

    def load(missing: list[str]) -> dict[str, tuple[str | None, tuple[str, ...]]]:
        seen = {row.domain: (row.provider, tuple(row.hosts)) for row in rows(connection, _PLACES, missing)}
        return {domain: seen.get(domain, (provider_for(domain), ())) for domain in missing}

    return _places.get_many(domains, load)
