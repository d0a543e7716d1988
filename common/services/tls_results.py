"""How TLS went with each domain's mail hosts, counted by day as RFC 8460 counts it. Never here: connections."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from common.db.keyset import Page, Turn, read_page
from common.db.session import as_json, run

SUCCESS = "success"
POLICY_TYPES = ("no-policy-found", "sts", "tlsa")


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


# A row has no id of its own: what it is about is hashed to one, so that its place in a list never changes.
_FIND = """
SELECT * FROM (
  SELECT day, day::timestamptz AS moment, md5(policy_domain || ' ' || policy_type)::uuid AS place, policy_domain,
         policy_type, sum(sessions) FILTER (WHERE kind = 'success') AS good,
         sum(sessions) FILTER (WHERE kind <> 'success') AS bad,
         json_agg(json_build_object('mx', mx, 'result_type', kind, 'sessions', sessions) ORDER BY mx, kind)
           FILTER (WHERE kind <> 'success') AS failures
    FROM tls_results
   WHERE day >= coalesce((%s::timestamptz AT TIME ZONE 'UTC')::date, '-infinity')
     AND day < coalesce((%s::timestamptz AT TIME ZONE 'UTC')::date, 'infinity')
     AND (%s::text IS NULL OR policy_domain = %s) AND (cardinality(%s::text[]) = 0 OR policy_type = ANY(%s))
   GROUP BY day, policy_domain, policy_type) t
 WHERE (NOT %s OR bad > 0)
"""


def find(
    connection: Connection,
    *,
    domain: str | None = None,
    policy_types: Sequence[str] = (),
    since: datetime | None = None,
    until: datetime | None = None,
    failed: bool = False,
    limit: int,
    turn: Turn | None = None,
) -> Page:
    """By day, domain and policy, the newest day first: sessions that went well, and the others by host and reason.

    Days are UTC; `since` and `until` count by the day they are in. `failed`: only where some did.
    """
    kinds = list(policy_types)
    given = (since, until, domain, domain, kinds, kinds, failed)
    return read_page(connection, _FIND, given, _shown, limit=limit, turn=turn, order=("moment", "place"))


def _shown(row: Any) -> dict[str, Any]:
    return {
        "day": row.day.isoformat(),
        "policy_domain": row.policy_domain,
        "policy_type": row.policy_type,
        "successful_sessions": int(row.good or 0),
        "failed_sessions": int(row.bad or 0),
        "failures": row.failures or [],
    }
