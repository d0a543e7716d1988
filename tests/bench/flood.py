"""Fair share, live: one account's flood waits for delivery, and another's ten messages come into the same tier."""

import http.client
import json
from collections.abc import Callable
from typing import Any

import psycopg

from common.domain.ids import decode, new_id
from tests.bench.figures import Figure, under
from tests.bench.load import Load, run
from tests.bench.stand import Stand, wait_until

FEW = 10
MOST_MS = 2000.0
"""The neighbour's last one is with the receiver's server by then."""


def measure(stand: Stand, *, flood: int, seconds: float, tell: Callable[[str], None]) -> list[Figure]:
    """`flood` bulk messages of one account, then ten of another's. Raises TimedOut."""
    token = _a_neighbour(stand)
    stand.counted(run(Load(port=stand.port, token=token, connections=1, count=FEW, priority="bulk", prefix="nbwarm")))
    stand.wait_drained(seconds)
    before = stand.sink.count()
    with stand.workers_paused():
        tell(f"queueing a flood of {flood:,}")
        stand.post(connections=64, count=flood, priority="bulk", prefix="flood")
    tell("ten of a neighbour behind it")
    wait_until(lambda: stand.sink.count() > before + 200, seconds, "the first of the flood")
    load = Load(port=stand.port, token=token, connections=1, count=FEW, every=0.005, priority="bulk", prefix="nbfew")
    report = stand.counted(run(load))
    wait_until(lambda: len(stand.taken("nbfew")) >= FEW, seconds, "the neighbour's last")
    left = stand.accepted - stand.sink.count()
    first = {each.recipient: each.first_byte for each in reversed(stand.taken("nbfew"))}
    waits = sorted((first[recipient] - sent) / 1e6 for recipient, sent in report.sent)
    stand.wait_drained(seconds)
    meaning = f"POST to first SMTP byte, the slowest of {FEW}; {left:,} of the flood were still waiting"
    return [
        under(f"a neighbour's {FEW} behind a flood of {flood:,}", waits[-1], "ms", meaning, MOST_MS),
        Figure("the same, the fastest", waits[0], "ms", f"the first of the {FEW}"),
    ]


def _a_neighbour(stand: Stand) -> str:
    """Another account with a verified domain and the same way out; answers its key."""
    account = _ask(stand, "/v1/admin/accounts", {"name": "neighbour", "requests_per_minute": 1_000_000})
    made = _ask(stand, f"/v1/admin/accounts/{account['id']}/api-keys", {"name": "bench", "scopes": ["messages:send"]})
    account_id, source_id = decode("acc", account["id"]), new_id()
    with psycopg.connect(stand.house.database_url) as connection:
        connection.execute(
            "INSERT INTO domains (id, account_id, name, state) VALUES (%s, %s, 'example.com', 'verified')",
            (new_id(), account_id),
        )
        connection.execute(
            "INSERT INTO sources (id, account_id, name, kind, host, port, tls)"
            " VALUES (%s, %s, 'bench', 'relay', '127.0.0.1', %s, 'none')",
            (source_id, account_id, stand.sink.port),
        )
        connection.execute("UPDATE accounts SET default_source_id = %s WHERE id = %s", (source_id, account_id))
    return str(made["secret"])


def _ask(stand: Stand, path: str, body: dict[str, Any]) -> Any:
    client = http.client.HTTPConnection("127.0.0.1", stand.port, timeout=30)
    try:
        headers = {"Authorization": f"Bearer {stand.house.facts['admin_key']}", "Content-Type": "application/json"}
        client.request("POST", path, json.dumps(body), headers)
        answer = client.getresponse()
        content = answer.read()
        if answer.status != 201:
            raise RuntimeError(f"POST {path}: {answer.status} {content[:300]!r}")
        return json.loads(content)
    finally:
        client.close()
