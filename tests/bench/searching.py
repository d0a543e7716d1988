"""`python -m tests.bench.searching [--rows 1000000]`: how long lists and searches take over many messages.

Loads its own engines with rows made by SQL and asks through the services. Never here: accepting or delivering.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path
from typing import Any

from common.db import session
from common.db.migrating import migrate
from common.domain.principals import Principal
from common.services import listing
from common.services.listing import Filters
from deploy.engines import Engines
from tests.builders import an_account

_SUBJECTS = "'Your verification code', 'Invoice ' || n, 'Reset your password', 'Welcome to the shop'"
_LOAD = (
    """
INSERT INTO messages (id, account_id, environment, status, tier, created_at, updated_at, next_attempt_at, recipient,
                      recipient_key, recipient_domain, delivery, ended_at)
SELECT uuidv7(make_interval(secs => n - %(rows)s)), %(account)s, 'live', 'delivered', 1,
       now() - make_interval(secs => %(rows)s - n), now(), now(),
       'user' || n || '@example.net', 'user' || n || '@example.net', 'example.net',
       jsonb_build_object('reply', '2.0.0 Ok: queued as ' || md5(n::text)), now() FROM generate_series(1, %(rows)s) n
""",
    f"""
INSERT INTO message_contents (message_id, sender, subject, text, tags, metadata)
SELECT id, '{{"email": "hello@example.com"}}', (ARRAY[{_SUBJECTS}])[1 + n %% 4], repeat('x', 300),
       ARRAY['tag' || n %% 50], '{{"order": 1}}'
  FROM (SELECT id, row_number() OVER (ORDER BY id) AS n FROM messages) m
""",
    """
INSERT INTO attempts (message_id, epoch, number, started_at, state, reply)
SELECT id, 1, 1, now(), 'delivered', delivery ->> 'reply' FROM messages
""",
    "INSERT INTO events (id, message_id, account_id, environment, seq, type, timestamp, data)"
    " SELECT uuidv7(), id, account_id, 'live', 1, 'message.queued', created_at, '{}' FROM messages",
)


def load(rows: int, account: Any) -> float:
    """Rows as if sent over the last `rows` seconds; answers the seconds it took."""
    began = time.monotonic()
    with session.transaction() as connection:
        for sql in _LOAD:
            connection.exec_driver_sql(sql, {"rows": rows, "account": account} if "%(" in sql else ())
    with session.engine().connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("VACUUM ANALYZE")
    return time.monotonic() - began


def ask(principal: Principal, filters: Filters) -> tuple[float, int]:
    """Milliseconds of the better of two, and how many were found."""
    best, found = float("inf"), 0
    for _ in range(2):
        with session.transaction() as connection:
            began = time.monotonic()
            found = len(listing.find(connection, principal, filters, limit=25).data)
            best = min(best, (time.monotonic() - began) * 1000)
    return best, found


def main() -> None:
    """Load, ask, print."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rows", type=int, default=1_000_000)
    rows = options.parse_args().rows
    with tempfile.TemporaryDirectory(prefix="sdx-") as folder:
        os.chmod(folder, 0o755)
        engines = Engines(Path(folder) / "home")
        engines.start()
        os.environ |= {"SENDARIX_HOME": f"{folder}/home", "SENDARIX_DATABASE_URL": engines.database_url}
        os.environ["SENDARIX_REDIS_URL"] = engines.redis_url
        migrate()
        account = an_account()
        print(f"{rows} messages in {load(rows, account.id):.0f} s")
        middle = f"user{rows // 2}@example.net"
        cases = {
            "newest": Filters(),
            "recipient": Filters(recipient=middle),
            "status": Filters(statuses=("delivered",)),
            "a status that none has": Filters(statuses=("bounced",)),
            "tag": Filters(tag="tag7"),
            "q: a common word": Filters(words="verification"),
            "q: an address": Filters(words=middle),
            "q: part of an address": Filters(words=f"user{rows // 2}"),
            "q: one subject": Filters(words=f"invoice {rows // 2 + 1}"),
            "q: a reply": Filters(words="queued as 00000"),
            "q: nothing": Filters(words="zzzzzz"),
        }
        for name, filters in cases.items():
            took, found = ask(account.principal, filters)
            print(f"{name:30} {took:9.1f} ms {found:4} found", flush=True)
        session.close()
        engines.stop()


if __name__ == "__main__":
    main()
