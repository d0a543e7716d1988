"""`make simulate` on a small day: is our routing no better than turns or fixed weights, or a cap exceeded?"""

import pytest

from tests.simulation import day
from tests.simulation.__main__ import faults, simulate
from tests.simulation.picture import draw
from tests.simulation.receivers import HOUR


def test_routing_is_no_better_than_round_robin_or_fixed_weights(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An hour in which two sources are refused by large receivers; the whole day needs a million messages."""
    monkeypatch.setattr(day, "BEGIN", 9 * HOUR)
    monkeypatch.setattr(day, "END", 10 * HOUR)
    runs = simulate(6_000, 5, redis_url)
    assert faults(runs, 6_000) == []
    assert draw(runs, 6_000).count("<polyline") == 3
