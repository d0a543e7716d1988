"""The retry plan: presets, lives that are shorter than the plan, and what servers ask for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.domain.categories import CATEGORIES
from common.domain.replies import classify
from common.domain.retry import GREYLIST_SECONDS, PRESETS, attempts_of, delay_after
from common.domain.retry_hints import LONGEST, SHORTEST, hint_in


def plan(preset: str, seconds_left: float | None = None) -> list[float]:
    delays: list[float] = []
    while (delay := delay_after(len(delays) + 1, seconds_left, preset=preset)) is not None:
        delays.append(delay)
        seconds_left = None if seconds_left is None else seconds_left - delay
    return delays


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_is_not_what_it_promises(preset: str) -> None:
    assert plan(preset) == list(PRESETS[preset])
    assert attempts_of(preset) == len(PRESETS[preset]) + 1


@given(st.sampled_from(sorted(PRESETS)), st.floats(60, 300_000))
def test_a_plan_outlives_its_message(preset: str, life: float) -> None:
    delays = plan(preset, life)
    assert len(delays) == attempts_of(preset) - 1
    assert sum(delays) <= life
    assert all(delay <= step for delay, step in zip(delays, PRESETS[preset], strict=True))


def test_a_code_that_lives_ten_minutes_is_tried_once() -> None:
    delays = plan("standard", 600.0)
    assert len(delays) == 5 and delays[0] <= 30.0 and sum(delays) > 400.0


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("4.7.1 Greylisted, try again in 5 minutes", 300.0),
        ("4.2.0 <user@example.net>: Recipient address rejected: Greylisted for 5 minutes", 300.0),
        ("4.7.1 Greylisting in action, please come back in 00:04:55", 295.0),
        ("4.7.1 Greylisting in action, please come back in 04:55", 295.0),
        ("4.7.1 greylisted, try again in 299s", 299.0),
        ("Message delayed, retry in 1 min.", 60.0),
        ("4.7.0 Rate limited; please back off for fifteen minutes", 900.0),
        ("come back in a few minutes", 300.0),
        ("please try again in an hour", 3600.0),
        ("Retry-After: 120", 120.0),
        ("4.7.1 please wait 2 hours and retry", LONGEST),
        ("try again in 1 second", SHORTEST),
        ("Too many messages in 60 minutes, try again later", None),
        ("4.7.0 Please try again later from 192.0.2.1", None),
        ("exceeded 100 messages per 30 minutes. Try again later", None),
        ("try again at 10:30:22", None),
        ("try again in 0 seconds", None),
        ("4.3.0 Temporary failure", None),
    ],
)
def test_a_server_asks_for_a_time_and_is_misread(text: str, seconds: float | None) -> None:
    assert hint_in(text) == seconds


@given(st.text(max_size=3000))
def test_a_hostile_reply_breaks_the_reader(text: str) -> None:
    found = hint_in(text + " try again in " + text)
    assert found is None or SHORTEST <= found <= LONGEST


def test_a_hint_is_ignored_or_outlives_the_message() -> None:
    assert delay_after(1, hint=300.0) == 300.0
    assert delay_after(5, hint=10.0) == 10.0
    assert delay_after(6, hint=10.0) is None
    assert delay_after(1, 400.0, hint=300.0) == 300.0
    shorter = delay_after(1, 200.0, hint=300.0)
    assert shorter is not None and shorter < 30.0


def test_a_fast_preset_gives_up_before_a_greylist_opens() -> None:
    delays = [delay_after(attempt, preset="otp", greylisted=True) for attempt in range(1, 6)]
    assert sum(delay or 0.0 for delay in delays) >= 300.0
    assert (delay_after(1, 60.0, preset="otp", greylisted=True) or 60.0) <= 5.0
    assert delay_after(2, greylisted=True) == 300.0 > GREYLIST_SECONDS


GREYLISTS = (
    "4.7.1 <user@example.net>: Recipient address rejected: Greylisted, see http://postgrey.example/help/x",
    "4.7.1 Greylisting in action, please come back later",
    "4.2.0 <user@example.net>: Recipient address rejected: Greylisting in effect, please come back later",
    "4.7.1 Temporarily rejected: graylisted. Try again in 5 minutes",
    "4.7.0 Your mail is not yet authorized to deliver from this address, retry",
    "4.7.1 Unknown mail triplet, please try again later",
    "4.3.0 First time we see this sender, please retry",
    "4.7.1 Sender is unknown here, come back in 300 seconds",
    "Deferred: new sender, please retry later",
)


@pytest.mark.parametrize("text", GREYLISTS)
def test_greylisting_is_taken_for_a_fault(text: str) -> None:
    verdict = classify("rcpt", 451, text)
    kind, category = verdict.kind, verdict.category
    assert (kind, category) == ("deferred", "greylisted")
    assert CATEGORIES[category].path == 0
