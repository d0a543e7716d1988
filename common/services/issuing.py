"""API keys as their owner manages them: make, list, change, rotate, revoke. Never the proof (services/keys.py).

A key is seen and changed only within its account and environment. Whoever makes, changes or rotates a
key cannot reach further through it than before (domain/granting.py).
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from common.clock import rfc3339
from common.db.keyset import Page, Turn, read_page
from common.db.session import as_json, rows, run
from common.domain.errors import Conflict, Forbidden, NotFound
from common.domain.granting import inherit, overreach
from common.domain.ids import encode, new_id
from common.domain.principals import Principal
from common.services import keys

MAX_OVERLAP_SECONDS = 7 * 86_400
KEPT_DAYS = 90
STATES = ("active", "expired", "revoked")

_CHANGEABLE = (
    "name", "scopes", "sender_domains", "templates", "streams", "tags", "cidrs", "default_sender",
    "requests_per_minute", "require_idempotency", "expires_at",
)  # fmt: skip
_SELECT = """
SELECT * FROM (SELECT k.*, CASE WHEN revoked_at IS NOT NULL THEN 'revoked' WHEN expires_at <= now() THEN 'expired'
                           ELSE 'active' END AS state FROM api_keys k) k
 WHERE account_id = %s AND environment = %s AND user_id IS NULL
"""
_INSERT = """
INSERT INTO api_keys (id, account_id, kid, secret_hash, created_by, environment, name, scopes, sender_domains,
  templates, streams, tags, cidrs, default_sender, requests_per_minute, require_idempotency, expires_at)
SELECT %s, %s, %s, %s, %s, %s, x.* FROM json_to_record(%s) AS x(name text, scopes text[], sender_domains text[],
  templates text[], streams text[], tags text[], cidrs text[], default_sender text, requests_per_minute integer,
  require_idempotency boolean, expires_at timestamptz)
"""
_CHANGE = """
UPDATE api_keys k SET (name, scopes, sender_domains, templates, streams, tags, cidrs, default_sender,
  requests_per_minute, require_idempotency, expires_at) = (SELECT x.* FROM json_to_record(%s) AS x(name text,
  scopes text[], sender_domains text[], templates text[], streams text[], tags text[], cidrs text[],
  default_sender text, requests_per_minute integer, require_idempotency boolean, expires_at timestamptz))
 WHERE id = %s
"""


def _shown(row: Any) -> dict[str, Any]:
    moments = ("created_at", "expires_at", "revoked_at", "last_used_at", "previous_until")
    told = {name: None if getattr(row, name) is None else rfc3339(getattr(row, name)) for name in moments}
    return {
        "id": encode("key", row.id),
        "prefix": f"sk_{row.environment}_sdx_{row.kid}",
        "environment": row.environment,
        "state": row.state,
        **{name: getattr(row, name) for name in _CHANGEABLE if name != "expires_at"},
        "created_by": encode("key", row.created_by) if row.created_by else None,
        "last_used_ip": row.last_used_ip,
        **told,
    }


def create(connection: Connection, giver: Principal, fields: Mapping[str, Any]) -> dict[str, Any]:
    """A new key of the giver's account, with its `secret`. Raises Forbidden when it would reach further."""
    wanted = inherit(giver, {"environment": giver.environment, **fields})
    _refuse_overreach(giver, wanted)
    return create_for(connection, giver.account_id, wanted, created_by=giver.key_id)


def create_for(
    connection: Connection, account_id: UUID, fields: Mapping[str, Any], *, created_by: UUID | None = None
) -> dict[str, Any]:
    """A new key of any account, for an operator; answers it with its `secret`, which is stored nowhere."""
    environment, key_id = fields["environment"], new_id()
    kid, token, secret_hash = keys.draw(environment)
    run(
        connection, _INSERT, key_id, account_id, kid, secret_hash, created_by, environment,
        as_json({name: fields.get(name) for name in _CHANGEABLE} | {
            "name": fields.get("name") or "", "require_idempotency": bool(fields.get("require_idempotency")),
        }),
    )  # fmt: skip
    return _shown(_row(connection, account_id, environment, key_id)) | {"secret": token}


def _refuse_overreach(giver: Principal, key: Mapping[str, Any]) -> None:
    faults = overreach(giver, key)
    if faults:
        raise Forbidden(
            "A key cannot hand out more than it has: leave out what `errors` names, or use a key that has it.",
            code="cannot_grant",
            errors=faults,
        )


def _row(connection: Connection, account_id: UUID, environment: str, key_id: UUID, lock: bool = False) -> Any:
    if lock:
        rows(connection, "SELECT id FROM api_keys WHERE id = %s FOR UPDATE", key_id)
    found = rows(connection, f"{_SELECT} AND id = %s", account_id, environment, key_id)
    if not found:
        raise NotFound("There is no API key with this id.")
    return found[0]


def get(connection: Connection, principal: Principal, key_id: UUID) -> dict[str, Any]:
    """One key, revoked ones too while they are kept. Raises NotFound."""
    return _shown(_row(connection, principal.account_id, principal.environment, key_id))


def find(
    connection: Connection, principal: Principal, *, states: list[str], limit: int, turn: Turn | None = None
) -> Page:
    """Keys of this environment, newest first; without `states`, all that are not revoked."""
    return find_of(connection, principal.account_id, principal.environment, states=states, limit=limit, turn=turn)


def find_of(
    connection: Connection,
    account_id: UUID,
    environment: str,
    *,
    states: list[str],
    limit: int,
    turn: Turn | None = None,
) -> Page:
    """As `find`, for an operator."""
    select = f"{_SELECT} AND state = ANY(%s)"
    parameters = (account_id, environment, states or ["active", "expired"])
    return read_page(connection, select, parameters, _shown, limit=limit, turn=turn)


def change(connection: Connection, giver: Principal, key_id: UUID, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Change name, scopes or restrictions; None lifts a restriction. In force everywhere within 5 s.

    Raises NotFound, Forbidden when it would reach further, Conflict for a revoked key.
    """
    row = _row(connection, giver.account_id, giver.environment, key_id, lock=True)
    _refuse_dead(row, "changed")
    wanted = {name: getattr(row, name) for name in _CHANGEABLE} | dict(fields)
    _refuse_overreach(giver, wanted | {"environment": row.environment})
    run(connection, _CHANGE, as_json(wanted), key_id)
    keys.forget_one(row.kid)
    return get(connection, giver, key_id)


def rotate(
    connection: Connection, giver: Principal, key_id: UUID, *, overlap_seconds: int, now: datetime
) -> dict[str, Any]:
    """A new secret for the same key; the one before counts for `overlap_seconds` more.

    Answers the key with `secret`. A second rotation ends the overlap of the first. Raises NotFound,
    Forbidden for a key that reaches further than the giver (its secret would be handed over), Conflict.
    """
    row = _row(connection, giver.account_id, giver.environment, key_id, lock=True)
    _refuse_dead(row, "rotated")
    _refuse_overreach(giver, {name: getattr(row, name) for name in (*_CHANGEABLE, "environment")})
    _, token, secret_hash = keys.draw(row.environment, row.kid)
    run(
        connection,
        "UPDATE api_keys SET previous_hash = CASE WHEN %s > 0 THEN secret_hash END, previous_until = %s,"
        " secret_hash = %s WHERE id = %s",
        overlap_seconds, now + timedelta(seconds=overlap_seconds) if overlap_seconds else None, secret_hash, key_id,
    )  # fmt: skip
    keys.forget_one(row.kid)
    return get(connection, giver, key_id) | {"secret": token}


def _refuse_dead(row: Any, verb: str) -> None:
    if row.state == "revoked":
        raise Conflict(f"The key is revoked and cannot be {verb}: make a new one.")


def revoke(connection: Connection, principal: Principal, key_id: UUID, *, now: datetime) -> None:
    """End a key for good; in force everywhere within 5 s, harmless to repeat. Raises NotFound."""
    row = _row(connection, principal.account_id, principal.environment, key_id)
    run(connection, "UPDATE api_keys SET revoked_at = coalesce(revoked_at, %s) WHERE id = %s", now, key_id)
    keys.forget_one(row.kid)


def prune(connection: Connection) -> int:
    """Remove keys that ended over 90 days ago, and secrets whose overlap is over; answers how many keys."""
    run(connection, "UPDATE api_keys SET previous_hash = NULL, previous_until = NULL WHERE previous_until <= now()")
    return run(
        connection,
        "DELETE FROM api_keys WHERE least(revoked_at, expires_at) < now() - make_interval(days => %s)",
        KEPT_DAYS,
    )
