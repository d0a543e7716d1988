"""Sending domains: which names an account may send from, what to publish for them, and what was last found in DNS.

A domain belongs to an account, in both environments. Never here: DNS (a worker asks it and reports).
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from common.clock import now, rfc3339
from common.config import Settings
from common.db.keyset import Page, Turn, read_page
from common.db.session import as_json, rows, run
from common.domain import domain_states
from common.domain.domain_checks import proved, seen_selectors
from common.domain.domain_records import FOUND, Expected, Finding, expected_records
from common.domain.errors import Conflict, NotFound
from common.domain.events import EVENT_TYPES
from common.domain.ids import encode, new_id
from common.domain.principals import Principal
from common.domain.reverse_dns import Sighting
from common.queueing import publisher, queues, tasks
from common.services import domain_keys, events
from common.services.events import NewEvent

CHECK_SECONDS = 120
"""A check that has not reported for so long is made again."""
DEFAULTS = ("default_sender", "return_path")


def declare_verified(connection: Connection, settings: Settings, account_id: UUID, name: str) -> None:
    """Take `name` as proved without DNS and let it sign; for the quickstart's own example domain."""
    found = rows(
        connection,
        "INSERT INTO domains AS d (id, account_id, name, state, declared, verified_at)"
        " VALUES (%s, %s, %s, 'verified', true, now())"
        " ON CONFLICT (account_id, name) DO UPDATE SET state = 'verified', declared = true, next_check_at = NULL,"
        " verified_at = coalesce(d.verified_at, now()) RETURNING id",
        new_id(), account_id, name,
    )  # fmt: skip
    domain_id: UUID = found[0].id
    if not domain_keys.find(connection, [domain_id])[domain_id]:
        domain_keys.make(connection, settings, domain_id, 1, active=True)


def create(
    connection: Connection, settings: Settings, principal: Principal, fields: Mapping[str, Any]
) -> dict[str, Any]:
    """A new domain with its keys; DNS is asked from now on. Raises Conflict when the account has it already."""
    domain_id = new_id()
    made = run(
        connection,
        "INSERT INTO domains (id, account_id, name, default_sender, return_path, streams, next_check_at)"
        " VALUES (%s, %s, %s, %s, %s, %s, now()) ON CONFLICT (account_id, name) DO NOTHING",
        domain_id, principal.account_id, fields["name"], fields.get("default_sender"),
        fields.get("return_path", "bounce"), as_json(fields.get("streams", {})),
    )  # fmt: skip
    if not made:
        raise Conflict(f"The domain {fields['name']} is there already: read it in the list.")
    domain_keys.make(connection, settings, domain_id, 1)
    return get(connection, settings, principal, domain_id)


def find(
    connection: Connection, settings: Settings, principal: Principal, *, states: Sequence[str], limit: int,
    turn: Turn | None = None,
) -> Page:  # fmt: skip
    """Domains of the account, newest first, each with its records; without `states`, all."""
    wanted = list(states) or list(domain_states.STATES)
    select = "SELECT * FROM domains WHERE account_id = %s AND state = ANY(%s)"
    parameters = (principal.account_id, wanted)
    ids = [row.id for row in rows(connection, select, *parameters)]
    keys = domain_keys.find(connection, ids)
    return read_page(
        connection, select, parameters, lambda row: _shown(settings, row, keys[row.id]), limit=limit, turn=turn
    )


def get(connection: Connection, settings: Settings, principal: Principal, domain_id: UUID) -> dict[str, Any]:
    """One domain with what to publish and what was found. Raises NotFound."""
    row = _row(connection, principal, domain_id)
    return _shown(settings, row, domain_keys.find(connection, [domain_id])[domain_id])


def change(
    connection: Connection, settings: Settings, principal: Principal, domain_id: UUID, fields: Mapping[str, Any]
) -> dict[str, Any]:
    """Change the defaults; None takes a default sender back. Raises NotFound."""
    _row(connection, principal, domain_id)
    for name in DEFAULTS:
        if name in fields:
            run(connection, f"UPDATE domains SET {name} = %s WHERE id = %s", fields[name], domain_id)
    if "streams" in fields:
        run(connection, "UPDATE domains SET streams = %s WHERE id = %s", as_json(fields["streams"]), domain_id)
    if "return_path" in fields:
        run(connection, "UPDATE domains SET return_path_seen = false WHERE id = %s", domain_id)
        ask(connection, principal, domain_id)
    return get(connection, settings, principal, domain_id)


def ask(connection: Connection, principal: Principal, domain_id: UUID) -> None:
    """Have DNS asked now, and often for a while. Raises NotFound."""
    _row(connection, principal, domain_id)
    sql = "UPDATE domains SET next_check_at = now(), check_count = 0 WHERE id = %s AND NOT declared"
    run(connection, sql, domain_id)


def rotate(connection: Connection, settings: Settings, principal: Principal, domain_id: UUID) -> dict[str, Any]:
    """New DKIM keys, which take over once their records are seen. Raises NotFound, Conflict during a rotation."""
    _row(connection, principal, domain_id)
    domain_keys.rotate(connection, settings, domain_id)
    ask(connection, principal, domain_id)
    return get(connection, settings, principal, domain_id)


def remove(connection: Connection, principal: Principal, domain_id: UUID) -> None:
    """Forget a domain and its keys: nothing more is sent from it. Raises NotFound."""
    _row(connection, principal, domain_id)
    run(connection, "DELETE FROM domains WHERE id = %s", domain_id)


def _row(connection: Connection, principal: Principal, domain_id: UUID) -> Any:
    sql = "SELECT * FROM domains WHERE id = %s AND account_id = %s"
    found = rows(connection, sql, domain_id, principal.account_id)
    if not found:
        raise NotFound("There is no domain with this id.")
    return found[0]


def records_of(settings: Settings, row: Any, keys: Sequence[Any]) -> list[Expected]:
    """What is to be published for a domain."""
    return expected_records(
        row.name, keys, return_path=row.return_path, bounce_domain=settings.bounce_domain,
        tracking_domain=settings.tracking_domain,
    )  # fmt: skip


def _shown(settings: Settings, row: Any, keys: Sequence[Any]) -> dict[str, Any]:
    findings = (row.findings or {}).get("findings", [])
    known = {(each["purpose"], each["name"]): each for each in findings}
    moments = ("created_at", "verified_at", "checked_at", "next_check_at")
    return {
        "id": encode("dom", row.id),
        "name": row.name,
        "state": row.state,
        "default_sender": row.default_sender,
        "return_path": row.return_path,
        "streams": row.streams,
        "records": [_record(each, known.get((each.purpose, each.name))) for each in records_of(settings, row, keys)],
        "findings": [each for each in findings if each["purpose"] in ("spf", "mx")],
        **{name: rfc3339(getattr(row, name)) if getattr(row, name) else None for name in moments},
    }


def _record(record: Expected, found: Mapping[str, Any] | None) -> dict[str, Any]:
    names = ("purpose", "type", "host", "name", "value", "required", "why")
    seen = found or {"state": "unchecked", "diagnosis": "DNS was not asked yet.", "fix": "", "found": []}
    return {name: getattr(record, name) for name in names} | {
        name: seen[name] for name in ("state", "diagnosis", "fix", "found")
    }


_DUE = """
UPDATE domains SET next_check_at = now() + make_interval(secs => %s) WHERE id IN (
  SELECT id FROM domains WHERE next_check_at <= now() ORDER BY next_check_at LIMIT 20 FOR UPDATE SKIP LOCKED)
RETURNING id
"""


def sweep(connection: Connection) -> list[UUID]:
    """Domains whose check is due; the caller leaves their tickets."""
    return [row.id for row in rows(connection, _DUE, CHECK_SECONDS)]


def leave(ids: Sequence[UUID]) -> None:
    """Tickets for checks."""
    if ids:
        publisher.leave(tasks.CHECK_DOMAINS, queues.MAINTENANCE, ids)


def to_check(connection: Connection, settings: Settings, domain_id: UUID) -> tuple[str, list[Expected]] | None:
    """The name of a domain and what should be published for it; None when it is gone."""
    found = rows(connection, "SELECT * FROM domains WHERE id = %s AND NOT declared", domain_id)
    if not found:
        return None
    return found[0].name, records_of(settings, found[0], domain_keys.find(connection, [domain_id])[domain_id])


_REPORT = """
UPDATE domains SET state = %s, findings = %s, checked_at = now(), check_count = check_count + 1,
       verified_at = CASE WHEN %s = 'verified' THEN coalesce(verified_at, now()) ELSE verified_at END,
       state_since = CASE WHEN state = %s THEN state_since ELSE now() END, return_path_seen = %s,
       next_check_at = now() + make_interval(secs => %s) WHERE id = %s
"""


def report(
    connection: Connection,
    settings: Settings,
    domain_id: UUID,
    findings: Sequence[Finding],
    sightings: Sequence[Sighting] = (),
) -> str | None:
    """Write what DNS said: the state, the keys that sign from now on, the next check, and the names of the addresses
    that mail leaves from. Answers the state."""
    found = rows(connection, "SELECT * FROM domains WHERE id = %s AND NOT declared FOR UPDATE", domain_id)
    if not found:
        return None
    row = found[0]
    since = (now() - row.state_since) * settings.time_scale
    state = domain_states.next_state(row.state, proved(findings), since)
    domain_keys.switch(connection, domain_id, seen_selectors(findings))
    waiting = any(key.state == "pending" for key in domain_keys.find(connection, [domain_id])[domain_id])
    wait: timedelta = domain_states.next_check(state, row.check_count + 1, waiting=waiting)
    back = any(each.purpose == "return_path" and each.state == FOUND for each in findings)
    told = as_json(
        {"findings": [each.shown() for each in findings], "reverse_dns": [each.kept() for each in sightings]}
    )
    seconds = wait.total_seconds() / settings.time_scale
    run(connection, _REPORT, state, told, state, state, back, seconds, domain_id)
    event = domain_states.event_of(row.state, state)
    if event in EVENT_TYPES:
        missing = [each.purpose for each in findings if each.state != FOUND and each.purpose == "dkim"]
        data = {"domain_id": encode("dom", domain_id), "domain": row.name}
        events.record(connection, [NewEvent(row.account_id, event, data | ({"missing": missing} if missing else {}))])
    return state
