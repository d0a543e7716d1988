"""read(...): whether a domain does what the large providers ask of bulk senders, from what is known already.

Never here: the rules (domain/readiness.py), or asking DNS.
"""

from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from common.clock import rfc3339
from common.config import Settings
from common.db.session import rows
from common.domain import readiness
from common.domain.errors import NotFound
from common.domain.ids import encode
from common.domain.principals import Principal
from common.domain.reverse_dns import Sender

NEWEST = 20_000
"""So many of the account's newest live messages are counted, and none older than 30 days."""

_SEEN = """
WITH mine AS (
  SELECT m.status, m.created_at, m.delivery FROM (
    SELECT id, status, created_at, delivery FROM messages
     WHERE account_id = %s AND environment = 'live' AND created_at > now() - interval '30 days'
     ORDER BY created_at DESC LIMIT %s) m
    JOIN message_contents c ON c.message_id = m.id
   WHERE lower(split_part(c.sender ->> 'email', '@', 2)) = %s)
SELECT count(*) FILTER (WHERE status IN ('delivered', 'complained')) AS delivered,
       count(*) FILTER (WHERE status = 'complained') AS complained,
       count(*) FILTER (WHERE status IN ('delivered', 'complained') AND delivery ->> 'tls' LIKE 'TLS%%') AS encrypted,
       coalesce((SELECT max(n) FROM (SELECT count(*) AS n FROM mine GROUP BY created_at::date) d), 0) AS most_a_day
  FROM mine
"""

_SENDERS = """
SELECT s.name, coalesce(s.ehlo_name, %s) AS ehlo, s.bind_ipv4, s.bind_ipv6 FROM sources s
 WHERE s.kind = 'direct' AND s.enabled AND (s.account_id = %s OR s.account_id IS NULL)
"""


def senders(connection: Connection, settings: Settings, account_id: UUID) -> list[Sender]:
    """The direct sources that may carry an account's mail; of two with one name its own."""
    found = rows(connection, f"{_SENDERS} ORDER BY s.account_id NULLS FIRST", settings.ehlo_name, account_id)
    by_name = {
        row.name: Sender(row.name, row.ehlo, tuple(filter(None, (row.bind_ipv4, row.bind_ipv6)))) for row in found
    }
    return list(by_name.values())


def senders_of(connection: Connection, settings: Settings, domain_id: UUID) -> list[Sender]:
    """Those of a domain's account; none when the domain is gone."""
    found = rows(connection, "SELECT account_id FROM domains WHERE id = %s", domain_id)
    return senders(connection, settings, found[0].account_id) if found else []


def read(connection: Connection, settings: Settings, principal: Principal, domain_id: UUID) -> dict[str, Any]:
    """The report of one domain. Raises NotFound."""
    sql = "SELECT * FROM domains WHERE id = %s AND account_id = %s"
    found = rows(connection, sql, domain_id, principal.account_id)
    if not found:
        raise NotFound("There is no domain with this id.")
    row = found[0]
    counted = rows(connection, _SEEN, principal.account_id, NEWEST, row.name)[0]
    seen = readiness.Seen(counted.delivered, counted.complained, counted.encrypted, counted.most_a_day)
    checks = readiness.judge(
        (row.findings or {}).get("findings", []),
        row.streams or {},
        seen,
        one_click_at=settings.public_url,
        names={each.source: each.ehlo for each in senders(connection, settings, principal.account_id)},
        sightings=(row.findings or {}).get("reverse_dns", []),
    )
    return {
        "domain_id": encode("dom", row.id),
        "domain": row.name,
        "state": readiness.worst(checks),
        "providers": {
            name: readiness.worst(each for each in checks if name in each.asked_by) for name in readiness.PROVIDERS
        },
        "bulk": seen.most_a_day >= readiness.BULK_A_DAY,
        "most_a_day": seen.most_a_day,
        "checks": [_shown(each) for each in checks],
        "checked_at": rfc3339(row.checked_at) if row.checked_at else None,
    }


def _shown(check: readiness.Check) -> dict[str, Any]:
    names = ("check", "state", "found", "fix")
    return {name: getattr(check, name) for name in names} | {"asked_by": list(check.asked_by)}
