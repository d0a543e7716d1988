"""What several files of integration tests share."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from common.config import current_settings
from common.db import session
from common.services import composing, keys, quickstart
from deploy.engines import Engines
from tests.callers import Api, an_api
from tests.terminal import Terminal, served


@pytest.fixture(scope="module")
def api(engines: Engines) -> Iterator[Api]:
    """One account and one mailbox for a whole file: every test has its own addresses and keys."""
    with an_api() as found:
        yield found


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium, or its like; without one, what needs it is skipped."""
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None:
        pytest.skip("needs chromium")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def tokens(database: None) -> dict[str, str]:
    """The keys of a fresh quickstart account."""
    keys.forget()
    composing.forget()
    with session.transaction() as connection:
        return quickstart.prepare(connection, current_settings())


@pytest.fixture
def terminal(tokens: dict[str, str], tmp_path: Path) -> Iterator[Terminal]:
    """The command line, with the live key of the quickstart account and a live server."""
    with served() as url:
        yield Terminal(url, tokens, tmp_path)
