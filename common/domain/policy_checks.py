"""What a shape cannot tell of a policy: names that do not exist, or twice, and what will never happen. Pure.

A fault refuses the publication; a warning does not.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from common.domain.errors import FieldError
from common.domain.policy import Document, moment_of


@dataclass(frozen=True, slots=True)
class Known:
    """What a document may name. `sources` maps the name of each usable source to its kind; `pools` are those of the
    operator, which an account's rules may use; `own_sources` says whether the owner has any to pace."""

    sources: Mapping[str, str]
    pools: Sequence[str] = ()
    own_sources: bool = True


def faults(document: Document, known: Known) -> list[FieldError]:
    """Everything that keeps a document from being published, in its order."""
    return [
        *_rule_faults(document, known),
        *_doubt_faults(document),
        *_pool_faults(document, known),
        *_pacing_faults(document, known),
    ]


def _pacing_faults(document: Document, known: Known) -> Iterator[FieldError]:
    limits = document.get("pacing", ())
    if limits and not known.own_sources:
        told = "is for the account's own sources, and it has none: shared ones are paced by the operator's policy"
        yield FieldError("pacing", "conflict", told)
    for place, limit in enumerate(limits):
        if "provider" in limit and "site" in limit:
            yield FieldError(f"pacing.{place}.site", "conflict", "cannot stand beside provider: use one of them")
        if "connections" not in limit and "per_second" not in limit:
            yield FieldError(f"pacing.{place}.connections", "required", "is required when there is no per_second")


def _rule_faults(document: Document, known: Known) -> Iterator[FieldError]:
    pools = [*document.get("pools", {}), *known.pools]
    rules = document.get("rules", ())
    counted = Counter(rule["name"] for rule in rules)
    for place, rule in enumerate(rules):
        at = f"rules.{place}"
        if counted[rule["name"]] > 1:
            yield FieldError(f"{at}.name", "duplicate", f"is the name of {counted[rule['name']]} rules")
        yield from _pools_of_rule(rule, at, pools)
        yield from _override_faults(rule, at)
        yield from _end_faults(rule, at)
        if rule["act"] == "sink" and "sink" not in known.sources.values():
            yield FieldError(f"{at}.act", "not_in_enum", "cannot be sink: the account has no source of kind sink")
        size = rule.get("when", {}).get("size", {})
        if size.get("at_most", 1 << 62) < size.get("at_least", 0):
            yield FieldError(f"{at}.when.size.at_most", "too_small", "is below at_least")


def _pools_of_rule(rule: Mapping[str, Any], at: str, pools: Sequence[str]) -> Iterator[FieldError]:
    named = [name for name in ("pool", "fallback") if name in rule]
    if rule["act"] != "pool":
        for name in named:
            yield FieldError(f"{at}.{name}", "conflict", f"has no meaning with act {rule['act']}")
        return
    for name in named:
        if rule[name] not in pools:
            yield FieldError(f"{at}.{name}", "not_in_enum", _unknown("pool", rule[name], pools))
    if "pool" not in rule:
        yield FieldError(f"{at}.pool", "required", "is required with act pool")
    elif rule.get("fallback") == rule["pool"]:
        yield FieldError(f"{at}.fallback", "conflict", "is the pool itself")


def _override_faults(rule: Mapping[str, Any], at: str) -> Iterator[FieldError]:
    if rule["act"] in ("reject", "sink"):
        without = ("tls", "max_age", "retry", "guarantee", "in_doubt") if rule["act"] == "reject" else ("tls",)
        for name in without:
            if name in rule:
                yield FieldError(f"{at}.{name}", "conflict", f"has no meaning with act {rule['act']}")


def _end_faults(rule: Mapping[str, Any], at: str) -> Iterator[FieldError]:
    """What ends a hold, in one way, at a time that there is."""
    for name in ("until", "duration"):
        if name in rule and rule["act"] != "hold":
            yield FieldError(f"{at}.{name}", "conflict", f"has no meaning with act {rule['act']}: it ends a hold")
    if "until" in rule and "duration" in rule:
        yield FieldError(f"{at}.duration", "conflict", "cannot stand beside until: use one of them")
    if "until" in rule and moment_of(rule["until"]) is None:
        yield FieldError(f"{at}.until", "invalid_format", "is a day that no calendar has")


def _doubt_faults(document: Document) -> Iterator[FieldError]:
    """`at_most_once` and `resend` in one breath: the promise forbids the second copy."""
    told = "cannot be resend beside at_most_once, which is never sent again"
    for place, rule in enumerate(document.get("rules", ())):
        if rule.get("guarantee") == "at_most_once" and rule.get("in_doubt") == "resend":
            yield FieldError(f"rules.{place}.in_doubt", "conflict", told)
    if document.get("guarantee") == "at_most_once" and document.get("in_doubt", {}).get("default") == "resend":
        yield FieldError("in_doubt.default", "conflict", told)


def _pool_faults(document: Document, known: Known) -> Iterator[FieldError]:
    for name, pool in document.get("pools", {}).items():
        members = pool["members"]
        counted = Counter(member["source"] for member in members)
        for place, member in enumerate(members):
            at = f"pools.{name}.members.{place}"
            if member["source"] not in known.sources:
                yield FieldError(f"{at}.source", "not_in_enum", _unknown("source", member["source"], known.sources))
            if counted[member["source"]] > 1:
                yield FieldError(f"{at}.source", "duplicate", "is in the pool twice")
        if not any(member.get("weight", 1) > 0 for member in members):
            yield FieldError(f"pools.{name}.members", "too_small", "has no member with a weight above 0")


def _unknown(noun: str, name: str, known: Sequence[str] | Mapping[str, str]) -> str:
    near = get_close_matches(name, list(known), n=1)
    hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(sorted(known)[:20]) or 'none'}"
    return f"names no {noun} that can be used here; {hint}"


def warnings(document: Document) -> list[dict[str, str]]:
    """What can be published and is probably not meant: {"code", "field", "message"}."""
    found = []
    rules = document.get("rules", ())
    for place, rule in enumerate(rules):
        if not rule.get("when") and place + 1 < len(rules):
            found.append(_warning("unreachable", f"rules.{place}", "fits every message: no later rule is ever asked"))
            break
    used = {rule.get(name) for rule in rules for name in ("pool", "fallback")}
    for name in document.get("pools", {}):
        if name not in used:
            found.append(_warning("unused", f"pools.{name}", "is in no rule of this document"))
    return found


def _warning(code: str, field: str, message: str) -> dict[str, str]:
    return {"code": code, "field": field, "message": message}
