"""`python -m tests.bench.pages [--rows 1000000]`: how long each page of the dashboard takes over many messages.

Loads as tests/bench/searching.py does and asks the application without a socket. Never here: what is on a page.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path
from typing import Any

from api import create_app
from common import clock
from common.config import read_settings
from common.db import migrating, session
from common.domain.ids import encode
from common.services import sessions, users
from deploy.engines import Engines
from tests.bench.searching import load
from tests.builders import an_account

PATHS = ("", "/analytics", "/messages", "/messages?status=bounced", "/messages?q=user500%40example.net",
         "/messages?q=verification", "/queues", "/dead-letters", "/inbox", "/suppressions", "/templates", "/domains",
         "/webhooks", "/keys", "/people")  # fmt: skip


def main() -> None:
    """Load, ask each page five times, print the median and the slowest."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rows", type=int, default=1_000_000)
    rows = options.parse_args().rows
    with tempfile.TemporaryDirectory(prefix="sdx-") as folder:
        os.chmod(folder, 0o755)
        engines = Engines(Path(folder) / "home")
        engines.start()
        os.environ |= {"SENDARIX_HOME": f"{folder}/home", "SENDARIX_DATABASE_URL": engines.database_url}
        os.environ["SENDARIX_REDIS_URL"] = engines.redis_url
        try:
            migrating.migrate()
            account = an_account()
            print(f"{rows} messages in {load(rows, account.id):.0f} s")
            _look(account)
        finally:
            session.close()
            engines.stop()


def _look(account: Any) -> None:
    client = create_app(read_settings()).test_client()
    with session.transaction() as connection:
        user = users.create(connection, account.id, {"email": "owner@example.com", "role": "owner"})
        client.set_cookie(
            "sendarix-local", sessions.start(connection, user, now=clock.now(), ip="127.0.0.1", agent="bench")
        )
        newest = session.rows(connection, "SELECT id FROM messages ORDER BY id DESC LIMIT 1")[0].id
    for path in (*PATHS, f"/messages/{encode('msg', newest)}"):
        took = []
        for _ in range(5):
            began = time.monotonic()
            answer = client.get(f"/dashboard{path}")
            took.append((time.monotonic() - began) * 1000)
        print(
            f"{path or '/':45} {answer.status_code} {sorted(took)[2]:8.1f} ms, slowest {max(took):8.1f} ms", flush=True
        )


if __name__ == "__main__":
    main()
