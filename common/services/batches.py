"""accept_batch(...): many messages of one request in one transaction, written by the statement that accepts one.

All or nothing, or what can be accepted (`partial`). Never here: shapes, HTTP, what makes one message valid.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from common import clock
from common.config import Settings, current_settings
from common.db.session import rows, run, transaction
from common.domain import traceparents
from common.domain.errors import DomainError, FieldError, Forbidden, InvalidFields, KeyReused
from common.domain.fingerprints import fingerprint
from common.domain.ids import encode, new_id
from common.domain.principals import Principal
from common.services import writing
from common.services.composing import Draft, compose
from common.services.idempotency import Claim
from common.services.writing import Answer

ROUTE = "POST /v1/messages/batch"
MOST_ITEMS = 1000


@dataclass(frozen=True, slots=True)
class Item:
    """One message of a batch: its validated fields and its own Idempotency-Key, or why it has none."""

    fields: dict[str, Any]
    idempotency_key: str | None = None
    error: DomainError | None = None


@dataclass(frozen=True, slots=True)
class _Batch:
    id: UUID
    principal: Principal
    request_id: str
    partial: bool


def accept_batch(
    principal: Principal,
    items: Sequence[Item],
    *,
    partial: bool,
    idempotency_key: str | None,
    request_id: str,
    traceparent: str | None = None,
) -> Answer:
    """Accept the items of a batch; 202 with `batch_id` and one entry for each, in order.

    Without `partial`, the first fault of any item refuses the whole (InvalidFields and Forbidden name every
    faulty place). Unavailable means that nothing was written and the same key may be retried.
    """
    if principal.paused:
        raise Forbidden("This account is paused.", code="account_paused")
    settings = current_settings()
    batch = _Batch(new_id(), principal, request_id, partial)
    whole = fingerprint({"items": [item.fields | {"idempotency_key": item.idempotency_key} for item in items],
                         "partial": partial}) if idempotency_key else ""  # fmt: skip
    drafts, faults = _compose_all(settings, batch, items)
    for draft in drafts.values():
        draft.row["traceparent"] = traceparents.read(traceparent)
    if faults and not partial:
        claim = Claim(principal, ROUTE, idempotency_key or "", whole, request_id)
        known = writing.remembered(settings, claim) if idempotency_key else None
        if known is None:
            raise _together(faults)
        return known
    try:
        with transaction() as connection:
            run(connection, "SET LOCAL lock_timeout = '2s'")
            answer, written = _write(connection, settings, batch, idempotency_key, whole, drafts, faults)
    except DBAPIError as error:
        raise writing.refusal_of(error) from error
    except SQLAlchemyError as error:
        raise writing.unreachable() from error
    writing.leave_tickets([draft for draft in drafts.values() if draft.id in written], written)
    return answer


def _compose_all(
    settings: Settings, batch: _Batch, items: Sequence[Item]
) -> tuple[dict[int, Draft], dict[int, DomainError]]:
    drafts: dict[int, Draft] = {}
    faults: dict[int, DomainError] = {}
    first: dict[str, int] = {}
    now = clock.now()
    for number, item in enumerate(items):
        key = item.idempotency_key
        try:
            if item.error is not None:
                raise item.error
            if key is not None and first.setdefault(key, number) != number:
                raise InvalidFields([FieldError("idempotency_key", "duplicate", f"is that of messages.{first[key]}")])
            drafts[number] = compose(settings, batch.principal, item.fields, key, batch.request_id, now)
            drafts[number].row["batch_id"] = batch.id
        except DomainError as error:
            faults[number] = error
    return drafts, faults


def _together(faults: dict[int, DomainError]) -> DomainError:
    """One error for the request; each place is told with the number of its message."""
    errors = [
        replace(each, field=f"messages.{number}.{each.field}")
        for number, fault in sorted(faults.items())
        for each in fault.errors or (FieldError("", "conflict", fault.detail),)
    ]
    worst = next((fault for fault in faults.values() if not isinstance(fault, InvalidFields)), None)
    if worst is None:
        return InvalidFields(errors)
    return type(worst)(worst.detail, code=worst.code, errors=errors, extra=worst.extra)


def _write(
    connection: Connection,
    settings: Settings,
    batch: _Batch,
    key: str | None,
    whole: str,
    drafts: dict[int, Draft],
    faults: dict[int, DomainError],
) -> tuple[Answer, dict[UUID, list[UUID]]]:
    if key is not None and not _take_key(connection, settings, batch, key, whole):
        return _replay(connection, batch, key, whole), {}
    written = writing.write(connection, settings, list(drafts.values()))
    earlier = writing.recall(connection, [draft for draft in drafts.values() if draft.id not in written])
    entries: dict[int, dict[str, Any]] = {}
    for number, draft in drafts.items():
        if draft.id in written:
            entries[number] = draft.public
            continue
        try:
            found = writing.replayed(draft, earlier)
            entries[number] = {**orjson.loads(found.body), "replayed": True}
        except KeyReused as fault:
            faults[number] = KeyReused(fault.detail, errors=[_REUSED], extra=fault.extra)
    if faults and not batch.partial:
        raise _together(faults)
    body = _answer(batch, entries, faults)
    if key is not None:
        run(connection, _KEEP_ANSWER, settings.accept_status, body.decode(), *_identity(batch, key))
    return Answer(settings.accept_status, body), written


_REUSED = FieldError("idempotency_key", "conflict", "was used with another payload: use a new one")


def _answer(batch: _Batch, entries: dict[int, dict[str, Any]], faults: dict[int, DomainError]) -> bytes:
    data = [
        {"index": number, **entries[number]} if number in entries else {"index": number, "error": _told(faults[number])}
        for number in sorted([*entries, *faults])
    ]
    counts = {"accepted": len(entries), "rejected": len(faults)}
    return orjson.dumps({"batch_id": encode("bat", batch.id), **counts, "data": data})


def _told(fault: DomainError) -> dict[str, Any]:
    errors = [
        {"field": each.field, "pointer": each.pointer, "code": each.code, "message": each.message}
        for each in fault.errors
    ]
    return {"status": fault.status, "code": fault.code, "detail": fault.detail, "errors": errors}


_TAKE_KEY = """
INSERT INTO idempotency_keys AS k (account_id, environment, route, key, fingerprint, message_id, request_id, status,
                                   response)
VALUES (%s, %s, %s, %s, decode(%s, 'hex'), %s, %s, %s, '')
ON CONFLICT (account_id, environment, route, key) DO UPDATE
   SET fingerprint = excluded.fingerprint, message_id = excluded.message_id, request_id = excluded.request_id,
       status = excluded.status, response = excluded.response, created_at = now()
 WHERE k.created_at <= now() - make_interval(hours => %s)
"""

_KEEP_ANSWER = """
UPDATE idempotency_keys SET status = %s, response = %s
 WHERE account_id = %s AND environment = %s AND route = %s AND key = %s
"""

_READ_KEY = """
SELECT encode(fingerprint, 'hex') AS fingerprint, status, response, request_id FROM idempotency_keys
 WHERE account_id = %s AND environment = %s AND route = %s AND key = %s
"""


def _identity(batch: _Batch, key: str) -> tuple[Any, ...]:
    return batch.principal.account_id, batch.principal.environment, ROUTE, key


def _take_key(connection: Connection, settings: Settings, batch: _Batch, key: str, whole: str) -> bool:
    """Whether this is the first request with its key; a second one waits here for the first to end."""
    values = (*_identity(batch, key), whole, batch.id, batch.request_id, settings.accept_status)
    return run(connection, _TAKE_KEY, *values, settings.idempotency_hours) == 1


def _replay(connection: Connection, batch: _Batch, key: str, whole: str) -> Answer:
    found = rows(connection, _READ_KEY, *_identity(batch, key))
    if not found:
        raise writing.unreachable()
    if found[0].fingerprint != whole:
        detail = f"This Idempotency-Key was used with another payload by {found[0].request_id}. Use a new key."
        raise KeyReused(detail, extra={"first_request_id": found[0].request_id})
    return Answer(found[0].status, found[0].response.encode(), replayed=True)
