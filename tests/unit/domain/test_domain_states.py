"""States of a domain: grace before mail stops, nothing on a hunch, quick polls at first."""

from datetime import timedelta

import pytest

from common.domain.domain_states import event_of, next_check, next_state

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.mark.parametrize(
    ("state", "proved", "since", "after", "event"),
    [
        ("pending", True, HOUR, "verified", "domain.verified"),
        ("pending", False, HOUR, "pending", None),
        ("pending", None, 40 * DAY, "pending", None),
        ("pending", False, 30 * DAY, "failed", "domain.failed"),
        ("verified", True, 90 * DAY, "verified", None),
        ("verified", False, 90 * DAY, "degraded", "domain.degraded"),
        ("verified", None, 90 * DAY, "verified", None),
        ("degraded", False, 71 * HOUR, "degraded", None),
        ("degraded", False, 72 * HOUR, "failed", "domain.failed"),
        ("degraded", None, 90 * DAY, "degraded", None),
        ("degraded", True, HOUR, "verified", "domain.verified"),
        ("failed", False, 90 * DAY, "failed", None),
        ("failed", True, 90 * DAY, "verified", "domain.verified"),
    ],
)
def test_a_check_moves_a_domain_elsewhere(
    state: str, proved: bool | None, since: timedelta, after: str, event: str | None
) -> None:
    assert next_state(state, proved, since) == after
    assert event_of(state, after) == event


def test_a_new_domain_is_polled_too_slowly_or_for_ever() -> None:
    waits = [next_check("pending", count) for count in range(200)]
    assert waits[:30] == [timedelta(minutes=1)] * 30
    assert waits[30:174] == [timedelta(minutes=10)] * 144
    assert set(waits[174:]) == {DAY}
    assert (next_check("verified", 0), next_check("degraded", 0), next_check("failed", 0)) == (DAY, HOUR, DAY)
    assert next_check("verified", 3, waiting=True) == timedelta(minutes=1)
