"""Senders: addresses that an account writes from, with a name and where answers go; and what composing knows of them.

They belong to the account, in both environments, and are verified through their domain. One of them may be the
account's default; that is `accounts.default_sender` and no second truth. Never here: the choice for a message.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from common.clock import rfc3339
from common.db.keyset import Page, Turn, read_page
from common.db.session import rows, run
from common.domain.addresses import parse_address, split_display_name
from common.domain.domain_states import SENDING
from common.domain.errors import Conflict, FieldError, Forbidden, NotFound
from common.domain.ids import encode, new_id
from common.domain.principals import Principal
from common.services import keys

MOST = 1_000
"""Senders of an account: composing holds them all."""

_SELECT = """
SELECT * FROM (
  SELECT s.*, d.name AS domain, d.state AS domain_state, a.default_sender
    FROM senders s JOIN domains d ON d.id = s.domain_id JOIN accounts a ON a.id = s.account_id) s
 WHERE account_id = %s
"""


@dataclass(frozen=True, slots=True)
class Known:
    """What an account may send as: its verified domains, their default senders (of the one that was verified first,
    first), and (name, reply_to) of its senders by address key."""

    domains: frozenset[str]
    defaults: tuple[str, ...] = ()
    senders: Mapping[str, tuple[str | None, str | None]] | None = None


def known(connection: Connection, account_id: UUID) -> Known:
    """What composing needs of an account, in two statements."""
    proved = rows(
        connection,
        "SELECT name, default_sender FROM domains WHERE account_id = %s AND state = ANY(%s) ORDER BY verified_at, id",
        account_id, list(SENDING),
    )  # fmt: skip
    kept = rows(
        connection,
        "SELECT email_key, name, reply_to FROM senders WHERE account_id = %s AND coalesce(name, reply_to) IS NOT NULL",
        account_id,
    )
    return Known(
        frozenset(row.name for row in proved),
        tuple(row.default_sender for row in proved if row.default_sender),
        {row.email_key: (row.name, row.reply_to) for row in kept},
    )


def create(connection: Connection, principal: Principal, fields: Mapping[str, Any]) -> dict[str, Any]:
    """A new sender in a domain of the account. Raises Forbidden (no such domain), Conflict."""
    address = parse_address(fields["email"])
    # The account's row is locked: two at once do not pass the bound together.
    rows(connection, "SELECT id FROM accounts WHERE id = %s FOR UPDATE", principal.account_id)
    counted = rows(connection, "SELECT count(*) AS n FROM senders WHERE account_id = %s", principal.account_id)
    if counted[0].n >= MOST:
        raise Conflict(
            f"An account has at most {MOST} senders: any other address of a verified domain may send as well."
        )
    found = rows(
        connection, "SELECT id FROM domains WHERE account_id = %s AND name = %s", principal.account_id, address.domain
    )
    if not found:
        message = f"is in no domain of this account: add {address.domain} with POST /v1/domains first"
        raise Forbidden(
            f"The domain {address.domain} is none of this account.",
            code="sender_not_verified",
            errors=[FieldError("email", "unverified_domain", message)],
        )
    sender_id = new_id()
    made = run(
        connection,
        "INSERT INTO senders (id, account_id, domain_id, email, email_key, name, reply_to)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT (account_id, email_key) DO NOTHING",
        sender_id, principal.account_id, found[0].id, address.email, address.key,
        fields.get("name"), fields.get("reply_to"),
    )  # fmt: skip
    if not made:
        raise Conflict(f"The sender {address.email} is there already: change it with PATCH.")
    _set_default(connection, principal, address.email, fields.get("default"))
    return get(connection, principal, sender_id)


def find(
    connection: Connection, principal: Principal, *, domain: str | None, limit: int, turn: Turn | None = None
) -> Page:
    """Senders of the account, newest first; with `domain`, only those in it."""
    select: str = _SELECT
    parameters: list[Any] = [principal.account_id]
    if domain is not None:
        select += " AND domain = lower(%s)"
        parameters.append(domain)
    return read_page(connection, select, parameters, _shown, limit=limit, turn=turn)


def get(connection: Connection, principal: Principal, sender_id: UUID) -> dict[str, Any]:
    """One sender. Raises NotFound."""
    return _shown(_row(connection, principal, sender_id))


def change(connection: Connection, principal: Principal, sender_id: UUID, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Change name, reply_to or default; None takes a text back. In force everywhere within 5 s. Raises NotFound."""
    row = _row(connection, principal, sender_id)
    for name in ("name", "reply_to"):
        if name in fields:
            run(connection, f"UPDATE senders SET {name} = %s WHERE id = %s", fields[name], sender_id)
    _set_default(connection, principal, row.email, fields.get("default"), is_default=_is_default(row))
    return get(connection, principal, sender_id)


def remove(connection: Connection, principal: Principal, sender_id: UUID) -> None:
    """Forget a sender; its address may still send. A default goes with it. Raises NotFound."""
    row = _row(connection, principal, sender_id)
    _set_default(connection, principal, row.email, False, is_default=_is_default(row))
    run(connection, "DELETE FROM senders WHERE id = %s", sender_id)


def _set_default(
    connection: Connection, principal: Principal, email: str, wanted: bool | None, is_default: bool = False
) -> None:
    if wanted is None or wanted == is_default:
        return
    run(
        connection,
        "UPDATE accounts SET default_sender = %s WHERE id = %s",
        email if wanted else None, principal.account_id,
    )  # fmt: skip
    keys.forget()


def _row(connection: Connection, principal: Principal, sender_id: UUID) -> Any:
    found = rows(connection, f"{_SELECT} AND id = %s", principal.account_id, sender_id)
    if not found:
        raise NotFound("There is no sender with this id.")
    return found[0]


def _is_default(row: Any) -> bool:
    if not row.default_sender:
        return False
    return bool(parse_address(split_display_name(row.default_sender)[1]).key == row.email_key)


def _shown(row: Any) -> dict[str, Any]:
    return {
        "id": encode("snd", row.id),
        "email": row.email,
        "name": row.name,
        "reply_to": row.reply_to,
        "default": _is_default(row),
        "domain_id": encode("dom", row.domain_id),
        "domain": row.domain,
        "verified": row.domain_state in SENDING,
        "created_at": rfc3339(row.created_at),
    }
