"""The breaker, the pace and the end of a webhook endpoint, as a table of attempts."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from common.domain.webhook_health import Health, Tried, Verdict, observe, room

NOW = datetime(2026, 4, 19, 14, 30, tzinfo=UTC)
OK, BAD, HASTY, GONE = (
    Tried(True, True, 200, None, 10.0),
    Tried(False, True, 500, "http", 10.0),
    Tried(False, True, 429, "http", 10.0),
    Tried(False, True, 410, "http", 10.0),
)


def after(health: Health, *tried: Tried, now: datetime = NOW) -> tuple[Health, Verdict]:
    return observe(health, tried, now, max_in_flight=10)


@pytest.mark.parametrize(
    ("tried", "breaker"),
    [
        ([BAD] * 9, "closed"),
        ([BAD] * 10, "open"),
        ([OK] * 3 + [BAD] * 7, "open"),
        ([OK] * 4 + [BAD] * 9, "closed"),
        ([OK] * 4 + [BAD] * 10, "open"),
    ],
)
def test_the_breaker_opens_too_early_or_too_late(tried: list[Tried], breaker: str) -> None:
    assert after(Health(), *tried)[0].breaker == breaker


def test_failures_of_an_earlier_window_count() -> None:
    old, _ = after(Health(), *[BAD] * 9)
    assert after(old, BAD, now=NOW + timedelta(minutes=6))[0].breaker == "closed"


def test_an_open_breaker_does_not_wait_longer_each_time() -> None:
    health, waits = Health(breaker="half_open"), []
    for _ in range(8):
        health, _ = after(replace(health, breaker="half_open"), BAD)
        assert health.open_until is not None
        waits.append((health.open_until - NOW).total_seconds())
    assert waits == [30, 60, 120, 240, 480, 900, 900, 900]


def test_one_success_closes_the_breaker() -> None:
    half = Health(breaker="half_open", opens=3)
    assert after(half, OK, OK)[0].breaker == "half_open"
    closed, verdict = after(half, OK, OK, OK)
    assert (closed.breaker, closed.opens, closed.window_attempts, verdict.recovered) == ("closed", 0, 0, True)


def test_many_successes_at_once_are_not_the_same_as_one_by_one() -> None:
    at_once, _ = after(Health(), OK, OK, OK)
    one_by_one = Health()
    for _ in range(3):
        one_by_one, _ = after(one_by_one, OK)
    assert at_once == one_by_one
    failing = replace(at_once, failing_since=NOW, failed_events=3, warned_at=NOW)
    assert after(failing, OK)[0].failing_since is None


def test_an_endpoint_that_asks_for_less_gets_as_much() -> None:
    health, _ = after(Health(), HASTY)
    assert health.allowance == 5 and room(health, NOW, max_in_flight=10).lanes == 5
    health, _ = after(health, *[HASTY] * 4)
    assert health.allowance == 1
    health, _ = after(health, *[OK] * 9)
    assert health.allowance is None


@pytest.mark.parametrize(
    ("health", "expected"),
    [
        (Health(failing_since=NOW - timedelta(hours=119), failed_events=99, warned_at=NOW), None),
        (Health(failing_since=NOW - timedelta(hours=121), failed_events=8, warned_at=NOW), None),
        (Health(failing_since=NOW - timedelta(hours=121), failed_events=9, warned_at=NOW), "failing"),
        (Health(failing_since=NOW - timedelta(hours=23), opens=12, warned_at=NOW), None),
        (Health(failing_since=NOW - timedelta(hours=25), opens=10, warned_at=NOW), "breaker"),
    ],
)
def test_an_endpoint_is_given_up_too_early_or_never(health: Health, expected: str | None) -> None:
    assert after(health, BAD)[1].disable == expected
    assert after(health, GONE)[1].disable == "gone"


def test_time_scale_is_left_out() -> None:
    health = Health(failing_since=NOW - timedelta(minutes=3), failed_events=9)
    _, verdict = observe(health, [BAD], NOW, max_in_flight=10, time_scale=3600.0)
    assert verdict.disable == "failing"


@pytest.mark.parametrize(
    ("health", "rows", "lanes", "breaker"),
    [
        (Health(), 10, 10, "closed"),
        (Health(typical_ms=1), 100, 10, "closed"),
        (Health(typical_ms=400), 5, 10, "closed"),
        (Health(typical_ms=9000), 1, 10, "closed"),
        (Health(breaker="open", open_until=NOW + timedelta(seconds=1)), 0, 0, "open"),
        (Health(breaker="open", open_until=NOW), 1, 1, "half_open"),
        (Health(breaker="half_open"), 1, 1, "half_open"),
    ],
)
def test_a_lane_takes_too_much_or_too_little(health: Health, rows: int, lanes: int, breaker: str) -> None:
    found = room(health, NOW, max_in_flight=10)
    assert (found.rows, found.lanes, found.breaker) == (rows, lanes, breaker)


@pytest.mark.parametrize(("rate", "first", "later"), [(3.0, 3, 3), (0.5, 1, 0), (500.0, 10, 10)])
def test_a_rate_allows_more_than_it_says(rate: float, first: int, later: int) -> None:
    found = room(Health(), NOW, max_in_flight=10, requests_per_second=rate)
    assert found.rows == first
    again = room(Health(), NOW, max_in_flight=10, requests_per_second=rate, next_slot_at=found.next_slot_at)
    assert again.rows == (0 if rate < 500 else 10)
    second = NOW + timedelta(seconds=1)
    assert (
        room(Health(), second, max_in_flight=10, requests_per_second=rate, next_slot_at=found.next_slot_at).rows
        == later
    )
