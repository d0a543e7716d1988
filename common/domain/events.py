"""Event types and the payload a customer sees. Never bodies, template data or attachments: they are secrets."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from common.domain.ids import encode

API_VERSION = "2026-11-01"


@dataclass(frozen=True, slots=True)
class EventType:
    """A type, when it is raised and an example of the fields that are its own."""

    name: str
    sentence: str
    example: dict[str, Any]


EVENT_TYPES: dict[str, EventType] = {
    kind.name: kind
    for kind in (
        EventType("message.queued", "Durably stored; also for a scheduled message.", {"scheduled_time": None}),
        EventType(
            "message.accepted",
            "Passed suppression and routing; the path is chosen.",
            {"source": "mailbox", "path": "mailbox/sink", "reason": "default source of the account"},
        ),
        EventType(
            "message.deferred",
            "A temporary failure; another attempt is planned.",
            {"attempt": 1, "next_attempt_at": "2026-04-19T14:30:30.000Z", "smtp": {"code": 451}},
        ),
        EventType("message.delivered", "The remote server said yes.", {"attempt": 1, "smtp": {"code": 250}}),
        EventType(
            "message.bounced",
            "A permanent failure, or retries exhausted.",
            {"bounce": {"type": "hard", "reason": "invalid_recipient"}},
        ),
        EventType("message.complained", "The recipient reported the mail.", {}),
        EventType("message.suppressed", "The recipient is on the suppression list.", {"reason": "manual"}),
        EventType("message.cancelled", "Cancelled by the caller before delivery.", {}),
        EventType("message.expired", "Its ttl passed before it could be delivered.", {}),
        EventType("message.failed", "It cannot be sent, or its outcome stays unknown.", {"reason": "no_source"}),
        EventType("webhook.test", "Sent by the test button.", {}),
    )
}


def public_event(row: Any) -> dict[str, Any]:
    """An events row as GET /events and webhooks show it. `row` has id, message_id, seq, type, timestamp, data."""
    timestamp: datetime = row.timestamp
    event_id: UUID = row.id
    return {
        "id": encode("evt", event_id),
        "type": row.type,
        "timestamp": timestamp.strftime("%Y-%m-%dT%H:%M:%S.") + f"{timestamp.microsecond // 1000:03d}Z",
        "api_version": API_VERSION,
        "data": {"message_id": encode("msg", row.message_id), "seq": row.seq, **row.data},
    }
