"""Health, circuits, warm-ups and limits as pure words."""

import random
from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from common.domain import warming
from common.domain.ids import new_id
from common.domain.outcomes import Outcome
from common.domain.pace_limits import PaceLimit, said
from common.domain.path_health import FIRST_REST, PROBES, Health, Marks, beta_of, is_open, latency_factor, marks_of
from common.domain.policy import Member, Pool, Warmup
from common.domain.pools import Candidate, pick


def an_outcome(kind: Any, category: str, stage: str = "rcpt") -> Outcome:
    return Outcome(kind, stage, 250 if kind == "delivered" else 450, None, "", category)


def test_what_is_the_recipients_or_ours_is_held_against_a_path() -> None:
    innocent = [
        an_outcome("bounced", "content"),
        an_outcome("deferred", "greylisted"),
        an_outcome("deferred", "dns", "dns"),
        an_outcome("untried", "throttled"),
        an_outcome("unknown", "connection"),
    ]
    assert marks_of(innocent) == Marks()
    guilty = [an_outcome("deferred", "throttled"), an_outcome("bounced", "reputation")]
    assert marks_of(guilty) == Marks(bad=1, blocked=1, failures=2)
    assert marks_of([*guilty, an_outcome("bounced", "invalid_recipient")]) == Marks(1, 1, 1, 0)


def test_old_marks_count_as_new_ones() -> None:
    later = Health(good=100, bad=10, blocked=10, at=0).now(3600)
    assert later.good < 2 and later.bad < 0.2 and 8 < later.blocked < 9


def test_a_new_place_is_believed_better_than_its_source() -> None:
    bad_source = Health(good=10, bad=90)
    alpha, beta = beta_of(Health(), bad_source)
    assert alpha / (alpha + beta) < 0.3
    alpha, beta = beta_of(Health(good=500), bad_source)
    assert alpha / (alpha + beta) > 0.9


def test_a_circuit_stays_shut_or_open() -> None:
    broken = Health(good=1, bad=9, failures=6, failed_at=1000)
    assert is_open(broken, 1001, 0.0)
    assert is_open(broken, 1000 + 2 * FIRST_REST - 1, 0.0)
    rested = 1000 + 2 * FIRST_REST + 1
    assert not is_open(broken, rested, PROBES - 0.01) and is_open(broken, rested, PROBES)
    assert not is_open(Health(good=9, bad=9, failures=4), 0, 0.0)
    assert not is_open(Health(good=9, bad=6, failures=6), 0, 0.0)
    assert not is_open(Health(bad=3, failures=6), 0, 0.0)


def chosen(healths: dict[str, float], *, careful: bool = False, **excluded: str) -> Counter[str | None]:
    pool = Pool("p", "account", tuple(Member(name) for name in healths))

    def look(_: Pool, member: Member, draws: random.Random) -> Candidate:
        draws.random()
        return Candidate(member.source, "p", "primary", 1.0, excluded.get(member.source), draw=healths[member.source])

    return Counter(pick([pool], new_id(), 1, look, careful=careful).source for _ in range(1000))


def test_a_path_that_fails_half_the_time_keeps_its_share() -> None:
    found = chosen({"well": 0.98, "ill": 0.49})
    assert 20 < found["ill"] < 110
    assert chosen({"well": 0.98, "ill": 0.49}, careful=True) == {"well": 1000}


def test_mail_waits_for_ever_because_every_circuit_is_open() -> None:
    assert chosen({"a": 0.5}, a="circuit_open") == {"a": 1000}
    assert chosen({"a": 0.5, "b": 0.5}, a="circuit_open") == {"b": 1000}
    assert chosen({"a": 0.5}, a="warmup_limit") == {None: 1000}


START = date(2026, 4, 1)


def at(day: int, hour: float = 0.0) -> datetime:
    return datetime(2026, 4, 1, tzinfo=UTC) + timedelta(days=day, hours=hour)


def test_a_warm_up_is_faster_than_it_says() -> None:
    plan = Warmup(START, first=50, growth=1.4, target=200)
    caps = [warming.cap_of(plan, at(day), Health()) for day in range(-1, 6)]
    assert caps == [0, 50, 70, 98, 137, 192, None]
    slow, back = Health(good=93, bad=7), Health(good=80, bad=20)
    assert warming.cap_of(plan, at(2), slow) == 70 and warming.cap_of(plan, at(2), back) == 50


@pytest.mark.parametrize("cap", [1, 7, 50, 240, 5000])
def test_a_days_cap_is_passed_or_goes_at_once(cap: int) -> None:
    """A whole day of more mail than may go: whoever waits as told is never too early twice."""
    used, moment, end = 0, at(0), at(1)
    while moment < end:
        left = warming.left_of(cap, used, moment)
        used += left
        passed = (moment - at(0)).total_seconds() / 86_400
        assert used <= min(cap, cap * (passed + warming.AHEAD) + 1)
        moment += timedelta(seconds=warming.wait_for(cap, used, moment))
    assert used == cap


def test_an_unset_limit_holds_or_a_strong_one_yields() -> None:
    limits = [
        PaceLimit("account", provider="google", connections="unset"),
        PaceLimit("account", site="mx.example", per_second=2.0),
        PaceLimit("operator", provider="google", connections=1, per_second=1.0),
        PaceLimit("operator", connections=9),
    ]
    assert said(limits, "google", ["a.google.com"]) == {"per_second": (1.0, "operator")}
    assert said(limits, None, ["in.mx.example"]) == {"per_second": (2.0, "account"), "connections": (9, "operator")}
    assert said(limits, None, ["mx.example", "else.org"]) == {"connections": (9, "operator")}


def test_a_slow_path_carries_as_much_as_a_fast_one_or_nothing() -> None:
    assert [latency_factor(ms) for ms in (None, 0, 900, 1000)] == [1.0] * 4
    assert latency_factor(4000) ** 4 == pytest.approx(0.25) and latency_factor(10**7) == 0.5
    slow, fast = (
        Candidate("slow", "p", "primary", 1.0, latency=latency_factor(4000)),
        Candidate("fast", "p", "primary", 1.0),
    )
    stands = {each.source: each for each in (slow, fast)}
    pool = Pool("p", "account", tuple(Member(name) for name in stands))

    def look(_: Pool, member: Member, draws: random.Random) -> Candidate:
        draws.random()
        return stands[member.source]

    found = Counter(pick([pool], new_id(), 1, look).source for _ in range(4000))
    assert 0.15 < found["slow"] / 4000 < 0.25, "a fifth: one part beside four"
    assert {pick([pool], new_id(), 1, look, careful=True).source for _ in range(50)} == {"fast"}


def test_the_time_of_a_mail_that_was_not_delivered_counts() -> None:
    quick = replace(an_outcome("delivered", "delivered"), duration_ms=200)
    lost = replace(an_outcome("deferred", "connection"), duration_ms=30_000)
    found = marks_of([quick, quick, lost])
    assert (found.timed, found.ms) == (2, 400)
    assert Health(typical_ms=250.0).now(10.0).typical_ms == 250.0
