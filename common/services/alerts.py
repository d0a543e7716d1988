"""create, find, get, change, remove, incidents: alerts are rules that an account makes; what they saw is kept.

Never here: evaluating them (alarming.py).
"""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from common.clock import rfc3339
from common.db.keyset import Page, Turn, read_page
from common.db.session import rows, run
from common.domain.alerting import BASELINE_HOURS, CLEAR_SHARE, KINDS, WINDOW_HOURS
from common.domain.errors import Conflict, NotFound
from common.domain.ids import encode, new_id
from common.domain.principals import Principal

MOST = 100
"""Of one account's environment."""

STATES = ("pending", "open", "closed")
_NUMBERS = ("threshold", "clear_share", "minimum", "window_hours", "baseline_hours", "open_seconds", "clear_seconds")
_CHANGED = ("name", "enabled", *_NUMBERS, "email")
_SELECT = """
SELECT a.*, (SELECT count(*) FROM alert_incidents i WHERE i.alert_id = a.id AND i.state = 'open') AS open
  FROM alerts a WHERE a.account_id = %s AND a.environment = %s"""


_COUNT = "SELECT count(*) AS n FROM alerts WHERE account_id = %s AND environment = %s"


def _shown(row: Any) -> dict[str, Any]:
    return {
        "id": encode("alr", row.id),
        "name": row.name,
        "kind": row.kind,
        "enabled": row.enabled,
        "environment": row.environment,
        "key_id": row.key_id and encode("key", row.key_id),
        "template": row.template,
        "tag": row.tag,
        "sending_domain": row.sending_domain,
        "priority": row.tier,
        "per": row.per,
        **{name: getattr(row, name) for name in _NUMBERS},
        "email": row.email,
        "open_incidents": row.open,
        "created_at": rfc3339(row.created_at),
        "updated_at": rfc3339(row.updated_at),
        "evaluated_at": row.evaluated_at and rfc3339(row.evaluated_at),
    }


def create(connection: Connection, principal: Principal, fields: Mapping[str, Any]) -> dict[str, Any]:
    """A new alert, looked at within seconds. Raises Conflict when there are too many."""
    place = (principal.account_id, principal.environment)
    if rows(connection, _COUNT, *place)[0].n >= MOST:
        raise Conflict(f"There are {MOST} alerts: delete what is no longer needed.")
    kind = KINDS[fields["kind"]]
    usual = {
        "threshold": kind.threshold, "clear_share": CLEAR_SHARE, "minimum": kind.minimum, "window_hours": WINDOW_HOURS,
        "baseline_hours": BASELINE_HOURS, "open_seconds": 0, "clear_seconds": 0, "enabled": True,
    }  # fmt: skip
    given = {**usual, **fields, "tier": fields.get("priority")}
    names = ("kind", "key_id", "template", "tag", "sending_domain", "tier", "per", *_CHANGED)
    alert_id = new_id()
    run(
        connection,
        f"INSERT INTO alerts (id, account_id, environment, {', '.join(names)})"
        f" VALUES (%s, %s, %s, {', '.join(['%s'] * len(names))})",
        alert_id, *place, *(given.get(name) for name in names),
    )  # fmt: skip
    return get(connection, principal, alert_id)


def find(connection: Connection, principal: Principal, *, limit: int, turn: Turn | None = None) -> Page:
    """A page of the alerts of this environment, newest first."""
    place = (principal.account_id, principal.environment)
    return read_page(connection, _SELECT, place, _shown, limit=limit, turn=turn)


def get(connection: Connection, principal: Principal, alert_id: UUID) -> dict[str, Any]:
    """One alert. Raises NotFound."""
    found = rows(connection, f"{_SELECT} AND a.id = %s", principal.account_id, principal.environment, alert_id)
    if not found:
        raise NotFound("There is no alert with this id.")
    return _shown(found[0])


def change(connection: Connection, principal: Principal, alert_id: UUID, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Change what is given. What is open stays so until the next look. Raises NotFound."""
    get(connection, principal, alert_id)
    given = [name for name in _CHANGED if name in fields]
    if given:
        run(
            connection,
            f"UPDATE alerts SET {', '.join(f'{name} = %s' for name in given)}, updated_at = now() WHERE id = %s",
            *(fields[name] for name in given), alert_id,
        )  # fmt: skip
    return get(connection, principal, alert_id)


def remove(connection: Connection, principal: Principal, alert_id: UUID) -> None:
    """Remove an alert and its history. Raises NotFound."""
    if not run(
        connection,
        "DELETE FROM alerts WHERE account_id = %s AND environment = %s AND id = %s",
        principal.account_id, principal.environment, alert_id,
    ):  # fmt: skip
        raise NotFound("There is no alert with this id.")


_INCIDENTS = "SELECT i.* FROM alert_incidents i WHERE i.alert_id = %s AND i.state = ANY(%s)"


def incidents(
    connection: Connection,
    principal: Principal,
    alert_id: UUID,
    *,
    states: list[str],
    limit: int,
    turn: Turn | None = None,
) -> Page:
    """A page of what an alert has seen, newest first. Raises NotFound."""
    get(connection, principal, alert_id)
    wanted = (alert_id, states or list(STATES))
    return read_page(connection, _INCIDENTS, wanted, _incident, limit=limit, turn=turn, order=("i.since", "i.id"))


def _incident(row: Any) -> dict[str, Any]:
    moments = ("opened_at", "closed_at")
    return {
        "id": encode("inc", row.id),
        "alert_id": encode("alr", row.alert_id),
        "state": row.state,
        "subject": row.subject or None,
        "value": round(row.value, 6),
        "peak": round(row.peak, 6),
        "threshold": row.threshold,
        "since": rfc3339(row.since),
        **{name: getattr(row, name) and rfc3339(getattr(row, name)) for name in moments},
    }
