"""The example for Node, run against a live server: what a stranger wrote from /docs works, and waits as it should."""

import json
import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from api import create_app
from common.config import current_settings, read_settings
from common.db import session
from common.services import composing, keys, quickstart
from tests import terminal

EXAMPLE = Path(__file__).parents[2] / "examples" / "node"
LIMITED = {"code": "rate_limited", "detail": "Too many.", "retryable": True, "status": 429}
BROKEN = {"code": "internal_error", "detail": "A defect.", "retryable": True, "status": 500}

pytestmark = pytest.mark.skipif(shutil.which("node") is None, reason="needs node")


class Disturbed:
    """The application, but the first POST is refused with 429, and the answer to the second is lost."""

    def __init__(self, app: Callable[..., Iterable[bytes]]) -> None:
        self._app = app
        self.posts: list[str] = []

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] == "POST":
            self.posts.append(environ["HTTP_IDEMPOTENCY_KEY"])
            if len(self.posts) == 1:
                return self._refuse(start, "429 TOO MANY REQUESTS", LIMITED, [("Retry-After", "2")])
            if len(self.posts) == 2:
                list(self._app(environ, lambda *_: None))
                return self._refuse(start, "500 INTERNAL SERVER ERROR", BROKEN, [])
        return self._app(environ, start)

    @staticmethod
    def _refuse(
        start: Callable[..., Any], status: str, body: dict[str, Any], extra: list[tuple[str, str]]
    ) -> list[bytes]:
        start(status, [("Content-Type", "application/problem+json"), *extra])
        return [json.dumps(body).encode()]


@pytest.fixture
def key(database: None) -> str:
    keys.forget()
    composing.forget()
    with session.transaction() as connection:
        return quickstart.prepare(connection, current_settings())["test_key"]


@pytest.fixture
def served(key: str) -> Iterator[tuple[str, Disturbed]]:
    app = Disturbed(create_app(read_settings()))
    with terminal.served(app) as url:
        yield url, app


def node(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    path = {"PATH": str(Path(shutil.which("node") or "node").parent)}
    return subprocess.run(
        ["node", *arguments], cwd=EXAMPLE, env=path | environ, capture_output=True, text=True, timeout=60
    )


def test_the_tour_gets_lost(served: tuple[str, Disturbed], key: str) -> None:
    url, app = served
    found = node("tour.mjs", SENDARIX_URL=url, SENDARIX_API_KEY=key)
    assert found.returncode == 0, found.stderr
    lines = [json.loads(line) for line in found.stdout.splitlines()]
    steps: dict[str, list[dict[str, Any]]] = {}
    for line in lines:
        steps.setdefault(line["step"], []).append(line)
    sent, later = steps["sent"][0]["message_id"], steps["scheduled"][0]["message_id"]
    assert [each["message_id"] for each in steps["listed"]] == [later, sent], "a second try sent a second message"
    assert steps["cancelled"][0]["status"] == "cancelled"
    assert steps["refused"][0]["errors"][0]["field"] == "recipient"
    assert app.posts[0] == app.posts[1] == app.posts[2] and len(set(app.posts)) == 3
    assert "rate_limited: trying again in 2.0 s" in found.stderr
    assert "internal_error: trying again in 2." in found.stderr or "internal_error: trying again in 3.0" in found.stderr


def test_s68_the_example_waits_other_than_documented() -> None:
    text = "import('./sendarix.mjs').then(({ delay, ATTEMPTS }) => console.log(JSON.stringify("
    text += "[ATTEMPTS, ...[0, 1, 2, 3, 4, 5, 6].map((each) => delay(each, 0.5)), delay(0, 0, 7)])))"
    assert json.loads(node("-e", text).stdout) == [5, 1.5, 2.5, 4.5, 8.5, 16.5, 32.5, 60, 7]


def test_without_a_key_it_does_not_say_what_is_missing() -> None:
    found = node("tour.mjs")
    assert found.returncode == 2 and "SENDARIX_API_KEY" in found.stderr
