"""Accounts as an operator manages them: make, list, limit, suspend. Never here: an account's keys (issuing.py)."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from common.clock import rfc3339
from common.db.keyset import Page, Turn, read_page
from common.db.session import rows, run
from common.domain.errors import NotFound
from common.domain.ids import encode, new_id
from common.services import keys, quickstart

STATES = ("active", "suspended")
CHANGEABLE = ("name", "requests_per_minute", "default_sender", "retry_preset", "contact_address")

_SELECT = """
SELECT * FROM (SELECT a.*, CASE WHEN paused_at IS NULL THEN 'active' ELSE 'suspended' END AS state FROM accounts a) a
 WHERE state = ANY(%s)
"""


def _shown(row: Any) -> dict[str, Any]:
    return {
        "id": encode("acc", row.id),
        "name": row.name,
        "state": row.state,
        "requests_per_minute": row.requests_per_minute,
        "default_sender": row.default_sender,
        "retry_preset": row.retry_preset,
        "contact_address": row.contact_address,
        "created_at": rfc3339(row.created_at),
        "suspended_at": rfc3339(row.paused_at) if row.paused_at else None,
    }


def create(connection: Connection, fields: Mapping[str, Any]) -> dict[str, Any]:
    """A new account with the starter templates. It can send once a domain of it is verified."""
    account_id = new_id()
    run(
        connection,
        "INSERT INTO accounts (id, name, requests_per_minute, default_sender, retry_preset, contact_address)"
        " VALUES (%s, %s, %s, %s, %s, %s)",
        account_id, *(fields.get(name) for name in CHANGEABLE),
    )  # fmt: skip
    quickstart.publish_starters(connection, account_id)
    return get(connection, account_id)


def find(connection: Connection, *, states: list[str], limit: int, turn: Turn | None = None) -> Page:
    """Accounts, newest first; without `states`, all."""
    return read_page(connection, _SELECT, (states or list(STATES),), _shown, limit=limit, turn=turn)


def get(connection: Connection, account_id: UUID) -> dict[str, Any]:
    """One account. Raises NotFound."""
    found = rows(connection, f"{_SELECT} AND id = %s", list(STATES), account_id)
    if not found:
        raise NotFound("There is no account with this id.")
    return _shown(found[0])


def change(connection: Connection, account_id: UUID, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Change what is given; None takes a limit or a sender back. In force everywhere within 5 s. Raises NotFound."""
    given = {name: fields[name] for name in CHANGEABLE if name in fields}
    if given:
        names = ", ".join(f"{name} = %s" for name in given)
        run(connection, f"UPDATE accounts SET {names} WHERE id = %s", *given.values(), account_id)
        keys.forget()
    return get(connection, account_id)


def suspend(connection: Connection, account_id: UUID, *, now: datetime | None) -> dict[str, Any]:
    """Refuse new mail of an account from `now` on, or with None take it again; in force everywhere within 5 s.

    What was accepted is delivered. Repeating it keeps the first time. Raises NotFound.
    """
    sql = "UPDATE accounts SET paused_at = CASE WHEN %s::timestamptz IS NULL THEN NULL ELSE coalesce(paused_at, %s) END"
    run(connection, f"{sql} WHERE id = %s", now, now, account_id)
    keys.forget()
    return get(connection, account_id)
