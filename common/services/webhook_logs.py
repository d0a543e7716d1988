"""What became of a webhook's deliveries: find them, and every attempt with its timings and the receiver's words."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import Connection

from common.clock import rfc3339
from common.db.keyset import Page, Turn, read_page
from common.db.session import rows
from common.domain.errors import NotFound
from common.domain.ids import encode
from common.domain.principals import Principal
from common.services import messages, subscriptions


@dataclass(frozen=True, slots=True)
class Filters:
    """What a list shows; empty and None stand for everything."""

    states: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    message_id: UUID | None = None
    event_id: UUID | None = None
    replay_id: UUID | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None


_SELECT = """
SELECT d.*, h.breaker, a.epoch, a.number, a.started_at, a.ended_at AS attempt_ended_at, a.status, a.error, a.response,
       a.ip, a.dns_ms, a.connect_ms, a.tls_ms, a.first_byte_ms, a.total_ms, d.next_attempt_at > now() AS early
  FROM webhook_deliveries d LEFT JOIN webhook_health h ON h.webhook_id = d.webhook_id
  LEFT JOIN LATERAL (SELECT * FROM webhook_attempts a WHERE a.delivery_id = d.id ORDER BY epoch DESC LIMIT 1) a
         ON true"""
_OF_WEBHOOK = f"{_SELECT} WHERE d.webhook_id = %s"
_OF_MESSAGE = f"{_SELECT} WHERE d.message_id = %s ORDER BY d.seq, d.id LIMIT {{most}}"
MOST_OF_MESSAGE = 200


def _moment(moment: datetime | None) -> str | None:
    return None if moment is None else rfc3339(moment)


def _waiting_for(row: Any) -> str | None:
    """In one word, why a delivery has not been posted yet."""
    if row.state == "held":
        return "enable"
    if row.state != "waiting":
        return None
    if row.lease_until is not None:
        return "answer"
    if row.parked:
        return "capacity" if row.breaker == "closed" else "breaker"
    return "next_attempt" if row.early else "worker"


def _shown(row: Any) -> dict[str, Any]:
    return {
        "id": encode("whd", row.id),
        "webhook_id": encode("whk", row.webhook_id),
        "event_id": encode("evt", row.event_id),
        "type": row.type,
        "message_id": encode("msg", row.message_id) if row.message_id else None,
        "seq": row.seq,
        "state": row.state,
        "waiting_for": _waiting_for(row),
        "attempts": row.attempt_no,
        "next_attempt_at": rfc3339(row.next_attempt_at) if row.state == "waiting" and not row.parked else None,
        "replay_id": encode("job", row.replay_id) if row.replay_id else None,
        "created_at": rfc3339(row.created_at),
        "ended_at": _moment(row.ended_at),
        "last_attempt": _attempt(row, row.attempt_ended_at) if row.epoch is not None else None,
    }


def _attempt(row: Any, ended_at: datetime | None) -> dict[str, Any]:
    return {
        "number": row.number,
        "started_at": rfc3339(row.started_at),
        "ended_at": _moment(ended_at),
        "status": row.status,
        "error": row.error,
        "response": row.response,
        "ip": row.ip,
        "timings": {
            name: None if getattr(row, f"{name}_ms") is None else round(getattr(row, f"{name}_ms"), 2)
            for name in ("dns", "connect", "tls", "first_byte", "total")
        },
    }


def find(
    connection: Connection,
    principal: Principal,
    webhook_id: UUID,
    filters: Filters,
    *,
    limit: int,
    turn: Turn | None = None,
) -> Page:
    """One page of a webhook's deliveries, newest first, each with its last attempt. Raises NotFound."""
    subscriptions.get(connection, principal, webhook_id)
    where, parameters = "", [webhook_id]
    given: list[tuple[str, Any]] = [
        ("d.state = ANY(%s)", list(filters.states) or None),
        ("d.type = ANY(%s)", list(filters.types) or None),
        ("d.message_id = %s", filters.message_id),
        ("d.event_id = %s", filters.event_id),
        ("d.replay_id = %s", filters.replay_id),
        ("d.created_at >= %s", filters.created_after),
        ("d.created_at < %s", filters.created_before),
    ]
    for condition, value in given:
        if value is not None:
            where += f" AND {condition}"
            parameters.append(value)
    order = ("d.created_at", "d.id")
    return read_page(connection, _OF_WEBHOOK + where, parameters, _shown, limit=limit, turn=turn, order=order)


def of_message(connection: Connection, principal: Principal, message_id: UUID) -> list[dict[str, Any]]:
    """What webhooks were told of one message, in its order, the first MOST_OF_MESSAGE. Raises NotFound."""
    messages.get(connection, principal, message_id)
    return [_shown(row) for row in rows(connection, _OF_MESSAGE.format(most=MOST_OF_MESSAGE), message_id)]


def get(connection: Connection, principal: Principal, webhook_id: UUID, delivery_id: UUID) -> dict[str, Any]:
    """One delivery with its payload. Raises NotFound."""
    row = _row(connection, principal, webhook_id, delivery_id)
    return _shown(row) | {"payload": orjson.loads(row.payload)}


def _row(connection: Connection, principal: Principal, webhook_id: UUID, delivery_id: UUID) -> Any:
    subscriptions.get(connection, principal, webhook_id)
    found = rows(connection, f"{_OF_WEBHOOK} AND d.id = %s", webhook_id, delivery_id)
    if not found:
        raise NotFound("This webhook has no delivery with this id.")
    return found[0]


def attempts(connection: Connection, principal: Principal, webhook_id: UUID, delivery_id: UUID) -> list[dict[str, Any]]:
    """Every attempt of a delivery, oldest first. Raises NotFound."""
    _row(connection, principal, webhook_id, delivery_id)
    found = rows(connection, "SELECT * FROM webhook_attempts WHERE delivery_id = %s ORDER BY epoch", delivery_id)
    return [_attempt(row, row.ended_at) for row in found]
