"""resend(...): a new message with the content of an old one, pinned template version included, linked to it.

Never here: whether the old one ended; any message may be sent once more.
"""

import base64
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from common import clock
from common.config import current_settings
from common.db.session import rows
from common.domain.addresses import parse_address
from common.domain.errors import ContentPurged, DomainError, Forbidden, NotFound
from common.domain.fingerprints import fingerprint
from common.domain.ids import encode, new_id
from common.domain.principals import Principal
from common.domain.restrictions import check_restrictions
from common.services.composing import Draft
from common.services.identities import check_sender

_ORIGINALS = """
SELECT m.tier, m.recipient, m.recipient_key, m.recipient_domain, m.stream, m.topic, c.*
  FROM messages m JOIN message_contents c ON c.message_id = m.id
 WHERE m.id = ANY(%s::uuid[]) AND m.account_id = %s AND m.environment = %s
"""

_KEPT = (
    "tier", "recipient", "recipient_key", "recipient_domain", "recipient_name", "stream", "topic", "sender", "subject",
    "html", "text", "template_id", "template_slug", "template_version", "template_data", "locale", "cc", "bcc",
    "reply_to", "headers", "attachments", "metadata", "tags", "sensitive",
)  # fmt: skip


def copy(
    connection: Connection,
    principal: Principal,
    ids: Sequence[UUID],
    *,
    request_id: str,
    idempotency_key: str | None = None,
) -> list[Draft | DomainError]:
    """Drafts of new messages, in the order of `ids`; NotFound or ContentPurged where there can be none.

    A ttl is not repeated: the old one has passed. `idempotency_key` is for a single id.
    """
    found = {
        row.message_id: row
        for row in rows(connection, _ORIGINALS, list(ids), principal.account_id, principal.environment)
    }
    made: list[Draft | DomainError] = []
    for message_id in ids:
        row = found.get(message_id)
        if row is None:
            made.append(NotFound("No such message."))
        elif row.purged_at is not None:
            made.append(ContentPurged("The content was removed, so the message cannot be sent again."))
        else:
            try:
                _check(principal, row)
                made.append(_draft(principal, row, request_id, idempotency_key))
            except DomainError as error:
                made.append(error)
    return made


def _check(principal: Principal, original: Any) -> None:
    """Who repeats a message must be allowed to send it. Raises Forbidden."""
    if principal.paused:
        raise Forbidden("This account is paused.", code="account_paused")
    fields = {"template": original.template_slug, "tags": original.tags, "stream": original.stream}
    check_restrictions(principal, fields)
    check_sender(current_settings(), principal, parse_address(original.sender["email"]))


def _draft(principal: Principal, original: Any, request_id: str, key: str | None) -> Draft:
    message_id, event_id, now = new_id(), new_id(), clock.now()
    public_id = encode("msg", message_id)
    row: dict[str, Any] = {name: getattr(original, name) for name in _KEPT} | {
        "id": message_id,
        "public_id": public_id,
        "event_id": event_id,
        "event_public_id": encode("evt", event_id),
        "account_id": principal.account_id,
        "environment": principal.environment,
        "status": "queued",
        "created_at": now,
        "starts": now,
        "key_id": principal.key_id,
        "request_id": request_id,
        "idempotency_key": key,
        "original_id": original.message_id,
    }
    if original.mime is not None:
        row["mime"] = base64.b64encode(bytes(original.mime)).decode()
    public = {
        "message_id": public_id,
        "status": "queued",
        "recipient": original.recipient,
        "created_at": clock.rfc3339(now),
    }
    told = fingerprint({"resend": str(original.message_id)}) if key else ""
    size = sum(len(each["content"]) for each in original.attachments or ())
    return Draft(message_id, row, public, original.tier, False, key, told, size)
