"""An alert opens at its line after a while, closes with room below it, and does not flap. No clock, no rows."""

from datetime import UTC, datetime, timedelta

import pytest

from common.domain.alerting import KINDS, Line, Sight, recent_share, step, value_of, write

NOON = datetime(2026, 4, 19, 12, tzinfo=UTC)


def walk(line: Line, *seen: tuple[float, float]) -> list[str]:
    """The state after each (second, value)."""
    sight: Sight | None = None
    found = []
    for second, value in seen:
        sight = step(line, sight, value, NOON + timedelta(seconds=second))
        found.append(sight.state if sight else "calm")
        if sight is not None and sight.state == "closed":
            sight = None
    return found


def test_a_value_at_the_line_flaps() -> None:
    line = Line(10, 0.8, 0, 0)
    assert walk(line, (0, 10), (1, 9), (2, 10), (3, 8), (4, 7.9), (5, 9)) == ["open"] * 4 + ["closed", "calm"]


def test_a_moment_over_the_line_opens_what_should_wait() -> None:
    line = Line(10, 0.8, 60, 0)
    assert walk(line, (0, 12), (30, 12), (40, 9), (50, 12), (109, 12), (110, 12)) == [
        "pending", "pending", "calm", "pending", "pending", "open"]  # fmt: skip


def test_a_moment_below_the_line_closes_what_should_stay() -> None:
    line = Line(10, 0.5, 0, 60)
    assert walk(line, (0, 12), (10, 1), (60, 6), (70, 1), (129, 1), (130, 1)) == ["open"] * 5 + ["closed"]


def test_the_history_forgets_how_bad_it_was() -> None:
    line = Line(10, 0.5, 0, 0)
    first = step(line, None, 20, NOON)
    worse = step(line, first, 40, NOON + timedelta(seconds=10))
    over = step(line, worse, 1, NOON + timedelta(seconds=20))
    assert over is not None and (over.value, over.peak, over.since) == (1, 40, NOON)
    assert over.closed_at == NOON + timedelta(seconds=20) and over.opened_at == NOON


@pytest.mark.parametrize(
    ("kind", "counts", "minimum", "value"),
    [
        ("bounces", {"hard_bounced": 2, "soft_bounced": 1}, 1, 3),
        ("bounce_rate", {"hard_bounced": 2, "delivered": 38}, 20, 0.05),
        ("bounce_rate", {"hard_bounced": 2}, 20, 0),
        ("bounce_rate", {}, 1, 0),
        ("complaint_rate", {"complained": 1, "delivered": 1000}, 100, 0.001),
        ("complaint_rate", {"complained": 5, "delivered": 0}, 1, 0),
        ("volume_spike", {"accepted": 100, "usual": 240}, 50, 10),
        ("volume_spike", {"accepted": 49, "usual": 0}, 50, 0),
        ("volume_spike", {"accepted": 50}, 50, 1200),
    ],
)
def test_a_value_is_counted_wrongly(kind: str, counts: dict[str, float], minimum: int, value: float) -> None:
    assert value_of(kind, counts, minimum, 1.0, 24.0) == pytest.approx(value)


def test_the_hour_at_the_far_end_counts_whole() -> None:
    assert recent_share(1, NOON) == 1.0 and recent_share(1, NOON + timedelta(minutes=45)) == 0.25


@pytest.mark.parametrize("kind", KINDS)
def test_a_letter_does_not_say_what_is_wrong(kind: str) -> None:
    told = write("Mine", kind, "key_1", "open", 3.0, 2.0, "alr_1")
    assert (
        told.subject == "Alert opened: Mine (key_1)" and "Value: 3" in told.text and KINDS[kind].sentence in told.text
    )
    assert write("Mine", kind, "", "closed", 0.0, 2.0, "alr_1").subject == "Alert closed: Mine"
