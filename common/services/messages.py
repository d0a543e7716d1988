"""get, timeline, attempts, content, cancel, reschedule: what a caller reads of one message and may still change.

Never here: lists and search (listing.py), sending again (resending.py).
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from common import clock
from common.config import Settings
from common.db.session import rows, run
from common.domain.errors import (
    Conflict,
    ContentPurged,
    DomainError,
    FieldError,
    InvalidFields,
    NotCancellable,
    NotFound,
)
from common.domain.events import public_event
from common.domain.ids import encode
from common.domain.principals import Principal
from common.domain.submissions.bodies import read_texts
from common.domain.tiers import TIERS
from common.domain.waiting import held_by, in_doubt, waiting
from common.services import lifecycle, templates
from common.services.composing import future
from common.services.lifecycle import Applied, Change
from common.services.rendering import render_again

COLUMNS = """
SELECT m.*, c.sender, c.recipient_name, c.subject, c.template_id, c.template_slug, c.template_version, c.tags,
       c.metadata, c.idempotency_key, c.locale, c.sensitive, c.request_id, c.batch_id, c.original_id, c.purged_at,
       s.name AS source_name, e.type AS event_type, e.timestamp AS event_at, e.data AS event_data,
       h.kind AS hold_kind, h.author AS hold_author, h.reason AS hold_for, h.expires_at AS hold_until
  FROM messages m JOIN message_contents c ON c.message_id = m.id
  LEFT JOIN holds h ON h.id = m.hold_id
  LEFT JOIN sources s ON s.id = m.source_id
  LEFT JOIN events e ON e.message_id = m.id AND e.seq = m.event_seq
"""


def get(connection: Connection, principal: Principal, message_id: UUID) -> dict[str, Any]:
    """One message. Raises NotFound, also for another account's or environment's."""
    return shown(_row(connection, principal, message_id))


_EVENTS = """
SELECT e.id, e.message_id, e.seq, e.type, e.timestamp, e.environment, c.tags, c.metadata, e.data
  FROM events e JOIN message_contents c ON c.message_id = e.message_id WHERE e.message_id = %s ORDER BY e.seq
"""


def timeline(connection: Connection, principal: Principal, message_id: UUID) -> list[dict[str, Any]]:
    """The events of one message in order: the same objects that webhooks carry. Raises NotFound."""
    _row(connection, principal, message_id)
    return [public_event(row) for row in rows(connection, _EVENTS, message_id)]


_ATTEMPTS = """
SELECT a.*, s.name AS source_name FROM attempts a LEFT JOIN sources s ON s.id = a.source_id
 WHERE a.message_id = %s ORDER BY a.epoch
"""


def attempts(connection: Connection, principal: Principal, message_id: UUID) -> list[dict[str, Any]]:
    """Every try at a server in order, each with its conversation line by line. Raises NotFound."""
    _row(connection, principal, message_id)
    return [_attempt(row) for row in rows(connection, _ATTEMPTS, message_id)]


def _attempt(row: Any) -> dict[str, Any]:
    lines = [{"ms": ms, "from": _WHO.get(who, who), "line": line} for ms, who, line in row.transcript or ()]
    names = ("stage", "code", "enhanced", "reply", "category", "rule", "provider", "mx", "ip", "tls", "tls_reason")
    return {
        "number": row.number,
        "epoch": row.epoch,
        "state": row.state,
        "source": row.source_name,
        "started_at": _instant(row.started_at),
        "ended_at": _instant(row.ended_at),
        **{name: getattr(row, name) for name in names},
        "transcript": lines,
    }


_WHO = {"C": "us", "S": "server", "*": "note"}

_CONTENT = """
SELECT c.*, m.recipient FROM message_contents c JOIN messages m ON m.id = c.message_id
 WHERE c.message_id = %s AND m.account_id = %s AND m.environment = %s
"""


def content(connection: Connection, principal: Principal, message_id: UUID) -> dict[str, Any]:
    """What the recipient reads: the pinned template filled in. Raises NotFound, ContentPurged."""
    found = rows(connection, _CONTENT, message_id, principal.account_id, principal.environment)
    if not found:
        raise NotFound("No such message.")
    row = found[0]
    if row.purged_at is not None:
        raise ContentPurged(f"The content was removed at {_instant(row.purged_at)}.")
    html, text = row.html, row.text
    if row.mime is not None:
        html, text = read_texts(bytes(row.mime))
    if row.template_id is not None:
        pinned = templates.pinned(connection, row.template_id, row.template_version)
        rendered = render_again(pinned, row.template_data or {}, row.subject, row.locale)
        html, text = rendered.html, rendered.text
    return {
        "message_id": encode("msg", row.message_id),
        "from": row.sender,
        "recipient": row.recipient,
        "cc": row.cc or [],
        "bcc": row.bcc or [],
        "reply_to": row.reply_to or [],
        "subject": row.subject,
        "html": html,
        "text": text,
        "headers": row.headers or {},
        "attachments": [_attachment(each) for each in row.attachments or ()],
    }


def _attachment(given: dict[str, Any]) -> dict[str, Any]:
    size = len(given["content"]) * 3 // 4 - given["content"][-2:].count("=")
    return {name: given.get(name) for name in ("filename", "content_type", "content_id")} | {"size": size}


def cancel(
    connection: Connection, principal: Principal, ids: Sequence[UUID]
) -> tuple[list[dict[str, Any] | DomainError], list[Applied]]:
    """Take back messages nobody is sending (T5); answers each, or why not. Repeating it is harmless."""
    owned = _owned(connection, principal, ids)
    applied = lifecycle.apply(connection, [Change(each, "cancel") for each in sorted(owned)])
    done = {each.message_id for each in applied}
    answers: list[dict[str, Any] | DomainError] = []
    for message_id in ids:
        row = owned.get(message_id)
        if row is None:
            answers.append(NotFound("No such message."))
        elif message_id in done or row.status == "cancelled":
            answers.append(get(connection, principal, message_id))
        else:
            state = "being sent" if row.leased else row.status
            answers.append(NotCancellable(f"The message is {state}.", extra={"message_status": row.status}))
    return answers, applied


def time_ahead(settings: Settings, scheduled: datetime | None) -> datetime | None:
    """A time that a message may be moved to; None and what has just passed mean now. Raises InvalidFields."""
    errors: list[FieldError] = []
    found = future(settings, scheduled, clock.now(), errors)
    if errors:
        raise InvalidFields(errors)
    return found


def reschedule(
    connection: Connection,
    settings: Settings,
    principal: Principal,
    message_id: UUID,
    *,
    scheduled_time: datetime | None,
    expected_seq: int | None,
) -> tuple[dict[str, Any], list[Applied]]:
    """Send it at another time, or with None now, as long as it is not routed yet (T16).

    Raises NotFound, and Conflict when it moved on or its newest event is not `expected_seq`.
    """
    row = _owned(connection, principal, [message_id]).get(message_id)
    if row is None:
        raise NotFound("No such message.")
    if expected_seq is not None and row.event_seq != expected_seq:
        raise Conflict(
            "The message has changed since it was read: read it again.", extra={"message_status": row.status}
        )
    later = scheduled_time is not None
    wait = max(0.0, (scheduled_time - clock.now()).total_seconds()) if scheduled_time is not None else 0.0
    run(connection, _SCHEDULE, scheduled_time, message_id)
    data = {"rescheduled": True, "scheduled_time": _instant(scheduled_time)}
    delay = wait / settings.time_scale
    change = Change(message_id, "reschedule" if later else "reschedule_now", data=data, delay=delay, armed=not later)
    applied = lifecycle.apply(connection, [change])
    if not applied:
        state = "being sent" if row.leased else row.status
        raise Conflict(f"The message is {state}: only what still waits for its time can be moved.",
                       extra={"message_status": row.status})  # fmt: skip
    return get(connection, principal, message_id), applied


# What a rule of the policy holds is let go: when it comes due again, the rules are asked anew.
_SCHEDULE = """
UPDATE messages SET scheduled_time = %s, held = held AND hold_id IS NOT NULL,
       hold_reason = CASE WHEN hold_id IS NOT NULL THEN hold_reason END WHERE id = %s
"""

_OWNED = """
SELECT id, status, event_seq, lease_until IS NOT NULL AS leased FROM messages
 WHERE id = ANY(%s::uuid[]) AND account_id = %s AND environment = %s ORDER BY id FOR UPDATE
"""


def _owned(connection: Connection, principal: Principal, ids: Sequence[UUID]) -> dict[UUID, Any]:
    found = rows(connection, _OWNED, list(ids), principal.account_id, principal.environment)
    return {row.id: row for row in found}


def _row(connection: Connection, principal: Principal, message_id: UUID) -> Any:
    found = rows(
        connection,
        f"{COLUMNS} WHERE m.id = %s AND m.account_id = %s AND m.environment = %s",
        message_id,
        principal.account_id,
        principal.environment,
    )
    if not found:
        raise NotFound("No such message.")
    return found[0]


def _instant(moment: datetime | None) -> str | None:
    return None if moment is None else clock.rfc3339(moment)


def _in_words(found: dict[str, Any] | None) -> dict[str, Any] | None:
    return found and found | {"since": _instant(found["since"]), "until": _instant(found["until"])}


def _said(data: dict[str, Any]) -> str | None:
    """What a server said at an event, or else its reason."""
    smtp = data.get("smtp") or {}
    words = " ".join(str(smtp[name]) for name in ("code", "reply") if smtp.get(name))
    return words or data.get("reason") or None


def shown(row: Any) -> dict[str, Any]:
    """A row of COLUMNS as callers see it."""
    live = row.ended_at is None
    return {
        "message_id": encode("msg", row.id),
        "status": row.status,
        "held": row.held,
        "held_by": _in_words(held_by(row)),
        "in_doubt": in_doubt(row),
        "recipient": row.recipient,
        "from": row.sender,
        "subject": row.subject,
        "template": row.template_slug,
        "template_id": encode("tpl", row.template_id) if row.template_id else None,
        "template_version": row.template_version,
        "tags": row.tags or [],
        "metadata": row.metadata or {},
        "stream": row.stream,
        "topic": row.topic,
        "supersede_key": row.supersede_key,
        "superseded_by": encode("msg", row.superseded_by) if row.superseded_by else None,
        "locale": row.locale,
        "sensitive": row.sensitive,
        "environment": row.environment,
        "priority": TIERS[row.tier],
        "attempts": row.attempt_no,
        "last_event": {
            "type": row.event_type,
            "seq": row.event_seq,
            "timestamp": _instant(row.event_at),
            "said": _said(row.event_data or {}),
        },
        "next_attempt_at": _instant(row.next_attempt_at) if live else None,
        "waiting": _in_words(waiting(row)),
        "created_at": _instant(row.created_at),
        "scheduled_time": _instant(row.scheduled_time),
        "expires_at": _instant(row.expires_at),
        "accepted_at": _instant(row.accepted_at),
        "delivered_at": _instant(row.delivered_at),
        "bounced_at": _instant(row.ended_at) if row.status == "bounced" else None,
        "ended_at": _instant(row.ended_at),
        "delivery": row.delivery,
        "source": row.source_name,
        "path": row.path,
        "guarantee": row.delivery_guarantee,
        "policy_version": row.policy_version,
        "idempotency_key": row.idempotency_key,
        "batch_id": encode("bat", row.batch_id) if row.batch_id else None,
        "resent_from": encode("msg", row.original_id) if row.original_id else None,
        "content_purged_at": _instant(row.purged_at),
    }
