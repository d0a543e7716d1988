"""One formation for the end-to-end tests that do not break it; each starts real child processes."""

from collections.abc import Iterator

import pytest

from tests.chaos.formation import House


@pytest.fixture(scope="module")
def house() -> Iterator[House]:
    """A running formation with its engines, in a folder of its own."""
    with House({"rate_limit_per_minute": 1_000_000}) as running:
        yield running
