"""find, count: messages by what is known of them, newest first, in pages that hold while messages come and go.

Never here: one message (messages.py).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import Connection

from common.db.keyset import Page, Position, Turn, read_page
from common.db.session import rows
from common.domain.addresses import AddressError, parse_address
from common.domain.errors import NotFound
from common.domain.ids import decode
from common.domain.principals import Principal
from common.services.messages import COLUMNS, shown

EXACT_UP_TO = 10_000
NEAR = 2_000
"""So many messages are looked through one by one before all tables are."""


@dataclass(frozen=True, slots=True)
class Filters:
    """What a list shows; empty and None stand for everything. `recipient` is an address key."""

    statuses: tuple[str, ...] = ()
    tiers: tuple[int, ...] = ()
    recipient: str | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None
    tag: str | None = None
    template: str | None = None
    stream: str | None = None
    idempotency_key: str | None = None
    batch_id: UUID | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    words: str | None = None
    in_doubt: bool = False
    newer_than: Position | None = None


def find(
    connection: Connection, principal: Principal, filters: Filters, *, limit: int, turn: Turn | None = None
) -> Page:
    """One page, newest first.

    Words are looked for among the nearest messages first; only when those do not fill the page, in all.
    """
    if filters.words is not None and not (turn is not None and turn.back):
        near = _bound(connection, principal, filters, turn)
        if near is not None:
            page = _read(connection, principal, filters, limit, turn, near)
            if page.older is not None:
                return page
    return _read(connection, principal, filters, limit, turn, None)


def _read(
    connection: Connection,
    principal: Principal,
    filters: Filters,
    limit: int,
    turn: Turn | None,
    near: datetime | None,
) -> Page:
    """A page of all messages, or of those that are not older than `near`."""
    where, parameters = _conditions(principal, filters, near=near)
    select = f"{COLUMNS} WHERE {' AND '.join(where)}"
    return read_page(connection, select, parameters, shown, limit=limit, turn=turn, order=("m.created_at", "m.id"))


_BOUND = """
SELECT created_at FROM messages WHERE account_id = %s AND environment = %s AND created_at <= %s
 ORDER BY created_at DESC, id DESC OFFSET %s LIMIT 1
"""


def _bound(connection: Connection, principal: Principal, filters: Filters, turn: Turn | None) -> datetime | None:
    """When the last of the messages was accepted that are looked through one by one; None when there are no more."""
    starts = [each for each in (turn and turn.position[0], filters.created_before) if each]
    start = min(starts) if starts else datetime.max.replace(tzinfo=UTC)
    found = rows(connection, _BOUND, principal.account_id, principal.environment, start, NEAR)
    return found[0].created_at if found else None


def position_of(connection: Connection, principal: Principal, message_id: UUID) -> Position:
    """Where a message stands in the list. Raises NotFound."""
    found = rows(
        connection,
        "SELECT created_at, id FROM messages WHERE id = %s AND account_id = %s AND environment = %s",
        message_id,
        principal.account_id,
        principal.environment,
    )
    if not found:
        raise NotFound("No such message.")
    return found[0].created_at, found[0].id


def count(connection: Connection, principal: Principal, filters: Filters, *, estimate: bool) -> tuple[int, bool]:
    """How many match, and whether the number is an estimate: with `estimate`, beyond 10,000 it is the planner's."""
    where, parameters = _conditions(principal, filters)
    matching = "FROM messages m JOIN message_contents c ON c.message_id = m.id WHERE " + " AND ".join(where)
    bound = f" LIMIT {EXACT_UP_TO + 1}" if estimate else ""
    found = int(rows(connection, f"SELECT count(*) AS n FROM (SELECT 1 {matching}{bound}) x", *parameters)[0].n)
    if not estimate or found <= EXACT_UP_TO:
        return found, False
    plan = rows(connection, f"EXPLAIN (FORMAT JSON) SELECT 1 {matching}", *parameters)[0][0]
    told = orjson.loads(plan) if isinstance(plan, str | bytes) else plan
    return max(found, int(told[0]["Plan"]["Plan Rows"])), True


def _conditions(principal: Principal, filters: Filters, near: datetime | None = None) -> tuple[list[str], list[Any]]:
    where = ["m.account_id = %s", "m.environment = %s"]
    parameters: list[Any] = [principal.account_id, principal.environment]
    given: list[tuple[str, Any]] = [
        ("m.status = ANY(%s)", list(filters.statuses) or None),
        ("m.tier = ANY(%s)", list(filters.tiers) or None),
        ("m.recipient_key = %s", filters.recipient),
        ("m.created_at >= %s", filters.created_after),
        ("m.created_at < %s", filters.created_before),
        ("m.created_at >= %s", near),
        ("%s = ANY(c.tags)", filters.tag),
        ("c.template_slug = %s", filters.template),
        ("m.stream = %s", filters.stream),
        ("c.idempotency_key = %s", filters.idempotency_key),
        ("c.batch_id = %s", filters.batch_id),
        ("(m.created_at, m.id) > (%s, %s)", filters.newer_than),
        *((("c.metadata ->> %s = %s"), pair) for pair in filters.metadata.items()),
    ]
    for condition, value in given:
        if value is not None:
            where.append(condition)
            parameters.extend(value if isinstance(value, tuple) else [value])
    if filters.in_doubt:
        where.append("m.unknown_count > 0 AND m.ended_at IS NULL")
    if filters.words is not None:
        condition, words = _search(principal, filters.words.strip(), one_by_one=near is not None)
        where.append(condition)
        parameters.extend(words)
    return where, parameters


_ONE_BY_ONE = """(m.recipient_key LIKE %s OR c.subject ILIKE %s OR %s = ANY(c.tags)
 OR EXISTS (SELECT FROM attempts a WHERE a.message_id = m.id AND a.reply ILIKE %s))"""
_IN_ALL = """m.id IN (SELECT id FROM messages WHERE account_id = %s AND environment = %s AND recipient_key LIKE %s
 UNION ALL SELECT message_id FROM message_contents WHERE subject ILIKE %s OR %s = ANY(tags)
 UNION ALL SELECT message_id FROM attempts WHERE reply ILIKE %s)"""
"""Every table once, instead of every message's rows in each of them."""


def _search(principal: Principal, words: str, *, one_by_one: bool) -> tuple[str, list[Any]]:
    """Recipient, subject, tag, id or the words of a server; an id or a whole address is looked up and nothing else."""
    message_id = decode("msg", words)
    if message_id is not None:
        return "m.id = %s", [message_id]
    try:
        return "m.recipient_key = %s", [parse_address(words).key]
    except AddressError:
        pass
    escaped = words.lower().replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    like = f"%{escaped}%"
    if one_by_one:
        return _ONE_BY_ONE, [like, like, words, like]
    return _IN_ALL, [principal.account_id, principal.environment, like, like, words, like]
