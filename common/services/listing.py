"""find, count: messages by what is known of them, newest first, in pages that hold while messages come and go.

Never here: one message (messages.py).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import Connection

from common.db.keyset import Page, Position, Turn, read_page
from common.db.session import planned_anew, rows
from common.domain.addresses import AddressError, parse_address
from common.domain.errors import NotFound
from common.domain.ids import decode
from common.domain.lifecycle import LIVE, STATUSES
from common.domain.principals import Principal
from common.services.messages import COLUMNS, shown

Condition = tuple[list[str], list[Any]]
"""Parts of a WHERE, and their values."""

EXACT_UP_TO = 10_000
NEAR = (500, 4_000)
"""So many of the newest messages are looked through one by one; when they do not fill a page, the index is asked."""
FEW = 3
"""With fewer than these among the first of them, what is asked for is rare: the index has it sooner."""


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

    What only an index of its own can find is looked for among the nearest messages first; when those do not fill
    the page, in all.
    """
    if _entered(filters) and not (turn is not None and turn.back):
        page = _near(connection, principal, filters, limit, turn)
        if page is not None:
            return page
    return _read(connection, principal, filters, limit, turn, None)


def _near(connection: Connection, principal: Principal, filters: Filters, limit: int, turn: Turn | None) -> Page | None:
    """The page when the nearest messages fill it, or there are no others; None when the index is to be asked."""
    by_index = _searchable(filters)
    for count in NEAR if by_index else NEAR[-1:]:
        near = _bound(connection, principal, filters, turn, count)
        page = _read(connection, principal, filters, limit, turn, near or _EVER)
        if near is None or page.older is not None or not by_index:
            return page
        if len(page.data) < FEW:
            break
    return None


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
    with planned_anew(connection):
        return read_page(connection, select, parameters, shown, limit=limit, turn=turn, order=("m.created_at", "m.id"))


_BOUND = """
SELECT created_at FROM messages WHERE account_id = %s AND environment = %s AND created_at <= %s
 ORDER BY created_at DESC, id DESC OFFSET %s LIMIT 1
"""


_EVER = datetime.min.replace(tzinfo=UTC)


def _bound(
    connection: Connection, principal: Principal, filters: Filters, turn: Turn | None, count: int
) -> datetime | None:
    """When the last of the next `count` messages was accepted; None when there are no more."""
    starts = [each for each in (turn and turn.position[0], filters.created_before) if each]
    start = min(starts) if starts else datetime.max.replace(tzinfo=UTC)
    found = rows(connection, _BOUND, principal.account_id, principal.environment, start, count)
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
    where, parameters = _conditions(principal, filters, near=None if filters.words else _EVER)
    matching = "FROM messages m JOIN message_contents c ON c.message_id = m.id WHERE " + " AND ".join(where)
    bound = f" LIMIT {EXACT_UP_TO + 1}" if estimate else ""
    with planned_anew(connection):
        found = int(rows(connection, f"SELECT count(*) AS n FROM (SELECT 1 {matching}{bound}) x", *parameters)[0].n)
    if not estimate or found <= EXACT_UP_TO:
        return found, False
    plan = rows(connection, f"EXPLAIN (FORMAT JSON) SELECT 1 {matching}", *parameters)[0][0]
    told = orjson.loads(plan) if isinstance(plan, str | bytes) else plan
    return max(found, int(told[0]["Plan"]["Plan Rows"])), True


def _conditions(principal: Principal, filters: Filters, near: datetime | None = None) -> tuple[list[str], list[Any]]:
    """The WHERE of a list and its parameters. Statuses and tiers stand in it as they are, so that the planner sees
    which partial index has them.
    """
    where = ["m.account_id = %s", "m.environment = %s"]
    parameters: list[Any] = [principal.account_id, principal.environment]
    if filters.statuses:
        where.append(f"m.status IN ({', '.join(repr(each) for each in STATUSES if each in filters.statuses)})")
    if filters.tiers:
        where.append(f"m.tier IN ({', '.join(str(int(each)) for each in sorted(filters.tiers))})")
    given: list[tuple[str, Any]] = [
        ("m.recipient_key = %s", filters.recipient),
        ("m.created_at >= %s", filters.created_after),
        ("m.created_at < %s", filters.created_before),
        ("m.created_at >= %s", near),
        ("m.id = ANY(ARRAY(SELECT message_id FROM message_contents WHERE batch_id = %s))", filters.batch_id),
        ("(m.created_at, m.id) > (%s, %s)", filters.newer_than),
    ]
    for condition, value in given:
        if value is not None:
            where.append(condition)
            parameters.extend(value if isinstance(value, tuple) else [value])
    if filters.in_doubt:
        where.append(f"m.unknown_count > 0 AND m.status IN ({', '.join(map(repr, LIVE))})")
    for more, values in _facets(principal, filters, near), _words(principal, filters, near):
        where += more
        parameters += values
    return where, parameters


def _entered(filters: Filters) -> bool:
    """Whether something is asked for that only search entries have an index of."""
    return bool(_facets_of(filters) or (filters.words and not _known(filters.words.strip())))


def _searchable(filters: Filters) -> bool:
    """Whether the words can be found by index: fewer than three letters or digits together cannot."""
    return filters.words is None or _known(filters.words.strip()) is not None or bool(_LETTERS.search(filters.words))


_LETTERS = re.compile(r"[^\W_]{3}")
_TAIL = """SELECT m.id FROM (
  SELECT * FROM messages WHERE account_id = %s AND environment = %s AND created_at >= coalesce((
    SELECT indexed_until - interval '1 minute' FROM search_cursors WHERE account_id = %s AND environment = %s),
    '-infinity') OFFSET 0) m
 CROSS JOIN LATERAL (SELECT * FROM message_contents WHERE message_id = m.id OFFSET 0) c WHERE """
"""Messages that may not be entered yet, those of the seconds behind the cursor; OFFSET 0 keeps that the way in."""


def _in_all(principal: Principal, entered: str, values: list[Any], one_by_one: str, same: list[Any]) -> Condition:
    """Found by index, or one by one among what is not entered yet."""
    place = [principal.account_id, principal.environment]
    condition = f"""m.id = ANY(ARRAY(SELECT message_id FROM search_entries WHERE account_id = %s AND ({entered})
      UNION {_TAIL}{one_by_one}))"""
    return [condition], [principal.account_id, *values, *place, *place, *same]


def _facets_of(filters: Filters) -> list[tuple[str, str, list[Any]]]:
    """Each facet asked for: as it is entered, as a condition, and the values of that."""
    given = (
        ("tag:", "%s = ANY(c.tags)", filters.tag),
        ("template:", "c.template_slug = %s", filters.template),
        ("stream:", "m.stream = %s", filters.stream),
        ("idempotency:", "c.idempotency_key = %s", filters.idempotency_key),
    )
    found: list[tuple[str, str, list[Any]]] = [
        (f"{name}{value}", condition, [value]) for name, condition, value in given if value is not None
    ]
    return found + [
        (f"metadata:{name}={value}", "c.metadata ->> %s = %s", [name, value])
        for name, value in filters.metadata.items()
    ]


def _facets(principal: Principal, filters: Filters, near: datetime | None) -> Condition:
    facets = _facets_of(filters)
    conditions = " AND ".join(condition for _, condition, _ in facets)
    values = [value for _, _, each in facets for value in each]
    if not facets or near is not None:
        return [conditions] if facets else [], values
    return _in_all(principal, "facets @> %s", [[facet for facet, _, _ in facets]], conditions, values)


_ONE_BY_ONE = """(m.recipient_key ILIKE %s OR c.subject ILIKE %s OR %s = ANY(c.tags)
 OR EXISTS (SELECT FROM attempts a WHERE a.message_id = m.id AND a.reply ILIKE %s))"""


def _known(words: str) -> Condition | None:
    """An id or a whole address is looked up and nothing else."""
    message_id = decode("msg", words)
    if message_id is not None:
        return ["m.id = %s"], [message_id]
    try:
        return ["m.recipient_key = %s"], [parse_address(words).key]
    except AddressError:
        return None


def _words(principal: Principal, filters: Filters, near: datetime | None) -> Condition:
    """Recipient, subject, tag, id or the words of a server."""
    if filters.words is None:
        return [], []
    words = filters.words.strip()
    known = _known(words)
    if known is not None:
        return known
    like = f"%{_escaped(words)}%"
    one_by_one = [like, like, words, like]
    if near is not None:
        return [_ONE_BY_ONE], one_by_one
    entered = "words ILIKE %s AND words || '' ILIKE %s OR facets @> %s"  # the index is asked for one word only
    values = [f"%{_escaped(_rarest(words))}%", like, [f"tag:{words}"]]
    return _in_all(principal, entered, values, _ONE_BY_ONE, one_by_one)


_WORD = re.compile(r"[^\W_]+")


def _rarest(words: str) -> str:
    """Of a phrase the word that probably the fewest have, with what stands around it: digits first, then the longest.

    The others would cost the index more than they leave out.
    """
    found = [each for each in _WORD.finditer(words) if len(words[max(each.start() - 1, 0) : each.end() + 1]) >= 3]
    if not found:
        return words
    best = max(found, key=lambda each: (any(letter.isdigit() for letter in each[0]), len(each[0])))
    return words[max(best.start() - 1, 0) : best.end() + 1]


def _escaped(words: str) -> str:
    """Words as LIKE takes them."""
    return words.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
