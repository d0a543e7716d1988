"""What a decision is told with: every rule with why it fits or not, where each term comes from, the timetable. Pure.

Never here: deciding (routing.py). A rule is asked here by the same function as there.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from common.domain import retry
from common.domain.doubts import choice_of
from common.domain.policy import Policy, Rule
from common.domain.policy_terms import failing, found_of, wanted_of
from common.domain.routing import Decision, Facts
from common.domain.tiers import TIERS


def rules_asked(policy: Policy, facts: Facts) -> list[dict[str, Any]]:
    """Every rule in order: whether it fits, the first term that does not, and whether it was asked at all."""
    found: list[dict[str, Any]] = []
    decided = False
    for rule in policy.rules:
        term = failing(rule, facts)
        found.append(_asked(rule, term, facts, asked=not decided))
        decided = decided or term is None
    return found


def _asked(rule: Rule, term: str | None, facts: Facts, *, asked: bool) -> dict[str, Any]:
    failed = None
    if term is not None:
        failed = {"term": term, "wanted": wanted_of(term, rule), "found": found_of(term, facts, rule)}
    return {
        "name": rule.name,
        "origin": rule.origin,
        "act": rule.act,
        "asked": asked,
        "matched": term is None,
        "failed": failed,
    }


def terms_in_force(
    made: Decision, facts: Facts, policy: Policy, built_in: Mapping[str, Any], own: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """[{"key", "value", "origin"}]: retry, guarantee, in_doubt, tls and expires_at. `own` is what the message or its
    account says apart from any policy."""
    rule = made.rule
    from_rule = f"rule {rule.name}" if rule else ""
    found: list[dict[str, Any]] = []
    for key, value in (("retry", made.retry), ("guarantee", made.guarantee)):
        if rule is not None and getattr(rule, key):
            origin = from_rule
        elif value is not None:
            origin = policy.origins.get(key, "account")
        elif own.get(key) is not None:
            value, origin = own[key], "account_setting"
        else:
            value, origin = built_in[key], "built_in"
        found.append({"key": key, "value": value, "origin": origin})
    found.append(_term_of_doubt(made, policy, found[-1], from_rule))
    found.append({"key": "tls", "value": made.tls, "origin": from_rule if made.tls else "source"})
    found.append(
        {"key": "expires_at", "value": made.expires, "origin": _origin_of_life(made, facts, policy, from_rule)}
    )
    return found


def _term_of_doubt(made: Decision, policy: Policy, guarantee: Mapping[str, Any], from_rule: str) -> dict[str, Any]:
    """What follows an unknown outcome; where nobody says, or a promise forbids it, the guarantee tells."""
    value = choice_of(made.in_doubt, guarantee["value"])
    if value != made.in_doubt:
        return {"key": "in_doubt", "value": value, "origin": guarantee["origin"]}
    by_rule = made.rule is not None and made.rule.in_doubt is not None
    return {"key": "in_doubt", "value": value,
            "origin": from_rule if by_rule else policy.origins.get("in_doubt", "account")}  # fmt: skip


def _origin_of_life(made: Decision, facts: Facts, policy: Policy, from_rule: str) -> str:
    if made.expires is None:
        return "built_in"
    rule, life = made.rule, None if facts.starts is None else (made.expires - facts.starts).total_seconds()
    if rule is not None and life == rule.max_age:
        return from_rule
    by_policy = life in (policy.ttl_templates.get(facts.template or ""), policy.ttl_tiers.get(TIERS[facts.tier]))
    return policy.origins.get("ttl", "account") if by_policy else "message"


def timetable(
    start: datetime, plan: str, expires: datetime | None, *, first: int = 1, scale: float = 1.0
) -> list[dict[str, Any]]:
    """When each attempt is made if all before it are deferred, without jitter: [{"number", "at", "after_seconds"}]."""
    at, number = start, first
    found = [{"number": number, "at": at, "after_seconds": 0.0}]
    while True:
        left = None if expires is None else (expires - at).total_seconds() * scale
        wait = None if left is not None and left <= 0 else retry.delay_after(number, left, preset=plan)
        if wait is None:
            return found
        at, number = at + timedelta(seconds=wait / scale), number + 1
        if expires is not None and at >= expires:
            return found
        found.append({"number": number, "at": at, "after_seconds": round(wait, 3)})
