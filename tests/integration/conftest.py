"""What several files of integration tests share."""

from collections.abc import Iterator

import pytest

from deploy.engines import Engines
from tests.callers import Api, an_api


@pytest.fixture(scope="module")
def api(engines: Engines) -> Iterator[Api]:
    """One account and one mailbox for a whole file: every test has its own addresses and keys."""
    with an_api() as found:
        yield found
