"""The `sendarix` command against a live server on loopback, as a script runs it. Never here: what it should print."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from click.testing import CliRunner, Result
from werkzeug.serving import make_server

from api import create_app
from common.config import read_settings
from deploy.command import whole

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication


@contextmanager
def served(app: "WSGIApplication | None" = None) -> Iterator[str]:
    """The address of a server; without an application, of one with the current database."""
    server = make_server("127.0.0.1", 0, app or create_app(read_settings()), threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()


SEND = ("send", "--to", "user@example.com", "--subject", "Hello", "--text", "Hello")


class Terminal:
    """Runs commands with a key; stdout is no terminal unless `--table` says so."""

    def __init__(self, url: str, tokens: dict[str, str], folder: Path) -> None:
        self.url, self.tokens = url, tokens
        config = str(folder / "config.toml")
        self.environ = {"SENDARIX_URL": url, "SENDARIX_API_KEY": tokens["live_key"], "SENDARIX_CONFIG": config}

    def run(self, *arguments: str, ends: int = 0, text: str | None = None) -> Result:
        found = CliRunner(env=self.environ).invoke(whole(), arguments, input=text, prog_name="sendarix")
        assert found.exit_code == ends, f"{found.output}{found.stderr}{found.exception!r}"
        return found

    def one(self, *arguments: str, **options: Any) -> dict[str, Any]:
        return json.loads(self.run(*arguments, **options).stdout)  # type: ignore[no-any-return]

    def many(self, *arguments: str, **options: Any) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.run(*arguments, **options).stdout.splitlines()]
