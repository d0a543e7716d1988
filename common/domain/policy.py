"""A policy: what an account and the operator say about the ways of mail, compiled once and asked for every message.

A document is plain JSON of the shape that `GET /v1/policy/schema` publishes. An account's layer lies over the
operator's: its rules are asked first, and its values win name by name. Pure. Never here: rows, or choosing a
source (routing.py, pools.py).
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from common.domain.pace_limits import PaceLimit

ACTS = ("pool", "automatic", "hold", "reject", "sink")
ROLES = ("primary", "standby")
TLS_LEVELS = ("encrypted", "required")
GUARANTEES = ("at_least_once", "at_most_once")
ORIGINS = ("account", "operator", "built_in")

Document = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Layer:
    """One document with its origin (`account` or `operator`) and version."""

    origin: str
    version: int
    document: Document


@dataclass(frozen=True, slots=True)
class Rule:
    """`when` holds the terms by name; an override that is None says nothing. `until` and `duration` (seconds from
    when a message may go) end a hold."""

    name: str
    origin: str
    act: str
    when: Mapping[str, Any]
    pool: str | None = None
    fallback: str | None = None
    reason: str | None = None
    tls: str | None = None
    max_age: int | None = None
    retry: str | None = None
    guarantee: str | None = None
    in_doubt: str | None = None
    until: datetime | None = None
    duration: int | None = None

    def over(self, starts: datetime | None) -> datetime | None:
        """When a hold by this rule ends for a message that may go from `starts` on; None without an end."""
        if self.duration is None or starts is None:
            return self.until
        return starts + timedelta(seconds=self.duration)


@dataclass(frozen=True, slots=True)
class Warmup:
    """A cap for each day and provider: `first`, times `growth` every day, none from `target` on."""

    start: date
    first: int = 50
    growth: float = 1.4
    target: int = 20_000


@dataclass(frozen=True, slots=True)
class Member:
    """One source of a pool by name."""

    source: str
    weight: float = 1.0
    role: str = "primary"
    warmup: Warmup | None = None


@dataclass(frozen=True, slots=True)
class Pool:
    name: str
    origin: str
    members: tuple[Member, ...]


@dataclass(frozen=True, slots=True)
class Policy:
    """A compiled policy. `needs` names the facts that its rules ask for: `content`, `size`, `place`. `origins` says
    who set `retry`, `guarantee` and `ttl`. `passes`: tiers that go to those who have unsubscribed, too.
    `doubts`: what follows an unknown outcome, by `templates`, `streams`, `tiers` and in `default` for all."""

    version: int
    defaults_version: int
    rules: tuple[Rule, ...] = ()
    pools: Mapping[str, Pool] = field(default_factory=dict)
    retry: str | None = None
    guarantee: str | None = None
    doubts: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    ttl_tiers: Mapping[str, int] = field(default_factory=dict)
    ttl_templates: Mapping[str, int] = field(default_factory=dict)
    pacing: tuple[PaceLimit, ...] = ()
    passes: frozenset[str] = frozenset()
    needs: frozenset[str] = frozenset()
    origins: Mapping[str, str] = field(default_factory=dict)


def compile_policy(layers: Sequence[Layer]) -> Policy:
    """One policy of several layers, the strongest first."""
    versions = {layer.origin: layer.version for layer in layers}
    rules = tuple(_rule(layer, each) for layer in layers for each in layer.document.get("rules", ()))
    pools: dict[str, Pool] = {}
    for layer in layers:
        for name, each in layer.document.get("pools", {}).items():
            pools.setdefault(name, Pool(name, layer.origin, tuple(_member(member) for member in each["members"])))
    retry, guarantee = _strongest(layers, "retry"), _strongest(layers, "guarantee")
    ttl_tiers, ttl_templates = _merged(layers, "tiers"), _merged(layers, "templates")
    suppression = _strongest(layers, "suppression") or {}
    return Policy(
        version=versions.get("account", 1),
        defaults_version=versions.get("operator", 0),
        rules=rules,
        pools=pools,
        retry=None if retry is None else plan_of(retry),
        guarantee=guarantee,
        doubts=_doubts(layers),
        ttl_tiers=ttl_tiers,
        ttl_templates=ttl_templates,
        pacing=tuple(PaceLimit(layer.origin, **each) for layer in layers for each in layer.document.get("pacing", ())),
        passes=frozenset(suppression.get("unsubscribed_receive", ())),
        needs=_needs(
            rules, bool(ttl_templates) or any("templates" in each.document.get("in_doubt", {}) for each in layers)
        ),
        origins={
            name: layer.origin
            for layer in reversed(layers)
            for name in ("retry", "guarantee", "ttl", "in_doubt")
            if name in layer.document
        },
    )


def _rule(layer: Layer, given: Mapping[str, Any]) -> Rule:
    retry = given.get("retry")
    return Rule(
        given["name"],
        layer.origin,
        given["act"],
        given.get("when") or {},
        pool=given.get("pool"),
        fallback=given.get("fallback"),
        reason=given.get("reason"),
        tls=given.get("tls"),
        max_age=given.get("max_age"),
        retry=None if retry is None else plan_of(retry),
        guarantee=given.get("guarantee"),
        in_doubt=given.get("in_doubt"),
        until=moment_of(given.get("until")),
        duration=given.get("duration"),
    )


def moment_of(text: str | None) -> datetime | None:
    """A time as documents write it, or None: also for a day that no calendar has."""
    try:
        return None if text is None else datetime.fromisoformat(text)
    except ValueError:
        return None


def _member(given: Mapping[str, Any]) -> Member:
    warmup = given.get("warmup")
    plan = None if warmup is None else Warmup(**{**warmup, "start": date.fromisoformat(warmup["start"])})
    return Member(given["source"], given.get("weight", 1.0), given.get("role", "primary"), plan)


def _strongest(layers: Sequence[Layer], name: str) -> Any:
    return next((layer.document[name] for layer in layers if name in layer.document), None)


def _merged(layers: Sequence[Layer], name: str) -> dict[str, int]:
    found: dict[str, int] = {}
    for layer in reversed(layers):
        found |= layer.document.get("ttl", {}).get(name, {})
    return found


def _doubts(layers: Sequence[Layer]) -> dict[str, dict[str, str]]:
    """By what, then which, what follows; the general wish stands under `default` and `*`."""
    found: dict[str, dict[str, str]] = {}
    for layer in reversed(layers):
        for name, given in layer.document.get("in_doubt", {}).items():
            found.setdefault(name, {}).update({"*": given} if name == "default" else given)
    return found


_CONTENT, _PLACE = frozenset({"tag", "template", "sender_domain"}), frozenset({"provider", "mx_suffix"})


def _needs(rules: Sequence[Rule], templates: bool) -> frozenset[str]:
    terms = {name for rule in rules for name in rule.when}
    found = set()
    if terms & _CONTENT or "size" in terms or templates:
        found.add("content")
    if "size" in terms:
        found.add("size")
    if terms & _PLACE or any(rule.act == "pool" for rule in rules):
        found.add("place")
    return frozenset(found)


def plan_of(retry: str | Sequence[float]) -> str:
    """A retry preset as it is, and a schedule in one word: `custom:30,300`."""
    return retry if isinstance(retry, str) else "custom:" + ",".join(f"{each:.10g}" for each in retry)


def share_of(message_id: UUID, salt: str) -> float:
    """A number from 0 to 1 that is always the same for a message: what percentages and canaries go by."""
    digest = hashlib.blake2b(message_id.bytes, digest_size=8, key=salt.encode()[:64]).digest()
    return int.from_bytes(digest, "big") / 2.0**64
