"""evaluate(...): look at every alert, open and close incidents, and tell: an event for webhooks, a mail for people.

One transaction: an incident, its event and its mail are committed together, so nothing is told twice or not at all.
Never here: a value (alert_values.py) or a line (domain/alerting.py).
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from common import clock
from common.clock import rfc3339
from common.config import Settings
from common.db.session import as_json, rows, run
from common.domain.alerting import Line, Sight, step, write
from common.domain.ids import encode, new_id
from common.services import events, notices
from common.services.alert_values import values
from common.services.events import NewEvent
from common.services.notices import Notice

_WATCHED = """
SELECT a.* FROM alerts a
 WHERE a.enabled OR EXISTS (SELECT FROM alert_incidents i WHERE i.alert_id = a.id AND i.state <> 'closed')
 ORDER BY a.id
"""

_SEEN = "SELECT * FROM alert_incidents WHERE state <> 'closed' ORDER BY id"

_KEEP = """
INSERT INTO alert_incidents AS i (id, alert_id, subject, state, value, peak, threshold, since, opened_at, calm_since,
                                  closed_at)
SELECT id, alert_id, subject, state, value, peak, threshold, since, opened_at, calm_since, closed_at
  FROM json_to_recordset(%s) AS x(id uuid, alert_id uuid, subject text, state text, value float8, peak float8,
       threshold float8, since timestamptz, opened_at timestamptz, calm_since timestamptz, closed_at timestamptz)
 ORDER BY id
ON CONFLICT (id) DO UPDATE SET state = excluded.state, value = excluded.value, peak = excluded.peak,
   opened_at = excluded.opened_at, calm_since = excluded.calm_since, closed_at = excluded.closed_at
"""

_VERBS = {"open": "opened", "closed": "closed"}
_SIGHT = ("state", "value", "peak", "since", "opened_at", "calm_since", "closed_at")


def evaluate(connection: Connection, settings: Settings, now: datetime | None = None) -> list[str]:
    """Every alert once; answers what was told, as `opened alr_…` or `closed alr_…`."""
    now = now or clock.now()
    alerts = {row.id: row for row in rows(connection, _WATCHED)}
    if not alerts:
        return []
    seen = {(row.alert_id, row.subject): row for row in rows(connection, _SEEN) if row.alert_id in alerts}
    found = values(connection, settings, [each for each in alerts.values() if each.enabled], now)
    kept, gone, told = [], [], []
    for place in dict.fromkeys((*seen, *found)):
        alert, row = alerts[place[0]], seen.get(place)
        before = Sight(**{name: getattr(row, name) for name in _SIGHT}) if row else None
        after = step(_line(alert), before, found.get(place, 0.0), now)
        if after is None:
            gone += [row.id] if row else []
            continue
        incident_id = row.id if row else new_id()
        kept.append((incident_id, place, alert, after))
        if after.state != "pending" and (before is None or before.state != after.state):
            told.append((incident_id, place[1], alert, after))
    _write(connection, kept, gone, list(alerts), now)
    for incident in told:
        _tell(connection, settings, *incident)
    return [f"{_VERBS[after.state]} {encode('alr', alert.id)}" for _, _, alert, after in told]


def _line(alert: Any) -> Line:
    """A rule that was switched off is calm at once."""
    return Line(alert.threshold, alert.clear_share, alert.open_seconds, alert.clear_seconds if alert.enabled else 0.0)


def _write(
    connection: Connection,
    kept: list[tuple[UUID, tuple[UUID, str], Any, Sight]],
    gone: list[UUID],
    looked_at: list[UUID],
    now: datetime,
) -> None:
    if gone:
        run(connection, "DELETE FROM alert_incidents WHERE id = ANY(%s::uuid[])", gone)
    if kept:
        listed = [
            {"id": incident_id, "alert_id": alert_id, "subject": subject, "threshold": alert.threshold}
            | {name: getattr(after, name) for name in _SIGHT}
            for incident_id, (alert_id, subject), alert, after in kept
        ]
        run(connection, _KEEP, as_json(listed))
    run(connection, "UPDATE alerts SET evaluated_at = %s WHERE id = ANY(%s::uuid[])", now, looked_at)


def _tell(
    connection: Connection, settings: Settings, incident_id: UUID, subject: str, alert: Any, after: Sight
) -> None:
    public = encode("alr", alert.id)
    data = {
        "alert_id": public,
        "incident_id": encode("inc", incident_id),
        "name": alert.name,
        "kind": alert.kind,
        "subject": subject or None,
        "value": round(after.value, 6),
        "threshold": alert.threshold,
        "since": rfc3339(after.since),
    }
    events.record(connection, [NewEvent(alert.account_id, f"alert.{_VERBS[after.state]}", data, alert.environment)])
    if alert.email is None:
        return
    letter = write(alert.name, alert.kind, subject, after.state, after.value, alert.threshold, public)
    about = {"alert_id": public, "incident_id": data["incident_id"], "environment": alert.environment}
    notices.notify(
        connection, settings, [Notice(alert.account_id, letter.subject, letter.text, about, alert.email)]
    )  # fmt: skip
