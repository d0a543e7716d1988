"""What is explained is what is done, on hundreds of random policies and messages; and the timetable is kept."""

import random
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from common.domain import retry
from common.domain.explaining import rules_asked, terms_in_force, timetable
from common.domain.ids import new_id
from common.domain.policy import Layer, compile_policy
from common.domain.policy_checks import Known, faults
from common.domain.routing import Facts, Source, World, decide
from tests.policies import a_document

ACCOUNT = UUID(int=7)
STARTS = datetime(2026, 4, 19, tzinfo=UTC)
NAMES = ("a", "b", "c", "gone")
SOURCES = [Source(new_id(), name, kind, ACCOUNT, name == "a") for name, kind in
           (("a", "relay"), ("b", "direct"), ("c", "relay"), ("sink", "sink"))]  # fmt: skip
BUILT_IN = {"retry": "standard", "guarantee": "at_least_once"}


def _facts(dice: random.Random) -> Facts:
    google = dice.random() < 0.3
    return Facts(
        ACCOUNT,
        "live" if dice.random() < 0.9 else "test",
        dice.choice(["gmail.com", "example.net", "a.example.net", "else.org"]),
        dice.randint(0, 2),
        None,
        message_id=UUID(int=dice.getrandbits(128)),
        stream=dice.choice([None, "news"]),
        tags=dice.sample(["x", "y", "z"], dice.randint(0, 2)),
        template=dice.choice([None, "otp-code"]),
        sender_domain=dice.choice(["example.com", "mail.example.com", "else.org"]),
        size=dice.randint(0, 3000),
        provider="google" if google else None,
        hosts=["mx.google.com"] if google else [],
        starts=STARTS,
        expires=dice.choice([None, STARTS + timedelta(seconds=dice.randint(1, 9999))]),
    )


def test_what_is_explained_is_not_what_is_done() -> None:
    """Routing asks `decide`; the explanation is checked against it rule by rule and member by member."""
    dice = random.Random(20260419)
    acts = set()
    for _ in range(600):
        layers = [
            Layer("account", 2, a_document(dice, names=NAMES)),
            Layer("operator", 1, a_document(dice, names=NAMES)),
        ]
        policy, world = compile_policy(layers), World(SOURCES)
        facts = _facts(dice)
        made = decide(facts, policy, world)
        acts.add(made.act)
        told = rules_asked(policy, facts)
        matched = [each["name"] for each in told if each["matched"] and each["asked"]]
        assert matched == ([made.rule.name] if made.rule else [])
        assert all((each["failed"] is None) == each["matched"] for each in told)
        assert decide(facts, policy, world) == made
        terms = {each["key"]: each for each in terms_in_force(made, facts, policy, BUILT_IN, {})}
        assert terms["retry"]["value"] == (made.retry or "standard")
        assert terms["expires_at"]["value"] == made.expires
        if made.pool and made.route:
            usable = {each.source for each in made.candidates if each.excluded is None}
            assert made.route.source in usable
            pool = [each for each in made.candidates if each.pool == made.pool and each.excluded is None]
            chosen = next(each for each in pool if each.source == made.route.source)
            assert chosen.role == "primary" or not [each for each in pool if each.role == "primary"]
        assert made.act != "wait" or not [each for each in made.candidates if each.excluded is None]
    assert acts >= {"send", "hold", "wait", "reject"}


def test_a_rollback_leaves_something_of_what_was_published() -> None:
    dice = random.Random(7)
    for _ in range(50):
        old, message = a_document(dice, names=NAMES), _facts(dice)
        again = compile_policy([Layer("account", 4, old)])
        first = compile_policy([Layer("account", 2, old)])
        assert decide(message, first, World(SOURCES)) == decide(message, again, World(SOURCES))
        faults(old, Known({"a": "relay"}))


@pytest.mark.parametrize("plan", ["otp", "standard", "patient", "custom:1,2,3"])
@pytest.mark.parametrize("life", [None, 30.0, 600.0, 20_000.0])
def test_the_timetable_is_not_the_one_that_retries_follow(plan: str, life: float | None) -> None:
    expires = None if life is None else STARTS + timedelta(seconds=life)
    told = timetable(STARTS, plan, expires)
    at = 0.0
    for attempt, planned in enumerate(told, 1):
        assert planned["number"] == attempt
        assert (planned["at"] - STARTS).total_seconds() == pytest.approx(at, abs=0.01)
        wait = retry.delay_after(attempt, None if life is None else life - at, preset=plan)
        at += wait or 0.0
    assert life is not None or len(told) == retry.attempts_of(plan)
    assert life is None or all(each["at"] < expires for each in told)
