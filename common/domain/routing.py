"""Facts about a message to a Decision with its reason: the account's rules, then what holds without any.

Pure: explain and delivery call the same functions. Never here: rows, terms (policy_terms.py), or shares (pools.py).
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from common.domain.policy import Member, Policy, Pool, Rule
from common.domain.policy_terms import failing
from common.domain.pools import Candidate, pick
from common.domain.simulator import DOMAIN as SIMULATOR
from common.domain.tiers import TIERS


@dataclass(frozen=True, slots=True)
class Source:
    """A way out: `sink` records, `relay` is a smarthost, `direct` asks the recipient's MX."""

    id: UUID
    name: str
    kind: str
    account_id: UUID | None
    is_default: bool


_NOBODY = UUID(int=0)


@dataclass(frozen=True, slots=True)
class Facts:
    """What routing knows of one message; of its content only where a rule asks. `starts` is when it may first go,
    `now` when it is decided about."""

    account_id: UUID
    environment: str
    recipient_domain: str
    tier: int
    account_source_id: UUID | None
    message_id: UUID = _NOBODY
    stream: str | None = None
    tags: Sequence[str] = ()
    template: str | None = None
    sender_domain: str = ""
    size: int = 0
    provider: str | None = None
    hosts: Sequence[str] = ()
    starts: datetime | None = None
    expires: datetime | None = None
    attempt: int = 1
    now: datetime | None = None

    @property
    def place(self) -> str:
        """Where its mail is counted: the provider, or the domain itself."""
        return self.provider or self.recipient_domain


@dataclass(frozen=True, slots=True)
class Route:
    """The frozen decision: the source, the path (source and site) and why."""

    source_id: UUID
    source: str
    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of a message now: `send` by `route`, `hold`, `wait` (for a member of its pool), `reject`, or
    `none` when no source may carry it. `retry`, `guarantee` and `in_doubt` are None where the policy says nothing;
    `wait` is in seconds, where it is known; `until` ends a hold, where the rule says so."""

    act: str
    reason: str
    route: Route | None = None
    rule: Rule | None = None
    pool: str | None = None
    candidates: tuple[Candidate, ...] = ()
    retry: str | None = None
    guarantee: str | None = None
    in_doubt: str | None = None
    tls: str | None = None
    expires: datetime | None = None
    wait: float | None = None
    until: datetime | None = None

    def shown(self) -> dict[str, Any]:
        """The record of it, as JSON."""
        return {
            "act": self.act,
            "reason": self.reason,
            "rule": self.rule.name if self.rule else None,
            "rule_origin": self.rule.origin if self.rule else None,
            "pool": self.pool,
            "source": self.route.source if self.route else None,
            "path": self.route.path if self.route else None,
            "candidates": [each.shown() for each in self.candidates],
            "tls": self.tls,
            "until": self.until
            and f"{self.until.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.{self.until.microsecond // 1000:03d}Z",
        }


Standing = Callable[[Source, Facts, Member, random.Random], Candidate]
"""How a source stands for a message as a member of a pool."""


@dataclass(frozen=True, slots=True)
class World:
    """What decisions go by besides the message: sources in order of their names, and how they stand."""

    sources: Sequence[Source]
    standing: Standing | None = field(default=None)


def decide(facts: Facts, policy: Policy, world: World) -> Decision:
    """What becomes of a message by its account's policy."""
    rule = next((each for each in policy.rules if failing(each, facts) is None), None)
    return _with_terms(_act(facts, rule, policy, world), facts, rule, policy)


def _act(facts: Facts, rule: Rule | None, policy: Policy, world: World) -> Decision:
    why = "" if rule is None else f"rule {rule.name}" + (f": {rule.reason}" if rule.reason else "")
    if rule is not None and rule.act in ("hold", "reject"):
        return Decision(rule.act, why)
    if rule is not None and rule.act == "sink":
        sinks = [each for each in _allowed(facts, world.sources) if each.kind == "sink"]
        route = _first(facts, sinks, f"{why}: the sink")
        return Decision("send", route.reason, route) if route else Decision("none", "no_source")
    to_sink = facts.environment == "test" or facts.recipient_domain == SIMULATOR
    if rule is not None and rule.act == "pool" and not to_sink:
        return _by_pool(facts, rule, policy, world, why)
    found = choose(facts, world.sources)
    if found is None:
        return Decision("none", "no_source")
    if rule is not None:
        found = Route(found.source_id, found.source, found.path, f"{why}: {found.reason}")
    return Decision("send", found.reason, found)


def _by_pool(facts: Facts, rule: Rule, policy: Policy, world: World, why: str) -> Decision:
    pools = [policy.pools[name] for name in (rule.pool, rule.fallback) if name and name in policy.pools]
    if not pools:
        return Decision("wait", "no_member", pool=rule.pool)
    named = {
        each.name: each for each in sorted(_allowed(facts, world.sources), key=lambda each: each.account_id is not None)
    }

    def look(pool: Pool, member: Member, draws: random.Random) -> Candidate:
        source = named.get(member.source)
        if source is None:
            return Candidate(member.source, pool.name, member.role, member.weight, "missing", 0.0, 0.0)
        if world.standing is None:
            return Candidate(member.source, pool.name, member.role, member.weight)
        return replace(world.standing(source, facts, member, draws), pool=pool.name)

    choice = pick(pools, facts.message_id, facts.attempt, look, careful=facts.tier == 0)
    if choice.source is None:
        waits = [each.wait for each in choice.candidates if each.wait is not None]
        wait = min(waits) if waits else None
        return Decision("wait", choice.why, pool=choice.pool, candidates=choice.candidates, wait=wait)
    route = _first(facts, [named[choice.source]], f"{why}: {choice.why}")
    assert route is not None
    return Decision("send", route.reason, route, pool=choice.pool, candidates=choice.candidates)


def _with_terms(made: Decision, facts: Facts, rule: Rule | None, policy: Policy) -> Decision:
    """The same with what the rule, or else the document, says about retries, TLS and age."""
    return Decision(
        made.act,
        made.reason,
        made.route,
        rule,
        made.pool,
        made.candidates,
        retry=(rule.retry if rule else None) or policy.retry,
        guarantee=(rule.guarantee if rule else None) or policy.guarantee,
        in_doubt=(rule.in_doubt if rule else None) or doubted(facts, policy),
        tls=rule.tls if rule else None,
        expires=expiry(facts, rule, policy),
        wait=made.wait,
        until=rule.over(facts.starts) if rule and made.act == "hold" else None,
    )


def doubted(facts: Facts, policy: Policy) -> str | None:
    """What the document wants of an unknown outcome: for its template, its stream, its tier, or for all."""
    for name, which in (("templates", facts.template), ("streams", facts.stream), ("tiers", TIERS[facts.tier])):
        found = policy.doubts.get(name, {}).get(which or "")
        if found is not None:
            return found
    return policy.doubts.get("default", {}).get("*")


def expiry(facts: Facts, rule: Rule | None, policy: Policy) -> datetime | None:
    """When the message is given up: its own time, else its template's or its tier's; a rule's `max_age` only
    brings it forward."""
    if facts.starts is None:
        return facts.expires
    life = policy.ttl_templates.get(facts.template or "") or policy.ttl_tiers.get(TIERS[facts.tier])
    found = facts.expires
    if found is None and life is not None:
        found = facts.starts + timedelta(seconds=life)
    if rule is not None and rule.max_age is not None:
        latest = facts.starts + timedelta(seconds=rule.max_age)
        found = latest if found is None else min(found, latest)
    return found


def choose(facts: Facts, sources: Sequence[Source]) -> Route | None:
    """The way out of a message that no rule sends elsewhere, or None when no source may carry it.

    Test keys always use a sink, and so does mail to the simulator where there is one. Otherwise: the
    account's own choice, then its default source, then the operator's.
    """
    allowed = _allowed(facts, sources)
    sinks = [source for source in allowed if source.kind == "sink"]
    if facts.environment == "test":
        return _first(facts, sinks, "a test key only reaches the sink")
    if sinks and facts.recipient_domain == SIMULATOR:
        return _first(facts, sinks, "the sink plays the simulator")
    chosen = [source for source in allowed if source.id == facts.account_source_id]
    if chosen:
        return _first(facts, chosen, "default source of the account")
    own = [source for source in allowed if source.is_default and source.account_id == facts.account_id]
    shared = [source for source in allowed if source.is_default and source.account_id is None]
    return _first(facts, own, "own default source") or _first(facts, shared, "the operator's default source")


def _allowed(facts: Facts, sources: Sequence[Source]) -> list[Source]:
    return [source for source in sources if source.account_id in (None, facts.account_id)]


def _first(facts: Facts, sources: Sequence[Source], reason: str) -> Route | None:
    if not sources:
        return None
    source = sources[0]
    return Route(source.id, source.name, path_of(source.name, source.kind, facts.recipient_domain), reason)


def path_of(source: str, kind: str, recipient_domain: str) -> str:
    """The path of a message over a source: one place for all that goes through a relay or a sink."""
    return f"{source}/{recipient_domain if kind == 'direct' else kind}"
