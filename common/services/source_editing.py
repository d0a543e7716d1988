"""Sources as their owner manages them: create, list, read, change, remove. Connecting is services/sources.py.

An account sees its own sources and the operator's, which every account shares, and changes only its own. A
key with the scope `admin` is the operator's: only it makes direct sources, which speak from this
machine's own addresses, and shared ones.
"""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from common.clock import rfc3339
from common.config import Settings
from common.db.keyset import Page, Turn, read_page
from common.db.session import rows, run
from common.domain.egress import read_networks
from common.domain.errors import Conflict, FieldError, Forbidden, InvalidFields, NotFound
from common.domain.ids import encode, new_id
from common.domain.principals import Principal
from common.domain.source_rules import SETTINGS, faults, fill
from common.services.sources import seal_password

MOST = 200
_PLAIN = ("host", "port", "tls", "username", "ehlo_name", "bind_ipv4", "bind_ipv6", "messages_per_connection")
_PRIVATE = ("host", "port", "username", "bind_ipv4", "bind_ipv6")
"""What others are not told of the operator's sources."""

_SELECT = """
SELECT s.*, CASE WHEN s.account_id IS NULL THEN s.is_default
            ELSE coalesce(s.id = a.default_source_id, s.is_default) END AS chosen
  FROM sources s JOIN accounts a ON a.id = %s
 WHERE (s.account_id = a.id OR s.account_id IS NULL)
"""


def _shown(row: Any, principal: Principal) -> dict[str, Any]:
    shared = row.account_id is None
    hidden = _PRIVATE if shared and not principal.may("admin") else ()
    return {
        "id": encode("src", row.id),
        "name": row.name,
        "kind": row.kind,
        "profile": row.profile,
        **{name: None if name in hidden else getattr(row, name) for name in _PLAIN},
        "has_password": row.password_sealed is not None,
        "enabled": row.enabled,
        "is_default": row.chosen,
        "shared": shared,
        "created_at": rfc3339(row.created_at),
        "updated_at": rfc3339(row.updated_at),
    }


def _row(connection: Connection, principal: Principal, source_id: UUID) -> Any:
    found = rows(connection, f"{_SELECT} AND s.id = %s", principal.account_id, source_id)
    if not found:
        raise NotFound("There is no source with this id.")
    return found[0]


def get(connection: Connection, principal: Principal, source_id: UUID) -> dict[str, Any]:
    """One source, without its password. Raises NotFound."""
    return _shown(_row(connection, principal, source_id), principal)


def find(
    connection: Connection, principal: Principal, *, kinds: list[str], limit: int, turn: Turn | None = None
) -> Page:
    """The account's sources and the operator's, newest first; only of `kinds` when some are given."""
    select = f"{_SELECT} AND (%s::text[] = '{{}}' OR s.kind = ANY(%s))"
    return read_page(
        connection, select, (principal.account_id, kinds, kinds), lambda row: _shown(row, principal),
        limit=limit, turn=turn, order=("s.created_at", "s.id"),
    )  # fmt: skip


def create(
    connection: Connection, settings: Settings, principal: Principal, fields: Mapping[str, Any]
) -> dict[str, Any]:
    """A new source. Raises Forbidden, InvalidFields, Conflict when the name is taken."""
    shared = bool(fields.get("shared"))
    if (shared or fields["kind"] == "direct") and not principal.may("admin"):
        what = "A shared source" if shared else "A source of kind direct"
        raise Forbidden(f"{what} is the operator's to make: use a key with the scope admin.", code="insufficient_scope")
    source = fill(fields)
    _check(settings, source, shared)
    _count(connection, principal)
    source_id = new_id()
    made = rows(
        connection,
        "INSERT INTO sources (id, account_id, name, kind, profile, password_sealed, enabled, host, port, tls, username,"
        " ehlo_name, bind_ipv4, bind_ipv6, messages_per_connection)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
        " ON CONFLICT (account_id, name) DO NOTHING RETURNING id",
        source_id, None if shared else principal.account_id, source["name"], source["kind"], source.get("profile"),
        seal_password(settings, source_id, source.get("password")), source.get("enabled", True),
        *(source.get(name) for name in _PLAIN),
    )  # fmt: skip
    if not made:
        raise Conflict(f"There is a source named {source['name']} already: change that one, or take another name.")
    if source.get("is_default"):
        _choose(connection, _row(connection, principal, source_id), True)
    return get(connection, principal, source_id)


def _count(connection: Connection, principal: Principal) -> None:
    listed = rows(connection, "SELECT count(*) AS n FROM sources WHERE account_id = %s", principal.account_id)
    if listed[0].n >= MOST:
        raise Conflict(f"The account has {MOST} sources: delete what it no longer needs.")


def _check(settings: Settings, source: Mapping[str, Any], shared: bool) -> None:
    found = faults(source, read_networks(settings.egress_allow), shared=shared)
    if found:
        raise InvalidFields(found)


def change(
    connection: Connection, settings: Settings, principal: Principal, source_id: UUID, fields: Mapping[str, Any]
) -> dict[str, Any]:
    """Change what is named; None clears. In force within 5 s, for mail that waits as well.

    A password never goes to another host than it was given for: whoever changes `host`, `port` or `tls`
    gives it again. Raises NotFound, Forbidden, InvalidFields, and Conflict for what does not fit the source.
    """
    row = _own(connection, principal, source_id)
    kept = {name: getattr(row, name) for name in ("kind", "profile", "name", *_PLAIN)}
    moved = [name for name in ("host", "port", "tls", "username") if name in fields and fields[name] != kept[name]]
    sealed, password = row.password_sealed, fields.get("password")
    if sealed is not None and moved and "password" not in fields:
        again = FieldError("password", "required", f"must be given again, because {moved[0]} changes")
        raise Conflict("The password was given for another place: give it again.", errors=[again])
    if "password" in fields:
        sealed = seal_password(settings, source_id, password)
    whole = kept | dict(fields) | {"password": password if "password" in fields else sealed}
    try:
        _check(settings, _relevant(whole, fields), row.account_id is None)
    except InvalidFields as error:
        if any(each.code not in ("conflict", "required") for each in error.errors):
            raise
        raise Conflict("The change does not fit what the source is.", errors=error.errors) from error
    run(
        connection,
        "UPDATE sources SET password_sealed = %s, enabled = %s, host = %s, port = %s, tls = %s, username = %s,"
        " ehlo_name = %s, bind_ipv4 = %s, bind_ipv6 = %s, messages_per_connection = %s, updated_at = now()"
        " WHERE id = %s",
        sealed, fields.get("enabled", row.enabled), *(whole[name] for name in _PLAIN), source_id,
    )  # fmt: skip
    if "is_default" in fields:
        _choose(connection, row, fields["is_default"])
    return get(connection, principal, source_id)


def _relevant(whole: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """What is to be checked: the fields of the kind, and whatever the caller named."""
    names = {"kind", "tls", "profile", *SETTINGS[whole["kind"]], *given}
    return {name: whole[name] for name in names if whole.get(name) is not None}


def _own(connection: Connection, principal: Principal, source_id: UUID) -> Any:
    rows(connection, "SELECT id FROM sources WHERE id = %s FOR UPDATE", source_id)
    row = _row(connection, principal, source_id)
    if (row.account_id is None or row.kind == "direct") and not principal.may("admin"):
        raise Forbidden("This source is the operator's: use a key with the scope admin.", code="insufficient_scope")
    return row


def _choose(connection: Connection, row: Any, chosen: bool) -> None:
    """Make it the default of its account, or of all accounts when it is shared; or not any more."""
    if chosen:
        others = "UPDATE sources SET is_default = false WHERE account_id IS NOT DISTINCT FROM %s AND id <> %s"
        run(connection, others, row.account_id, row.id)
    run(connection, "UPDATE sources SET is_default = %s WHERE id = %s", chosen, row.id)
    if row.account_id is not None:
        wanted, only = (row.id, "true") if chosen else (None, "default_source_id = %s")
        given = () if chosen else (row.id,)
        run(
            connection, f"UPDATE accounts SET default_source_id = %s WHERE id = %s AND {only}",
            wanted, row.account_id, *given,
        )  # fmt: skip


def remove(connection: Connection, principal: Principal, source_id: UUID) -> None:
    """Remove a source and its password for good. Raises NotFound, Forbidden, Conflict while mail waits for it."""
    row = _own(connection, principal, source_id)
    waiting = rows(
        connection,
        "SELECT 1 FROM messages WHERE source_id = %s AND status IN ('accepted', 'deferred') LIMIT 1",
        source_id,
    )
    if waiting:
        raise Conflict("Mail waits to leave by this source: make another the default, and delete it when that is gone.")
    _choose(connection, row, False)
    run(connection, "DELETE FROM sources WHERE id = %s", source_id)
