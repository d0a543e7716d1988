"""How TLS went with each domain's mail hosts, counted by day for reports (RFC 8460). Never here: connections."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from sqlalchemy import Connection

from common.db.session import as_json, rows, run


@dataclass(frozen=True, slots=True)
class Counted:
    """One line of a TLS report: `kind` is `success` or a result type of RFC 8460 4.3; `day` as YYYY-MM-DD."""

    day: str
    policy_domain: str
    policy_type: str
    mx: str
    kind: str
    count: int


_ADD = """
INSERT INTO tls_results AS t (day, policy_domain, policy_type, mx, kind, sessions)
SELECT day, policy_domain, policy_type, mx, kind, count
  FROM json_to_recordset(%s) AS x(day date, policy_domain text, policy_type text, mx text, kind text, count bigint)
 ORDER BY 1, 2, 3, 4, 5
ON CONFLICT (day, policy_domain, policy_type, mx, kind) DO UPDATE SET sessions = t.sessions + excluded.sessions
"""


def add(connection: Connection, counted: Sequence[Counted]) -> None:
    """Add counts; one statement, in one order, so that two processes never wait for each other in a ring."""
    run(connection, _ADD, as_json([asdict(each) for each in counted]))


def find(connection: Connection, day: date) -> list[dict[str, Any]]:
    """The counts of one day, by domain."""
    found = rows(
        connection,
        "SELECT policy_domain, policy_type, mx, kind, sessions FROM tls_results WHERE day = %s ORDER BY 1, 2, 3, 4",
        day,
    )
    return [dict(row._mapping) for row in found]
