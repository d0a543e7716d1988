"""trace(...): everything known of one message in one timeline: request, events, each line of each conversation, each
post to a webhook, and what it waits for now. Never here: telling any of it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from common.clock import rfc3339
from common.db.session import rows
from common.domain.ids import encode
from common.domain.principals import Principal
from common.domain.traceparents import trace_of
from common.services import messages

STAGES = ("request", "event", "attempt", "smtp", "webhook")


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry: when, what kind (one of STAGES), in words, and its facts."""

    at: datetime
    stage: str
    title: str
    facts: dict[str, Any]


_REQUEST = """
SELECT m.created_at, c.request_id, c.key_id, c.idempotency_key, c.batch_id, c.original_id, c.template_slug,
       c.template_version, coalesce(c.channel, 'api') AS channel, c.traceparent
  FROM messages m LEFT JOIN message_contents c ON c.message_id = m.id WHERE m.id = %s
"""

_EVENTS = "SELECT id, seq, type, timestamp, data FROM events WHERE message_id = %s ORDER BY seq"

_ATTEMPTS = """
SELECT a.*, s.name AS source_name FROM attempts a LEFT JOIN sources s ON s.id = a.source_id
 WHERE a.message_id = %s ORDER BY a.epoch
"""

_POSTS = """
SELECT d.id, d.webhook_id, d.event_id, d.type, d.state, d.created_at, a.number, a.started_at, a.status, a.error, a.ip,
       a.dns_ms, a.connect_ms, a.tls_ms, a.first_byte_ms, a.total_ms
  FROM webhook_deliveries d LEFT JOIN webhook_attempts a ON a.delivery_id = d.id
 WHERE d.message_id = %s ORDER BY d.seq, d.id, a.epoch
"""


def trace(connection: Connection, principal: Principal, message_id: UUID) -> dict[str, Any]:
    """The message's state and its timeline, oldest first. Posts to webhooks need `webhooks:read`. Raises NotFound."""
    message = messages.get(connection, principal, message_id)
    request = rows(connection, _REQUEST, message_id)[0]
    found = [
        *_request(request),
        *_events(rows(connection, _EVENTS, message_id)),
        *_attempts(rows(connection, _ATTEMPTS, message_id)),
    ]
    if principal.may("webhooks:read"):
        found += _posts(rows(connection, _POSTS, message_id))
    found.sort(key=lambda entry: entry.at)
    begun = found[0].at
    timeline = [
        {
            "at": rfc3339(entry.at),
            "ms": max(0, round((entry.at - begun) / timedelta(milliseconds=1))),
            "stage": entry.stage,
            "title": entry.title,
            "facts": entry.facts,
        }
        for entry in found
    ]
    names = ("message_id", "status", "recipient", "subject", "environment", "waiting")
    trace_id = request.traceparent and trace_of(request.traceparent)
    return {name: message[name] for name in names} | {"trace_id": trace_id, "timeline": timeline}


def _request(row: Any) -> Iterator[Entry]:
    way = "the SMTP relay" if row.channel == "smtp" else "the API"
    facts = {
        "channel": row.channel,
        "request_id": row.request_id,
        "traceparent": row.traceparent,
        "key_id": None if row.key_id is None else encode("key", row.key_id),
        "idempotency_key": row.idempotency_key,
        "batch_id": None if row.batch_id is None else encode("bat", row.batch_id),
        "resent_from": None if row.original_id is None else encode("msg", row.original_id),
        "template": row.template_slug,
        "template_version": row.template_version,
    }
    yield Entry(row.created_at, "request", f"Validated and accepted by {way}", facts)


_TITLES = {
    "message.queued": "Durably stored",
    "message.accepted": "Not suppressed; its way out is chosen",
    "message.suppressed": "The recipient is on the suppression list",
}


def _events(found: list[Any]) -> Iterator[Entry]:
    for row in found:
        noun = row.type.partition(".")[2].replace("_", " ")
        facts = {"event_id": encode("evt", row.id), "type": row.type, "seq": row.seq, **row.data}
        yield Entry(row.timestamp, "event", _TITLES.get(row.type, noun.capitalize()), facts)


def _attempts(found: list[Any]) -> Iterator[Entry]:
    for row in found:
        names = ("number", "epoch", "state", "provider", "mx", "ip", "tls", "tls_reason")
        facts = {"source": row.source_name, **{name: getattr(row, name) for name in names}}
        yield Entry(row.started_at, "attempt", f"Attempt {row.number} begins", facts)
        for ms, who, line in row.transcript or ():
            speaker = _SPEAKERS.get(who, who)
            at = row.started_at + timedelta(milliseconds=ms)
            yield Entry(at, "smtp", line, {"attempt": row.number, "from": speaker, "attempt_ms": ms})
        if row.ended_at is not None:
            ends = ("number", "epoch", "state", "stage", "code", "enhanced", "reply", "category", "rule")
            title = f"Attempt {row.number} ends: {row.state}"
            yield Entry(row.ended_at, "attempt", title, {name: getattr(row, name) for name in ends})


_SPEAKERS = {"C": "us", "S": "server", "*": "note"}


def _posts(found: list[Any]) -> Iterator[Entry]:
    for row in found:
        facts = {
            "webhook_id": encode("whk", row.webhook_id),
            "delivery_id": encode("whd", row.id),
            "event_id": encode("evt", row.event_id),
            "type": row.type,
            "state": row.state,
        }
        if row.started_at is None:
            yield Entry(row.created_at, "webhook", f"{row.type} waits to be posted", facts)
            continue
        names = ("number", "status", "error", "ip", "dns_ms", "connect_ms", "tls_ms", "first_byte_ms", "total_ms")
        said = row.status if row.status is not None else row.error or "no answer yet"
        title = f"{row.type} is posted, attempt {row.number}: {said}"
        yield Entry(row.started_at, "webhook", title, facts | {name: getattr(row, name) for name in names})
