"""Policies as pure words: which rule fits, what comes of it, what is refused, where values come from."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from common.domain.ids import new_id
from common.domain.policy import Layer, compile_policy
from common.domain.policy_checks import Known, faults, warnings
from common.domain.policy_effective import differences, effective
from common.domain.policy_terms import failing
from common.domain.routing import Decision, Facts, Source, World, decide
from common.domain.tiers import NUMBERS

ACCOUNT = UUID(int=7)
STARTS = datetime(2026, 4, 19, tzinfo=UTC)
SOURCES = [Source(new_id(), name, "relay", ACCOUNT, name == "a") for name in ("a", "b", "c")]
SINK = Source(new_id(), "sink", "sink", ACCOUNT, False)


def facts(**given: Any) -> Facts:
    fields: dict[str, Any] = {"message_id": new_id(), "starts": STARTS, **given}
    domain = fields.pop("recipient_domain", "example.net")
    tier = fields.pop("tier", 1)
    environment = fields.pop("environment", "live")
    return Facts(ACCOUNT, environment, domain, tier, None, **fields)


def decided(document: dict[str, Any], message: Facts, sources: Any = (*SOURCES, SINK)) -> Decision:
    return decide(message, compile_policy([Layer("account", 2, document)]), World(sources))


def a_rule(**given: Any) -> dict[str, Any]:
    return {"name": "r", "act": "hold"} | given


@pytest.mark.parametrize(
    ("when", "fits", "misses"),
    [
        ({"tag": ["otp", "code"]}, {"tags": ["code"]}, {"tags": ["promo"]}),
        ({"template": ["otp-code"]}, {"template": "otp-code"}, {"template": None}),
        ({"stream": ["news"]}, {"stream": "news"}, {"stream": None}),
        ({"tier": ["critical"]}, {"tier": NUMBERS["critical"]}, {"tier": NUMBERS["bulk"]}),
        ({"sender_domain": ["*.example.com"]}, {"sender_domain": "a.example.com"}, {"sender_domain": "example.com"}),
        ({"recipient_domain": ["gmail.com"]}, {"recipient_domain": "gmail.com"}, {"recipient_domain": "x.gmail.com"}),
        ({"provider": ["google"]}, {"provider": "google"}, {"provider": None}),
        (
            {"mx_suffix": ["mx.example"]},
            {"hosts": ["a.mx.example", "mx.example"]},
            {"hosts": ["a.mx.example", "b.org"]},
        ),
        ({"mx_suffix": ["mx.example"]}, {"hosts": ["mx.example"]}, {"hosts": []}),
        ({"size": {"at_least": 10}}, {"size": 10}, {"size": 9}),
        ({"size": {"at_most": 10}}, {"size": 10}, {"size": 11}),
        ({"percentage": 100}, {}, None),
        ({}, {}, None),
    ],
    ids=str,
)
def test_a_term_fits_what_it_should_not(when: dict[str, Any], fits: dict[str, Any], misses: Any) -> None:
    assert decided({"rules": [a_rule(when=when)]}, facts(**fits)).act == "hold"
    if misses is not None:
        made = decided({"rules": [a_rule(when=when)]}, facts(**misses))
        assert (made.act, made.rule) == ("send", None)


def test_a_percentage_changes_its_mind_or_misses_its_share() -> None:
    policy = compile_policy([Layer("account", 2, {"rules": [a_rule(when={"percentage": 20})]})])
    messages = [facts() for _ in range(2000)]
    first, second = ([failing(policy.rules[0], each) is None for each in messages] for _ in range(2))
    assert first == second
    assert 300 < sum(first) < 500


def test_a_later_rule_wins() -> None:
    rules = [a_rule(name="x", when={"tag": ["t"]}, act="reject"), a_rule(name="y")]
    assert decided({"rules": rules}, facts(tags=["t"])).act == "reject"
    made = decided({"rules": rules}, facts())
    assert made.rule is not None and (made.act, made.rule.name) == ("hold", "y")


def _pool(*members: dict[str, Any]) -> dict[str, Any]:
    return {"rules": [a_rule(act="pool", pool="p")], "pools": {"p": {"members": list(members)}}}


def test_weights_are_no_shares_or_a_choice_cannot_be_made_again() -> None:
    document = _pool({"source": "a", "weight": 3.0}, {"source": "b", "weight": 1.0})
    messages = [facts() for _ in range(2000)]
    chosen, again = ([decided(document, each).route for each in messages] for _ in range(2))
    assert chosen == again
    counted = Counter(each.source for each in chosen if each)
    assert 1380 < counted["a"] < 1620 and counted["a"] + counted["b"] == 2000


def test_a_standby_carries_mail_while_a_primary_can() -> None:
    document = _pool({"source": "a"}, {"source": "b", "role": "standby"})
    assert {decided(document, facts()).route.source for _ in range(50)} == {"a"}  # type: ignore[union-attr]
    without = [source for source in SOURCES if source.name != "a"]
    made = decided(document, facts(), without)
    assert made.route is not None and made.route.source == "b"
    assert [each.excluded for each in made.candidates] == ["missing", None]


def test_mail_is_dropped_when_no_member_can_carry_it() -> None:
    made = decided(_pool({"source": "gone"}), facts())
    assert (made.act, made.reason, made.route) == ("wait", "no_member", None)


def test_the_fallback_pool_is_not_used() -> None:
    document = _pool({"source": "gone"})
    document["rules"][0]["fallback"] = "q"
    document["pools"]["q"] = {"members": [{"source": "c"}]}
    made = decided(document, facts())
    assert made.route is not None and (made.route.source, made.pool) == ("c", "q")


def test_mail_of_a_test_key_leaves_by_a_pool() -> None:
    made = decided(_pool({"source": "a"}), facts(environment="test"))
    assert made.route is not None and made.route.source == "sink"
    assert decided({"rules": [a_rule()]}, facts(environment="test")).act == "hold"


def test_another_accounts_source_is_used() -> None:
    foreign = [Source(new_id(), "a", "relay", UUID(int=8), True)]
    assert decided(_pool({"source": "a"}), facts(), foreign).act == "wait"


@pytest.mark.parametrize(
    ("own", "ttl", "age", "lives"),
    [
        (None, {}, None, None),
        (None, {"tiers": {"normal": 60}}, None, 60),
        (None, {"tiers": {"normal": 60}, "templates": {"t": 30}}, None, 30),
        (100, {"tiers": {"normal": 60}}, None, 100),
        (100, {}, 20, 20),
        (10, {}, 20, 10),
    ],
)
def test_a_life_is_not_the_one_that_is_told(own: int | None, ttl: Any, age: int | None, lives: int | None) -> None:
    message = facts(template="t", expires=None if own is None else STARTS + timedelta(seconds=own))
    rule = a_rule(act="automatic") | ({} if age is None else {"max_age": age})
    made = decided({"rules": [rule], "ttl": ttl}, message)
    assert made.expires == (None if lives is None else STARTS + timedelta(seconds=lives))


def test_an_operators_rule_is_asked_before_the_accounts() -> None:
    layers = [
        Layer("account", 2, {"rules": [a_rule(name="own", act="reject", when={"tag": ["t"]})], "retry": "otp"}),
        Layer("operator", 1, {"rules": [a_rule(name="theirs")], "retry": "patient", "guarantee": "at_most_once"}),
    ]
    policy = compile_policy(layers)
    assert [each.name for each in policy.rules] == ["own", "theirs"]
    assert (policy.retry, policy.guarantee) == ("otp", "at_most_once")
    assert decide(facts(), policy, World(SOURCES)).act == "hold"


KNOWN = Known({"a": "relay", "sink": "sink"}, ("shared",))


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ({"rules": [a_rule(), a_rule()]}, "rules.0.name"),
        ({"rules": [a_rule(act="pool")]}, "rules.0.pool"),
        ({"rules": [a_rule(act="pool", pool="nobody")]}, "rules.0.pool"),
        ({"rules": [a_rule(act="pool", pool="shared", fallback="shared")]}, "rules.0.fallback"),
        ({"rules": [a_rule(pool="shared")]}, "rules.0.pool"),
        ({"rules": [a_rule(act="reject", retry="otp")]}, "rules.0.retry"),
        ({"rules": [a_rule(when={"size": {"at_least": 2, "at_most": 1}})]}, "rules.0.when.size.at_most"),
        ({"pools": {"p": {"members": [{"source": "b"}]}}}, "pools.p.members.0.source"),
        ({"pools": {"p": {"members": [{"source": "a"}, {"source": "a"}]}}}, "pools.p.members.0.source"),
        ({"pools": {"p": {"members": [{"source": "a", "weight": 0.0}]}}}, "pools.p.members"),
    ],
    ids=lambda given: given if isinstance(given, str) else "",
)
def test_what_cannot_work_is_published(document: dict[str, Any], field: str) -> None:
    assert field in [each.field for each in faults(document, KNOWN)]


def test_a_sink_that_is_not_there_is_accepted() -> None:
    assert faults({"rules": [a_rule(act="sink")]}, Known({"a": "relay"}))
    assert not faults({"rules": [a_rule(act="sink")]}, KNOWN)


def test_a_rule_that_is_never_asked_is_not_told() -> None:
    found = warnings({"rules": [a_rule(), a_rule(name="x")], "pools": {"p": {"members": []}}})
    assert [each["code"] for each in found] == ["unreachable", "unused"]


def test_a_value_has_no_origin() -> None:
    layers = [
        Layer("account", 3, {"retry": [5.0], "rules": [a_rule(name="x")]}),
        Layer("operator", 2, {"retry": "otp", "ttl": {"tiers": {"critical": 60}}, "rules": [a_rule(name="x")]}),
    ]
    found = {each["key"]: each for each in effective(layers, {"retry": "standard", "guarantee": "at_least_once"})}
    assert found["retry"] == {"key": "retry", "value": [5.0], "origin": "account", "version": 3}
    assert found["ttl.tiers.critical"]["origin"] == "operator"
    assert found["guarantee"]["origin"] == "built_in"
    assert [key for key in found if key.startswith("rules.")] == ["rules.x", "rules.x (operator)"]


def test_a_difference_is_not_seen() -> None:
    before = {"rules": [a_rule(name="x"), a_rule(name="y")], "retry": "otp"}
    after = {"rules": [a_rule(name="y"), a_rule(name="x", act="reject")], "ttl": {"tiers": {"bulk": 5}}}
    found = {(each["key"], each["change"]) for each in differences(before, after)}
    assert found == {
        ("rules.x", "changed"), ("rules.x", "moved"), ("rules.y", "moved"), ("retry", "removed"),
        ("ttl.tiers.bulk", "added"),
    }  # fmt: skip
    assert differences(before, before) == []
