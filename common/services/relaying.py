"""relay(...): one submitted mail becomes a message for each envelope recipient, by the verbs that the API uses.

One recipient shares its commit with others (accept); several are one transaction, all or none (accept_batch).
Never here: SMTP, reading the mail (domain/submissions).
"""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from common.domain.addresses import Address
from common.domain.errors import InvalidRequest
from common.domain.principals import Principal
from common.domain.submissions.mails import Submission
from common.services.accepting import accept
from common.services.batches import Item, accept_batch


@dataclass(frozen=True, slots=True)
class Relayed:
    """The public ids, in the order of the recipients, and whether all were known from an earlier try."""

    ids: tuple[str, ...]
    replayed: bool


def relay(principal: Principal, recipients: Sequence[Address], submission: Submission, *, request_id: str) -> Relayed:
    """Accept a mail for these recipients; returns after the commit. Raises DomainError as the API's verbs do."""
    if principal.require_idempotency and submission.idempotency_key is None:
        raise InvalidRequest("This key requires the header Idempotency-Key.", code="idempotency_key_required")
    common = dict(submission.fields) | {"channel": "smtp"}
    if submission.mime is not None:
        common["mime"] = base64.b64encode(submission.mime).decode()
    items = [Item(common | {"recipient": {"email": each.email, "name": None}}, _key(submission, each, len(recipients)))
             for each in recipients]  # fmt: skip
    if len(items) == 1:
        answer = accept(principal, items[0].fields, idempotency_key=items[0].idempotency_key, request_id=request_id)
        return Relayed((orjson.loads(answer.body)["message_id"],), answer.replayed)
    answer = accept_batch(principal, items, partial=False, idempotency_key=None, request_id=request_id)
    entries: list[dict[str, Any]] = orjson.loads(answer.body)["data"]
    return Relayed(tuple(each["message_id"] for each in entries), all(each.get("replayed", False) for each in entries))


def _key(submission: Submission, recipient: Address, of: int) -> str | None:
    """The mail's own key; where one mail becomes several messages, each has its part of it."""
    key = submission.idempotency_key
    if key is None or of == 1:
        return key
    return f"{key[:190]}:{hashlib.sha256(f'{key} {recipient.key}'.encode()).hexdigest()}"
