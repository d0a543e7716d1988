"""People of an account: invite, find, change, remove, and the one-time links that let them in.

Every person has two keys without a secret, one an environment: what they do is done by those, so work that goes on
after a request, and whatever names its author, needs no second kind of caller. Never here: sessions (sessions.py).
"""

import hashlib
import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from common.clock import rfc3339
from common.db.keyset import Page, Turn, read_page
from common.db.session import rows, run
from common.domain.errors import Conflict, FieldError, Forbidden, NotFound
from common.domain.ids import encode, new_id
from common.domain.principals import Principal
from common.domain.roles import scopes_of
from common.services import keys

INVITATION_HOURS = 72
ENVIRONMENTS = ("live", "test")

_SELECT = "SELECT * FROM users WHERE account_id = %s AND removed_at IS NULL"


def shown(row: Any) -> dict[str, Any]:
    """A person as callers see them."""
    state = "active" if row.password_hash or row.signed_in_at else "invited"
    return {
        "id": encode("usr", row.id),
        "email": row.email,
        "name": row.name,
        "role": row.role,
        "admin": row.admin,
        "state": state,
        "created_at": rfc3339(row.created_at),
        "created_by": encode("key", row.created_by) if row.created_by else None,
        "signed_in_at": rfc3339(row.signed_in_at) if row.signed_in_at else None,
        "invitation_expires_at": rfc3339(row.link_until) if row.link_hash and row.link_until else None,
    }


def invite(connection: Connection, giver: Principal, fields: Mapping[str, Any], *, now: datetime) -> dict[str, Any]:
    """A new person, with the `invitation` that lets them choose a password.

    Raises Forbidden when the role reaches further than the giver, Conflict when the address has a person here.
    """
    _refuse_overreach(giver, fields["role"], bool(fields.get("admin")))
    user_id = create(connection, giver.account_id, fields, created_by=giver.key_id)
    token = make_link(connection, user_id, "password", now=now, hours=INVITATION_HOURS)
    return get(connection, giver, user_id) | {"invitation": token}


def create(
    connection: Connection, account_id: UUID, fields: Mapping[str, Any], *, created_by: UUID | None = None
) -> UUID:
    """A person with their two keys, for an operator. Raises Conflict when the address has a person here."""
    user_id = new_id()
    made = run(
        connection,
        "INSERT INTO users (id, account_id, email, email_key, name, role, admin, created_by)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT (email_key) DO NOTHING",
        user_id, account_id, fields["email"], fields["email"].lower(), fields.get("name") or "", fields["role"],
        bool(fields.get("admin")), created_by,
    )  # fmt: skip
    if not made:
        raise Conflict("Somebody with this address is a user of this installation already.")
    for environment in ENVIRONMENTS:
        kid, _, secret_hash = keys.draw(environment)  # the token is dropped here: nobody can have it
        run(
            connection,
            "INSERT INTO api_keys (id, account_id, kid, secret_hash, name, environment, scopes, user_id)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
            new_id(), account_id, kid, secret_hash, fields["email"], environment, [], user_id,
        )  # fmt: skip
    settle_scopes(connection, user_id)
    return user_id


def settle_scopes(connection: Connection, user_id: UUID) -> None:
    """Give a person's keys the scopes that their role has now."""
    (row,) = rows(connection, "SELECT role, admin FROM users WHERE id = %s", user_id)
    scopes = sorted(scopes_of(row.role, admin=row.admin))
    run(connection, "UPDATE api_keys SET scopes = %s WHERE user_id = %s", scopes, user_id)


def find(connection: Connection, principal: Principal, *, limit: int, turn: Turn | None = None) -> Page:
    """People of the account, newest first."""
    return find_of(connection, principal.account_id, limit=limit, turn=turn)


def find_of(connection: Connection, account_id: UUID, *, limit: int, turn: Turn | None = None) -> Page:
    """As `find`, for an operator."""
    return read_page(connection, _SELECT, (account_id,), shown, limit=limit, turn=turn)


def get(connection: Connection, principal: Principal, user_id: UUID) -> dict[str, Any]:
    """One person. Raises NotFound."""
    return shown(_row(connection, principal, user_id))


def of_address(connection: Connection, email: str) -> Any:
    """The row of whoever has this address; None when nobody has."""
    found = rows(connection, "SELECT * FROM users WHERE email_key = %s AND removed_at IS NULL", email.lower())
    return found[0] if found else None


def change(connection: Connection, giver: Principal, user_id: UUID, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Change name or role; in force with the next request. Raises NotFound, Forbidden, Conflict for the last owner."""
    row = _manageable(connection, giver, user_id)
    role, admin = fields.get("role", row.role), fields.get("admin", row.admin)
    _refuse_overreach(giver, role, admin)
    if role != "owner":
        _refuse_last_owner(connection, row)
    run(
        connection,
        "UPDATE users SET name = %s, role = %s, admin = %s WHERE id = %s",
        fields.get("name", row.name), role, admin, user_id,
    )  # fmt: skip
    settle_scopes(connection, user_id)
    return get(connection, giver, user_id)


def reinvite(connection: Connection, giver: Principal, user_id: UUID, *, now: datetime) -> dict[str, Any]:
    """A new `invitation`: with it the person chooses another password. The one before is void. Raises as `change`."""
    _manageable(connection, giver, user_id)
    token = make_link(connection, user_id, "password", now=now, hours=INVITATION_HOURS)
    return get(connection, giver, user_id) | {"invitation": token}


def sign_out(connection: Connection, giver: Principal, user_id: UUID) -> int:
    """End every session of a person; answers how many. Raises NotFound, Forbidden."""
    _manageable(connection, giver, user_id)
    return run(connection, "DELETE FROM sessions WHERE user_id = %s", user_id)


def remove(connection: Connection, giver: Principal, user_id: UUID, *, now: datetime) -> None:
    """Let a person in no more, from now on. Raises NotFound, Forbidden, Conflict for the last owner."""
    row = _manageable(connection, giver, user_id)
    _refuse_last_owner(connection, row)
    run(
        connection,
        "UPDATE users SET removed_at = %s, email_key = NULL, password_hash = NULL, link_hash = NULL WHERE id = %s",
        now, user_id,
    )  # fmt: skip
    run(connection, "DELETE FROM sessions WHERE user_id = %s", user_id)
    run(connection, "UPDATE api_keys SET revoked_at = %s WHERE user_id = %s", now, user_id)


def make_link(connection: Connection, user_id: UUID, kind: str, *, now: datetime, hours: int) -> str:
    """The token of a new one-time link (`password` or `sign_in`); whatever link there was is void."""
    token = secrets.token_urlsafe(32)
    run(
        connection,
        "UPDATE users SET link_hash = %s, link_kind = %s, link_until = %s WHERE id = %s",
        hashed(token), kind, now + timedelta(hours=hours), user_id,
    )  # fmt: skip
    return token


def hashed(token: str) -> bytes:
    """What is kept of a token: it is random enough to need no slow hash."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def of_link(connection: Connection, token: str, *, now: datetime, lock: bool = False) -> Any:
    """The row of the person whose link this is, while it counts; None otherwise."""
    sql = "SELECT * FROM users WHERE link_hash = %s AND link_until > %s AND removed_at IS NULL"
    found = rows(connection, sql + (" FOR UPDATE" if lock else ""), hashed(token), now)
    return found[0] if found else None


def use_link(connection: Connection, user_id: UUID, *, name: str | None, password_hash: str | None) -> None:
    """A link is used up; what the person chose with it is kept."""
    run(
        connection,
        "UPDATE users SET link_hash = NULL, link_kind = NULL, link_until = NULL, name = coalesce(%s, name),"
        " password_hash = coalesce(%s, password_hash) WHERE id = %s",
        name or None, password_hash, user_id,
    )  # fmt: skip


def _row(connection: Connection, principal: Principal, user_id: UUID, lock: bool = False) -> Any:
    found = rows(connection, f"{_SELECT} AND id = %s{' FOR UPDATE' if lock else ''}", principal.account_id, user_id)
    if not found:
        raise NotFound("There is no user with this id.")
    return found[0]


def _manageable(connection: Connection, giver: Principal, user_id: UUID) -> Any:
    """The locked row of a person that the giver may manage: a link or a session of theirs gives what they may do."""
    row = _row(connection, giver, user_id, lock=True)
    _refuse_overreach(giver, row.role, row.admin)
    return row


def _refuse_overreach(giver: Principal, role: str, admin: bool) -> None:
    beyond = sorted(scope for scope in scopes_of(role, admin=admin) if not giver.may(scope))
    if beyond:
        field = "admin" if beyond == ["admin"] else "role"
        error = FieldError(field, "not_in_enum", f"holds {', '.join(beyond)}, which this key does not have itself")
        raise Forbidden("Nobody can hand out or manage more than they have.", code="cannot_grant", errors=[error])


def _refuse_last_owner(connection: Connection, row: Any) -> None:
    if row.role != "owner":
        return
    owners = rows(
        connection,
        "SELECT id FROM users WHERE account_id = %s AND role = 'owner' AND removed_at IS NULL ORDER BY id FOR UPDATE",
        row.account_id,
    )
    if len(owners) < 2:
        raise Conflict("This is the account's last owner: make somebody else an owner first.")
