"""Sessions of people: opened by a password or a one-time link, found by their token, ended here or everywhere.

A token is kept as its hash only. Never here: cookies, or how often somebody may try.
"""

import secrets
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from common.clock import rfc3339
from common.db.session import as_json, rows, run
from common.domain.ids import encode, new_id
from common.domain.principals import Principal
from common.domain.roles import scopes_of
from common.services import keys, users

IDLE_HOURS, LIFE_DAYS = 12, 7
"""A session ends after so long without a request, and in any case after so many days."""
_SEEN_EVERY = timedelta(minutes=1)
PREFERENCES = ("environment", "language", "theme")


@dataclass(frozen=True, slots=True)
class Session:
    """Who is signed in. `principal` is what they act as; `notice` is shown once."""

    id: UUID
    user_id: UUID
    email: str
    name: str
    role: str
    account: str
    environment: str
    language: str | None
    theme: str | None
    notice: dict[str, Any] | None
    principal: Principal


_FIND = """
SELECT s.*, u.email, u.name, u.role, u.admin, a.name AS account, k.id AS key_id
  FROM sessions s JOIN users u ON u.id = s.user_id JOIN accounts a ON a.id = u.account_id
  JOIN api_keys k ON k.user_id = u.id AND k.environment = s.environment
 WHERE s.token_hash = %s AND u.removed_at IS NULL AND s.seen_at > %s AND s.created_at > %s
"""


def find(connection: Connection, token: str, *, now: datetime) -> Session | None:
    """The session of a token, in two reads; None when it has ended."""
    oldest = now - timedelta(hours=IDLE_HOURS), now - timedelta(days=LIFE_DAYS)
    found = rows(connection, _FIND, users.hashed(token), *oldest)
    principal = keys.principal_of(connection, found[0].key_id) if found else None
    if principal is None:
        return None
    row = found[0]
    if row.notice is not None or now - row.seen_at > _SEEN_EVERY:
        run(connection, "UPDATE sessions SET seen_at = %s, notice = NULL WHERE id = %s", now, row.id)
    return Session(
        row.id, row.user_id, row.email, row.name, row.role, row.account, row.environment, row.language, row.theme,
        row.notice, replace(principal, scopes=scopes_of(row.role, admin=row.admin)),
    )  # fmt: skip


def start(
    connection: Connection,
    user_id: UUID,
    *,
    now: datetime,
    ip: str,
    agent: str,
    before: str | None = None,
    environment: str = "live",
) -> str:
    """The token of a new session; the one whose token was `before` ends, so that none outlives a sign-in."""
    token = secrets.token_urlsafe(32)
    if before is not None:
        end(connection, before)
    run(
        connection,
        "INSERT INTO sessions (id, token_hash, user_id, environment, ip, agent, created_at, seen_at)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
        new_id(), users.hashed(token), user_id, environment, ip, agent[:200], now, now,
    )  # fmt: skip
    run(connection, "UPDATE users SET signed_in_at = %s WHERE id = %s", now, user_id)
    users.settle_scopes(connection, user_id)  # a newer version may have more scopes
    return token


def end(connection: Connection, token: str) -> None:
    """End one session; harmless to repeat."""
    run(connection, "DELETE FROM sessions WHERE token_hash = %s", users.hashed(token))


def end_all(connection: Connection, user_id: UUID) -> int:
    """End every session of a person; answers how many."""
    return run(connection, "DELETE FROM sessions WHERE user_id = %s", user_id)


def prefer(connection: Connection, session_id: UUID, name: str, value: str) -> None:
    """Keep one of PREFERENCES for the rest of the session."""
    assert name in PREFERENCES
    run(connection, f"UPDATE sessions SET {name} = %s WHERE id = %s", value, session_id)


def leave_notice(connection: Connection, session_id: UUID, notice: dict[str, Any]) -> None:
    """What the next page says once."""
    run(connection, "UPDATE sessions SET notice = %s WHERE id = %s", as_json(notice).decode(), session_id)


def of_user(connection: Connection, user_id: UUID, *, now: datetime) -> list[dict[str, Any]]:
    """The living sessions of a person, newest first."""
    oldest = now - timedelta(hours=IDLE_HOURS), now - timedelta(days=LIFE_DAYS)
    found = rows(
        connection,
        "SELECT id, ip, agent, created_at, seen_at FROM sessions WHERE user_id = %s AND seen_at > %s"
        " AND created_at > %s ORDER BY seen_at DESC LIMIT 50",
        user_id, *oldest,
    )  # fmt: skip
    return [
        {
            "id": encode("ses", row.id),
            "ip": row.ip,
            "agent": row.agent,
            "created_at": rfc3339(row.created_at),
            "seen_at": rfc3339(row.seen_at),
        }
        for row in found
    ]


def prune(connection: Connection) -> int:
    """Remove sessions that have ended; answers how many."""
    return run(
        connection,
        "DELETE FROM sessions WHERE seen_at <= now() - make_interval(hours => %s)"
        " OR created_at <= now() - make_interval(days => %s)",
        IDLE_HOURS, LIFE_DAYS,
    )  # fmt: skip
