"""find, get, timeline, cancel: what a caller reads of messages and may still take back."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from common import clock
from common.db.session import rows
from common.domain.addresses import AddressError, parse_address
from common.domain.errors import DomainError, NotCancellable, NotFound
from common.domain.events import public_event
from common.domain.ids import encode
from common.domain.principals import Principal
from common.domain.tiers import TIERS
from common.services import lifecycle
from common.services.lifecycle import Change

Position = tuple[datetime, UUID]

_COLUMNS = """
SELECT m.*, c.sender, c.recipient_name, c.subject, c.template_slug, c.template_version, c.tags, c.metadata,
       c.idempotency_key, c.locale, c.request_id, s.name AS source_name,
       e.type AS event_type, e.timestamp AS event_at
  FROM messages m JOIN message_contents c ON c.message_id = m.id
  LEFT JOIN sources s ON s.id = m.source_id
  LEFT JOIN events e ON e.message_id = m.id AND e.seq = m.event_seq
"""


def find(
    connection: Connection,
    principal: Principal,
    *,
    statuses: Sequence[str] = (),
    recipient: str | None = None,
    created_after: datetime | None = None,
    created_before: datetime | None = None,
    tag: str | None = None,
    template: str | None = None,
    idempotency_key: str | None = None,
    limit: int = 25,
    before: Position | None = None,
) -> tuple[list[dict[str, Any]], bool, Position | None]:
    """Newest first; answers messages, whether more follow, and the position after the last."""
    conditions, parameters = (
        ["m.account_id = %s", "m.environment = %s"],
        [principal.account_id, principal.environment],
    )
    given: list[tuple[str, Any]] = [
        ("m.status = ANY(%s)", list(statuses) or None),
        ("m.recipient_key = %s", recipient and _key_of(recipient)),
        ("m.created_at >= %s", created_after),
        ("m.created_at < %s", created_before),
        ("%s = ANY(c.tags)", tag),
        ("c.template_slug = %s", template),
        ("c.idempotency_key = %s", idempotency_key),
    ]
    for condition, value in given:
        if value is not None:
            conditions.append(condition)
            parameters.append(value)
    if before is not None:
        conditions.append("(m.created_at, m.id) < (%s, %s)")
        parameters.extend(before)
    sql = f"{_COLUMNS} WHERE {' AND '.join(conditions)} ORDER BY m.created_at DESC, m.id DESC LIMIT {int(limit) + 1}"
    found = rows(connection, sql, *parameters)
    page = found[:limit]
    more = len(found) > limit
    last = (page[-1].created_at, page[-1].id) if more else None
    return [_public(row) for row in page], more, last


def get(connection: Connection, principal: Principal, message_id: UUID) -> dict[str, Any]:
    """One message. Raises NotFound, also for another account's or environment's."""
    return _public(_row(connection, principal, message_id))


_EVENTS = """
SELECT e.id, e.message_id, e.seq, e.type, e.timestamp, e.environment, c.tags, c.metadata, e.data
  FROM events e JOIN message_contents c ON c.message_id = e.message_id WHERE e.message_id = %s ORDER BY e.seq
"""


def timeline(connection: Connection, principal: Principal, message_id: UUID) -> list[dict[str, Any]]:
    """The events of one message in order: the same objects that webhooks carry. Raises NotFound."""
    _row(connection, principal, message_id)
    return [public_event(row) for row in rows(connection, _EVENTS, message_id)]


def cancel(connection: Connection, principal: Principal, ids: Sequence[UUID]) -> list[dict[str, Any] | DomainError]:
    """Take back messages nobody is sending (T5); answers each, or why not. Repeating it is harmless."""
    owned = {row.id: row for row in rows(connection, _OWNED, list(ids), principal.account_id, principal.environment)}
    done = {
        applied.message_id
        for applied in lifecycle.apply(connection, [Change(each, "cancel") for each in sorted(owned)])
    }
    answers: list[dict[str, Any] | DomainError] = []
    for message_id in ids:
        row = owned.get(message_id)
        if row is None:
            answers.append(NotFound("No such message."))
        elif message_id in done or row.status == "cancelled":
            answers.append(get(connection, principal, message_id))
        else:
            state = "being sent" if row.leased else row.status
            answers.append(NotCancellable(f"The message is {state}.", extra={"status": row.status}))
    return answers


_OWNED = """
SELECT id, status, lease_until IS NOT NULL AS leased FROM messages
 WHERE id = ANY(%s::uuid[]) AND account_id = %s AND environment = %s ORDER BY id FOR UPDATE
"""


def _row(connection: Connection, principal: Principal, message_id: UUID) -> Any:
    found = rows(
        connection,
        f"{_COLUMNS} WHERE m.id = %s AND m.account_id = %s AND m.environment = %s",
        message_id,
        principal.account_id,
        principal.environment,
    )
    if not found:
        raise NotFound("No such message.")
    return found[0]


def _key_of(recipient: str) -> str:
    try:
        return parse_address(recipient).key
    except AddressError:
        return recipient.lower()


def _instant(moment: datetime | None) -> str | None:
    return None if moment is None else clock.rfc3339(moment)


def _public(row: Any) -> dict[str, Any]:
    live = row.ended_at is None
    return {
        "message_id": encode("msg", row.id),
        "status": row.status,
        "held": row.held,
        "recipient": row.recipient,
        "from": row.sender,
        "subject": row.subject,
        "template": row.template_slug,
        "template_version": row.template_version,
        "tags": row.tags or [],
        "metadata": row.metadata or {},
        "environment": row.environment,
        "priority": TIERS[row.tier],
        "stream": row.stream,
        "topic": row.topic,
        "attempts": row.attempt_no,
        "last_event": {"type": row.event_type, "seq": row.event_seq, "timestamp": _instant(row.event_at)},
        "next_attempt_at": _instant(row.next_attempt_at) if live else None,
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
    }
