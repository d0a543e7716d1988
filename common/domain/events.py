"""Event types and the payload a customer sees. Never bodies, template data or attachments: they are secrets."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from common.domain.ids import encode

API_VERSION = "2026-11-01"


@dataclass(frozen=True, slots=True)
class EventType:
    """A type, when it is raised and an example of the fields that are its own."""

    name: str
    sentence: str
    example: dict[str, Any]


_SUPPRESSION = {
    "suppression_id": "sup_01k5qkz0v8fyw9m2q3r4s5t6v7",
    "recipient": "user@example.com",
    "reason": "manual",
    "scope": "all",
}

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
            "message.held",
            "A rule of the policy holds it, or its outcome is unknown and somebody has to decide.",
            {"reason": "rule pause-promo: complaints", "rule": "pause-promo", "policy_version": 4},
        ),
        EventType(
            "message.released",
            "Somebody let a message go whose outcome was unknown: it is sent again, perhaps as a second copy.",
            {"in_doubt": "resend", "reason": "the shop says that no code came", "author": "anna"},
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
        EventType(
            "message.unsubscribed",
            "The recipient unsubscribed; the address is suppressed. No change of status.",
            {"source": "one_click", "scope": "all"},
        ),
        EventType(
            "suppression.created",
            "An address receives nothing more: by a bounce, a complaint, an unsubscribe or a caller.",
            _SUPPRESSION | {"expires_at": None},
        ),
        EventType(
            "suppression.deleted",
            "An address receives mail again.",
            _SUPPRESSION,
        ),
        EventType(
            "domain.verified",
            "The DNS records of a sending domain are right.",
            {"domain_id": "dom_01k5qkz0v8fyw9m2q3r4s5t6v7", "domain": "example.com"},
        ),
        EventType(
            "domain.failed",
            "The DNS records of a sending domain are missing or wrong.",
            {"domain_id": "dom_01k5qkz0v8fyw9m2q3r4s5t6v7", "domain": "example.com", "missing": ["dkim"]},
        ),
        EventType(
            "api_key.expiring",
            "A key stops working soon.",
            {"key_id": "key_01k5qkz0v8fyw9m2q3r4s5t6v7", "name": "shop", "expires_at": "2026-04-26T14:30:00.000Z"},
        ),
        EventType(
            "template.published",
            "A version of a template is in use from now on.",
            {"template": "otp-code", "version": 3},
        ),
        EventType(
            "policy.published",
            "A policy is in force from now on: published, rolled back to, or proven as a canary.",
            {
                "version": 4,
                "previous": 3,
                "restores": None,
                "reason": "Newsletters by their own source.",
                "author": "key deploy",
                "for": "account",
                "canary": None,
            },
        ),
        EventType(
            "policy.canary",
            "A policy tried on a share of the mail: `started`, taken back (`rolled_back`) or published (`promoted`).",
            {"version": 5, "state": "rolled_back", "reason": "deferrals of 31.0%, beside 2.1% of other mail"},
        ),
        EventType(
            "alert.opened",
            "What an alert watches is over its line.",
            {
                "alert_id": "alr_01k5qkz0v8fyw9m2q3r4s5t6v7",
                "incident_id": "inc_01k5qkz0v8fyw9m2q3r4s5t6v7",
                "name": "Reset mail bounces",
                "kind": "bounces",
                "subject": None,
                "value": 2.0,
                "threshold": 1.0,
                "since": "2026-04-19T14:29:55.000Z",
            },
        ),
        EventType(
            "alert.closed",
            "What an alert watches is calm again, or the alert was switched off.",
            {
                "alert_id": "alr_01k5qkz0v8fyw9m2q3r4s5t6v7",
                "incident_id": "inc_01k5qkz0v8fyw9m2q3r4s5t6v7",
                "name": "Reset mail bounces",
                "kind": "bounces",
                "subject": None,
                "value": 0.0,
                "threshold": 1.0,
                "since": "2026-04-19T14:29:55.000Z",
            },
        ),
        EventType(
            "webhook.disabled",
            "An endpoint was switched off, or has failed for a day (`warning`). What it misses is held.",
            {
                "webhook_id": "whk_01k5qkz0v8fyw9m2q3r4s5t6v7",
                "url": "https://example.com/hooks/mail",
                "reason": "failing",
                "warning": False,
            },
        ),
        EventType(
            "webhook.recovered",
            "An endpoint whose breaker was open answers again.",
            {"webhook_id": "whk_01k5qkz0v8fyw9m2q3r4s5t6v7", "url": "https://example.com/hooks/mail"},
        ),
        EventType(
            "webhook.exhausted",
            "The last attempt to tell an endpoint an event has failed. It can be replayed.",
            {
                "webhook_id": "whk_01k5qkz0v8fyw9m2q3r4s5t6v7",
                "url": "https://example.com/hooks/mail",
                "delivery_id": "whd_01k5qkz0v8fyw9m2q3r4s5t6v7",
                "event_id": "evt_01k5qkz0v9e0bs2m3n4p5q6r7s",
                "event_type": "message.delivered",
            },
        ),
        EventType(
            "webhook.test",
            "Sent to one endpoint, by the test call and at no other time.",
            {"webhook_id": "whk_01k5qkz0v8fyw9m2q3r4s5t6v7"},
        ),
    )
}


WILDCARDS = tuple(dict.fromkeys(name.partition(".")[0] + ".*" for name in EVENT_TYPES))
"""`message.*` and the like: every type of that noun, also those that are added later."""


def matches(name: str, patterns: Collection[str] | None) -> bool:
    """Whether a type is among `patterns`: names, wildcards or `*`; None means all. services/events.py has it in SQL."""
    return patterns is None or bool({name, name.partition(".")[0] + ".*", "*"} & set(patterns))


def public_event(row: Any) -> dict[str, Any]:
    """An events row as every reader sees it: the stream, the timeline and webhooks.

    `row` has id, message_id, seq, type, timestamp, environment, data, and for a message tags and metadata.
    """
    about: dict[str, Any] = {}
    if row.message_id is not None:
        about = {"message_id": encode("msg", row.message_id), "seq": row.seq, "tags": row.tags}
        about["metadata"] = row.metadata
    timestamp: datetime = row.timestamp
    return {
        "id": encode("evt", row.id),
        "type": row.type,
        "timestamp": timestamp.strftime("%Y-%m-%dT%H:%M:%S.") + f"{timestamp.microsecond // 1000:03d}Z",
        "api_version": API_VERSION,
        "environment": row.environment,
        "data": {**about, **row.data},
    }
