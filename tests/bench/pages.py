"""`make pages`, or `python -m tests.bench.pages [--rows 1000000]`: how long the server takes over a million messages.

Every page of the dashboard, every filter of the list of messages and every kind of search.

Asks the application without a socket, as the person who is signed in, and the API with a key. Never here: the rows
(crowd.py), or what is on a page.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import quote

from rich.console import Console

from api import create_app
from common import clock
from common.config import read_settings
from common.db import migrating, session
from common.domain.ids import encode
from common.domain.principals import SCOPES
from common.services import keys, sessions, users
from deploy.engines import Engines
from tests.bench.crowd import first_and_last, load
from tests.bench.figures import Figure, show, under, write_json

MOST_MS = 100.0
ROUNDS = 7

PAGES = {
    "": "overview: a day in hours, tiers, where all mail is, queues, failures, newest",
    "/analytics": "outcomes of a day by recipient domain",
    "/analytics?range=month&group_by=tag": "outcomes of a month by tag",
    "/messages": "newest messages",
    "/messages/{newest}": "one message with its story",
    "/messages/{newest}/trace": "its trace and routing",
    "/audit": "who changed what",
    "/settings": "account, people, keys, senders, health",
    "/queues": "depth, age and rates of each queue; holds",
    "/dead-letters": "failures by cause, and the newest",
    "/inbox": "caught mail",
    "/suppressions": "suppressed addresses",
    "/templates": "templates",
    "/templates/otp-code": "one template, rendered",
    "/domains": "sending domains",
    "/webhooks": "webhooks",
    "/keys": "API keys",
    "/people": "people",
    "/me": "own sessions",
}
LISTS = {
    "": "newest 50",
    "?cursor={deep}": "a page in the middle of three weeks",
    "?recipient={recipient}": "mail to one address",
    "?status=delivered": "what nearly all are",
    "?status=bounced": "what few are",
    "?status=deferred": "what waits",
    "?status=failed&status=expired": "two rare outcomes",
    "?status=failed&priority=critical": "a rare outcome in one tier",
    "?priority=critical": "one tier",
    "?tag=login": "a frequent tag",
    "?tag=rare": "a tag of one message in 20,000",
    "?tag=nobody": "a tag that none has",
    "?template=otp-code": "one template",
    "?template=nothing": "a template that nobody used",
    "?stream=newsletter": "one stream",
    "?metadata%5Border%5D={number}": "metadata that one message has",
    "?created_after={week_ago}&created_before={week_later}": "an hour a week ago",
    "?batch_id={batch}": "a batch that does not exist",
    "?q=verification": "a word of every fifth subject",
    "?q={recipient}": "a whole address",
    "?q={local}": "part of an address",
    "?q=company379.exam": "part of a rare domain",
    "?q=invoice {number}": "one subject",
    "?q={queue_id}": "the queue id that a server answered",
    "?q=Greylisted, try again in 77 sec": "words that a server said to few",
    "?q=春のお知らせ」{small}号": "Japanese",
    "?q=rare": "a rare tag",
    "?q=zzzzzz": "what stands nowhere",
    "?q=zq": "two letters that stand nowhere",
}


def main() -> int:
    """0 when every page was under the limit."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rows", type=int, default=1_000_000)
    options.add_argument("--json", type=Path, help="also write the figures there")
    options.add_argument("--keep", help=argparse.SUPPRESS)  # a folder to load once and measure again
    given = options.parse_args()
    console = Console()
    with tempfile.TemporaryDirectory(prefix="sdx-pages-") as scratch:
        folder = given.keep or scratch
        os.chmod(folder, 0o755)
        engines = Engines(Path(folder) / "home")
        engines.start()
        os.environ |= {"SENDARIX_HOME": f"{folder}/home", "SENDARIX_DATABASE_URL": engines.database_url}
        os.environ["SENDARIX_REDIS_URL"] = engines.redis_url
        try:
            migrating.migrate()
            account, note = _account(given.rows, lambda text: console.print(text, highlight=False))
            figures = _measure(account)
        finally:
            session.close()
            engines.stop()
    show(figures, console)
    console.print(note)
    if given.json:
        write_json(figures, [note], given.json)
    return 0 if all(each.met for each in figures) else 1


def _account(rows: int, tell: Callable[[str], None]) -> tuple[Any, str]:
    with session.transaction() as connection:
        found = session.rows(
            connection,
            "SELECT account_id, count(*) AS n FROM messages WHERE status <> 'x' GROUP BY 1 ORDER BY n DESC LIMIT 1",
        )
    began = time.monotonic()
    account_id = found[0].account_id if found else load(rows, tell)[0].id
    took = f"loaded in {time.monotonic() - began:.0f} s"
    return account_id, f"{rows:,} messages over three weeks, 70 % of them of the account that looks; {took}"


def _measure(account_id: Any) -> list[Figure]:
    settings = read_settings()
    client = create_app(settings).test_client()
    with session.transaction() as connection:
        user = users.of_address(connection, "owner@example.com")
        user_id = (
            user.id if user else users.create(connection, account_id, {"email": "owner@example.com", "role": "owner"})
        )
        token = sessions.start(connection, user_id, now=clock.now(), ip="127.0.0.1", agent="bench")
        key = keys.create(
            connection,
            account_id,
            environment="live",
            scopes=[each for each in SCOPES if each != "admin"],
            name="bench",
        )
    client.set_cookie("sendarix-local", token)
    bearer = {"Authorization": f"Bearer {key.token}"}
    terms = _terms(account_id, client, bearer)
    figures = [
        _take(f"/dashboard{path}", meaning, lambda path=path: client.get(f"/dashboard{path.format(**terms)}"))  # type: ignore[misc]
        for path, meaning in PAGES.items()
    ]
    figures += [
        _take(
            f"/v1/messages{path}",
            meaning,
            lambda path=path: client.get(f"/v1/messages{path.format(**terms)}", headers=bearer),
        )  # type: ignore[misc]
        for path, meaning in LISTS.items()
    ]
    return figures


def _terms(account_id: Any, client: Any, bearer: dict[str, str]) -> dict[str, str]:
    """What the questions ask for: facts of an old message."""
    oldest, newest = first_and_last(account_id)
    sql = """
SELECT m.*, c.metadata ->> 'order' AS number FROM messages m JOIN message_contents c ON c.message_id = m.id
 WHERE m.account_id = %s AND m.status = 'delivered' AND m.created_at < now() - interval '10 days'
   AND c.subject LIKE 'Invoice%%'
 ORDER BY m.created_at DESC LIMIT 1"""
    with session.transaction() as connection:
        row = session.rows(connection, sql, account_id)[0]
        reply = session.rows(
            connection, "SELECT reply FROM attempts WHERE message_id = %s ORDER BY epoch DESC", row.id
        )[0].reply
    page = client.get(f"/v1/messages?after={encode('msg', row.id)}", headers=bearer).get_json()
    return {
        "newest": encode("msg", newest), "oldest": encode("msg", oldest), "recipient": quote(row.recipient),
        "local": row.recipient.partition("@")[0], "number": row.number, "small": str(int(row.number) % 1000),
        "queue_id": reply.rpartition(" ")[2], "deep": page["next_cursor"], "batch": encode("bat", row.id),
        "week_ago": clock.rfc3339(row.created_at), "week_later": clock.rfc3339(row.created_at + timedelta(hours=1)),
    }  # fmt: skip


def _take(name: str, meaning: str, ask: Callable[[], Any]) -> Figure:
    """The median of several, after one that warms the caches."""
    took = []
    for _ in range(ROUNDS + 1):
        began = time.monotonic()
        answer = ask()
        took.append((time.monotonic() - began) * 1000)
        if answer.status_code != 200:
            return under(
                name,
                float("nan"),
                "ms",
                f"{meaning}: answered {answer.status_code} {answer.get_data()[:200]!r}",
                MOST_MS,
            )
    found = answer.get_json()["data"] if answer.mimetype == "application/json" else None
    told = meaning if found is None else f"{meaning} ({len(found)} found)"
    figure = under(name, median(took[1:]), "ms", told, MOST_MS)
    return replace(figure, beside="the fastest", beside_value=min(took))


if __name__ == "__main__":
    sys.exit(main())
