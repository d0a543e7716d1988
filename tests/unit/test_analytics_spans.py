"""Hours that a question reads twice or not at all, because it reads whole days as days."""

from datetime import UTC, datetime, timedelta

import pytest

from common import clock
from common.domain.analytics import floored
from common.services.analytics import Question, _spans

HOUR = timedelta(hours=1)
NOW = datetime(2026, 4, 19, 14, 30, tzinfo=UTC)
ENDS = {
    "now": NOW + timedelta(minutes=30),
    "midnight": datetime(2026, 4, 20, tzinfo=UTC),
    "earlier today": datetime(2026, 4, 19, 3, tzinfo=UTC),
    "last week": datetime(2026, 4, 12, 5, tzinfo=UTC),
    "next week": datetime(2026, 4, 25, 5, tzinfo=UTC),
    "the end of time": datetime(9999, 12, 31, 23, tzinfo=UTC),
}


@pytest.mark.parametrize("back", [1, 5, 14, 15, 23, 24, 49, 700])
@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("interval", ["total", "hour", "day"])
def test_an_hour_that_has_been_is_read_twice_or_never(
    monkeypatch: pytest.MonkeyPatch, end: str, back: int, interval: str
) -> None:
    monkeypatch.setattr(clock, "now", lambda: NOW)
    start = floored(min(ENDS[end], NOW), "hour") - back * HOUR
    read: list[datetime] = []
    for grain, first, last in _spans(Question(start, ENDS[end], interval)):
        assert grain == "hour" or (first == floored(first, "day") and last == floored(last, "day"))
        while first < min(last, NOW):
            read.append(first)
            first += HOUR
    wanted, hour = [], start
    while hour < min(ENDS[end], NOW):
        wanted.append(hour)
        hour += HOUR
    assert sorted(read) == wanted
