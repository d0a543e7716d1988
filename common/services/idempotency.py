"""take, keep, recall, find: answers that Idempotency-Keys repeat. Key and deed share the caller's transaction.

An answer that holds a secret is kept sealed. Messages take their keys in their own statement
(accepting.py), into the same table. Never here: where in a request a key stands.
"""

import base64
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import Connection

from common.clock import rfc3339
from common.config import Settings
from common.db.session import rows, run
from common.domain.errors import KeyReused, NotFound
from common.domain.ids import encode
from common.domain.principals import Principal
from common.sealing import CannotOpen, seal, unseal

_SEALED = "sealed:"


@dataclass(frozen=True, slots=True)
class Claim:
    """A key of one account and environment on one route, with the payload it came with (its SHA-256 in hex)."""

    principal: Principal
    route: str
    key: str
    fingerprint: str
    request_id: str

    @property
    def identity(self) -> tuple[Any, ...]:
        return self.principal.account_id, self.principal.environment, self.route, self.key

    @property
    def owner(self) -> str:
        """What a sealed answer belongs to."""
        return " ".join(["idempotency", *map(str, self.identity)])


@dataclass(frozen=True, slots=True)
class Kept:
    """The first answer of a key."""

    status: int
    body: bytes


_NO_MESSAGE = UUID(int=0)
"""In the place of a message's id for requests that make something else."""

_TAKE = """
INSERT INTO idempotency_keys AS k (account_id, environment, route, key, fingerprint, request_id, message_id, status,
                                   response)
VALUES (%s, %s, %s, %s, decode(%s, 'hex'), %s, %s, 0, '')
ON CONFLICT (account_id, environment, route, key) DO UPDATE
   SET fingerprint = excluded.fingerprint, message_id = excluded.message_id, request_id = excluded.request_id,
       status = 0, response = '', created_at = now()
 WHERE k.created_at <= now() - make_interval(hours => %s)
"""


def take(connection: Connection, settings: Settings, claim: Claim) -> Kept | None:
    """None for the first request with its key, which must `keep` its answer; a later one gets that answer.

    Waits at most 2 s for a first one that is still running. Raises KeyReused; a DBAPIError says that it still runs.
    """
    run(connection, "SET LOCAL lock_timeout = '2s'")
    values = (*claim.identity, claim.fingerprint, claim.request_id, _NO_MESSAGE, settings.idempotency_hours)
    if run(connection, _TAKE, *values) == 1:
        return None
    return recall(connection, settings, claim)


_KEEP = """
UPDATE idempotency_keys SET status = %s, response = %s
 WHERE account_id = %s AND environment = %s AND route = %s AND key = %s
"""


def keep(connection: Connection, settings: Settings, claim: Claim, answer: Kept) -> None:
    """Remember the answer of a key that was taken in this transaction, sealed: it may hold a secret."""
    sealed = _SEALED + base64.b64encode(seal(settings, answer.body, claim.owner)).decode()
    run(connection, _KEEP, answer.status, sealed, *claim.identity)


_RECALL = """
SELECT encode(fingerprint, 'hex') AS fingerprint, status, response, request_id FROM idempotency_keys
 WHERE account_id = %s AND environment = %s AND route = %s AND key = %s
   AND created_at > now() - make_interval(hours => %s)
"""


def recall(connection: Connection, settings: Settings, claim: Claim) -> Kept | None:
    """The answer that a key repeats, or None when nothing was answered with it. Raises KeyReused."""
    found = rows(connection, _RECALL, *claim.identity, settings.idempotency_hours)
    if not found:
        return None
    row = found[0]
    if row.fingerprint != claim.fingerprint:
        detail = f"This Idempotency-Key was used with another payload by {row.request_id}. Use a new key."
        raise KeyReused(detail, extra={"first_request_id": row.request_id})
    return Kept(row.status, _opened(settings, row.response, claim.owner))


def _opened(settings: Settings, response: str, owner: str) -> bytes:
    if not response.startswith(_SEALED):
        return response.encode()
    try:
        return unseal(settings, base64.b64decode(response.removeprefix(_SEALED)), owner)
    except CannotOpen as error:
        raise KeyReused("This Idempotency-Key was answered under a sealing key that is gone. Use a new key.") from error


_FIND = """
SELECT route, key, status, response, message_id, request_id, created_at FROM idempotency_keys
 WHERE account_id = %s AND environment = %s AND key = %s AND (%s::text IS NULL OR route = %s)
   AND created_at > now() - make_interval(hours => %s) ORDER BY created_at DESC LIMIT 1
"""
_KINDS = {"POST /v1/messages/batch": "bat"}


def find(
    connection: Connection, settings: Settings, principal: Principal, key: str, route: str | None
) -> dict[str, Any]:
    """What a key was used for, newest first where several routes know it. Raises NotFound."""
    hours = settings.idempotency_hours
    found = rows(connection, _FIND, principal.account_id, principal.environment, key, route, route, hours)
    if not found:
        raise NotFound("No request of this environment was answered with this key, or its time has passed.")
    row = found[0]
    made = None if row.message_id == _NO_MESSAGE else encode(_KINDS.get(row.route, "msg"), row.message_id)
    return {
        "key": row.key,
        "route": row.route,
        "request_id": row.request_id,
        "status": row.status,
        "message_id": made if made and made.startswith("msg_") else None,
        "batch_id": made if made and made.startswith("bat_") else None,
        "answer": None if row.response.startswith(_SEALED) else orjson.loads(row.response or "null"),
        "created_at": rfc3339(row.created_at),
        "expires_at": rfc3339(row.created_at + timedelta(hours=hours)),
    }
