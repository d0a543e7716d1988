"""Random policies that can be published, and the facts they ask for. Never here: what should come of them."""

import random
from typing import Any

from common.domain.doubts import CHOICES
from common.domain.policy import ACTS, GUARANTEES, TLS_LEVELS
from common.domain.tiers import TIERS

NAMES = ("a", "b", "c")
"""Sources that a document names."""

TAGS, STREAMS, TEMPLATES = ("x", "y", "z"), (None, "news"), (None, "otp-code")
DOMAINS = ("gmail.com", "example.net", "a.example.net", "else.org")


def when(dice: random.Random) -> dict[str, Any]:
    """Up to three terms."""
    terms: dict[str, Any] = {
        "tag": dice.sample(TAGS, dice.randint(1, 2)),
        "template": ["otp-code"],
        "stream": ["news"],
        "tier": dice.sample(TIERS, dice.randint(1, 3)),
        "sender_domain": ["*.example.com", "example.com"],
        "recipient_domain": dice.sample(["gmail.com", "example.net", "*.example.net"], 2),
        "provider": ["google"],
        "mx_suffix": ["google.com"],
        "size": {"at_least": dice.randint(0, 2000)},
        "percentage": dice.randint(1, 100),
    }
    return {name: terms[name] for name in dice.sample(list(terms), dice.randint(0, 3))}


def a_rule(dice: random.Random, number: int, acts: tuple[str, ...] = ACTS) -> dict[str, Any]:
    """One rule with whatever overrides fit its act."""
    act = dice.choice(acts)
    rule: dict[str, Any] = {"name": f"r{number}", "act": act, "when": when(dice)}
    if act == "pool":
        rule |= {"pool": dice.choice(["p", "q"])}
        rule |= {"fallback": "q"} if rule["pool"] == "p" and dice.random() < 0.5 else {}
    if act not in ("reject", "sink") and dice.random() < 0.5:
        rule |= {"retry": dice.choice(["otp", "patient", [1.0, 2.0]]), "max_age": dice.randint(3000, 9999)}
    if act != "reject" and dice.random() < 0.3:
        rule |= {"in_doubt": dice.choice(CHOICES)}
    if act != "reject" and rule.get("in_doubt") != "resend" and dice.random() < 0.3:
        rule |= {"guarantee": dice.choice(GUARANTEES)}
    if act in ("pool", "automatic") and dice.random() < 0.3:
        rule |= {"tls": dice.choice(TLS_LEVELS)}
    if act == "hold" and dice.random() < 0.5:
        rule |= dice.choice([{"duration": 7200}, {"until": "2090-01-01T00:00:00Z"}, {"until": "2026-01-01T00:00:00Z"}])
    return rule


def a_document(dice: random.Random, *, names: tuple[str, ...] = NAMES, acts: tuple[str, ...] = ACTS) -> dict[str, Any]:
    """A whole document over sources of these names."""
    members = [{"source": name, "weight": dice.randint(1, 5), "role": dice.choice(["primary", "standby"])}
               for name in names]  # fmt: skip
    found: dict[str, Any] = {
        "rules": [a_rule(dice, number, acts) for number in range(dice.randint(0, 6))],
        "pools": {name: {"members": dice.sample(members, dice.randint(1, len(members)))} for name in ("p", "q")},
    }
    parts: dict[str, Any] = {
        "ttl": {"tiers": {"bulk": dice.randint(3600, 9999)}, "templates": {"otp-code": 3600}},
        "in_doubt": {"default": "hold", "templates": {"otp-code": "resend"}, "tiers": {"bulk": "fail"}},
        "retry": dice.choice(["otp", "patient", [5.0, 50.0]]),
        "guarantee": "at_least_once",
        "pacing": [{"provider": "google", "connections": dice.randint(1, 9)}, {"per_second": 7.5}],
        "suppression": {"unsubscribed_receive": dice.sample(TIERS, 1)},
        "objectives": {dice.choice(TIERS): {"seconds": float(dice.randint(1, 60)), "share": 0.97}},
    }
    return found | {name: parts[name] for name in dice.sample(list(parts), dice.randint(0, len(parts)))}
