"""start, in_force, find, get, lift: timed slow-downs that providers' replies have set off.

A row is never changed but by lifting it: each start is one more row, with what set it off. Never here: which reply
does (domain/automations.py), or how it is carried out.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from common.clock import rfc3339
from common.db.keyset import Page, Turn, read_page
from common.db.session import rows
from common.domain.automations import Automation, told
from common.domain.errors import NotFound
from common.domain.ids import encode, new_id
from common.domain.principals import Principal
from common.services import parking


@dataclass(frozen=True, slots=True)
class InForce:
    """An automation that holds now. `scope` is the key of what it slows."""

    scope: str
    until: datetime
    per_minute: float | None
    connections: int | None
    suspend: bool
    what: str


_START = """
INSERT INTO pacing_automations (id, scope, source_id, place, rule, what, per_minute, connections, suspend, hits, reply,
  since, expires_at)
SELECT %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, clock_timestamp(), clock_timestamp() + make_interval(secs => %s)
 WHERE NOT EXISTS (SELECT FROM pacing_automations a WHERE a.scope = %s AND a.rule = %s
                     AND a.lifted_at IS NULL AND a.expires_at > now())
RETURNING id
"""


def start(
    connection: Connection,
    automation: Automation,
    *,
    scope: str,
    source_id: UUID,
    place: str,
    reply: str,
    time_scale: float,
) -> bool:
    """Let it hold from now on; answers False when it does already, which is left as it is."""
    action = automation.action
    facts = (place, automation.name, told(action), action.per_minute, action.connections, action.suspend)
    seconds = action.minutes * 60 / time_scale
    parameters = (new_id(), scope, source_id, *facts, automation.hits, reply[:300], seconds, scope, automation.name)
    return bool(rows(connection, _START, *parameters))


_IN_FORCE = """
SELECT scope, expires_at, per_minute, connections, suspend, rule FROM pacing_automations
 WHERE lifted_at IS NULL AND expires_at > now()
"""


def in_force(connection: Connection) -> dict[str, list[InForce]]:
    """What holds now, by scope."""
    found: dict[str, list[InForce]] = {}
    for row in rows(connection, _IN_FORCE):
        holds = InForce(row.scope, row.expires_at, row.per_minute, row.connections, row.suspend, row.rule)
        found.setdefault(row.scope, []).append(holds)
    return found


# An account sees what slows its own sources and the operator's, which carry its mail too.
_SEEN = """
SELECT a.*, s.name AS source_name FROM pacing_automations a JOIN sources s ON s.id = a.source_id
 WHERE (s.account_id = %s OR s.account_id IS NULL)
"""


def find(
    connection: Connection, principal: Principal, *, active: bool | None, limit: int, turn: Turn | None = None
) -> Page:
    """Those that began last first; with `active` only those that hold now, or only those that have ended."""
    select = f"{_SEEN} AND (%s::boolean IS NULL OR (a.lifted_at IS NULL AND a.expires_at > now()) = %s)"
    given = (principal.account_id, active, active)
    return read_page(connection, select, given, _shown, limit=limit, turn=turn, order=("a.since", "a.id"))


def get(connection: Connection, principal: Principal, automation_id: UUID) -> dict[str, Any]:
    """One. Raises NotFound, also for another account's."""
    return _shown(_row(connection, principal, automation_id))


def lift(connection: Connection, principal: Principal, automation_ids: Iterable[UUID]) -> None:
    """End them now; what is parked there looks again. Repeating it is harmless. Raises NotFound."""
    found = [_row(connection, principal, each) for each in automation_ids]
    rows(
        connection,
        "UPDATE pacing_automations SET lifted_at = clock_timestamp(), lifted_by = %s"
        " WHERE id = ANY(%s::uuid[]) AND lifted_at IS NULL AND expires_at > now() RETURNING id",
        principal.key_id,
        [row.id for row in found],
    )
    parking.reopen(connection, [row.scope for row in found])


def _row(connection: Connection, principal: Principal, automation_id: UUID) -> Any:
    found = rows(connection, f"{_SEEN} AND a.id = %s", principal.account_id, automation_id)
    if not found:
        raise NotFound("No such automation.")
    return found[0]


def _shown(row: Any) -> dict[str, Any]:
    return {
        "id": encode("aut", row.id),
        "source": row.source_name,
        "place": row.place,
        "rule": row.rule,
        "action": {
            "what": row.what,
            "messages_per_minute": row.per_minute,
            "connections": row.connections,
            "suspend": row.suspend,
        },
        "reason": f"{row.hits} such repl{'ies' if row.hits > 1 else 'y'} within an hour, the last: {row.reply}",
        "since": rfc3339(row.since),
        "expires_at": rfc3339(row.expires_at),
        "lifted_at": rfc3339(row.lifted_at) if row.lifted_at else None,
    }
