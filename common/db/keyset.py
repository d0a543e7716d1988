"""Keyset pages: newest first by a time and an id, in both directions, stable while rows come and go.

A row that exists and matches during a whole walk is shown exactly once. Never here: what a row means.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from common.db.session import rows

Position = tuple[datetime, UUID]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MOST_NUMBER = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Turn:
    """Where the reader turns from a page: to older rows than `position`, or with `back` to newer ones."""

    position: Position
    back: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """`newer` and `older` are the turns that lead on from here; None where nothing follows."""

    data: list[dict[str, Any]]
    newer: Turn | None
    older: Turn | None


def read_page(
    connection: Connection,
    select: str,
    parameters: Sequence[Any],
    show: Callable[[Any], dict[str, Any]],
    *,
    limit: int,
    turn: Turn | None,
    order: tuple[str, str] = ("created_at", "id"),
) -> Page:
    """One page of `select`, which ends in its WHERE. `order` names the two columns, as written in the statement."""
    moment, key = order
    names = moment.rpartition(".")[2], key.rpartition(".")[2]
    place = None if turn is None else turn.position
    found, more = _look(connection, select, parameters, f"({moment}, {key})", (moment, key), place, limit, turn)
    return _page(found, more, turn, show, lambda row: (getattr(row, names[0]), getattr(row, names[1])))


def read_page_by_number(
    connection: Connection,
    select: str,
    parameters: Sequence[Any],
    show: Callable[[Any], dict[str, Any]],
    *,
    limit: int,
    turn: Turn | None,
    column: str,
) -> Page:
    """The same in the order of one whole-number column, such as a version, the greatest first."""
    name = column.rpartition(".")[2]
    place = None if turn is None else (min(turn.position[1].int, _MOST_NUMBER),)
    found, more = _look(connection, select, parameters, column, (column,), place, limit, turn)
    return _page(found, more, turn, show, lambda row: (EPOCH, UUID(int=getattr(row, name))))


def read_page_by_id(
    connection: Connection,
    select: str,
    parameters: Sequence[Any],
    show: Callable[[Any], dict[str, Any]],
    *,
    limit: int,
    turn: Turn | None,
) -> Page:
    """The same in the order of `id` alone, where the index that finds the rows holds no time."""
    place = None if turn is None else turn.position[1:]
    found, more = _look(connection, select, parameters, "id", ("id",), place, limit, turn)
    return _page(found, more, turn, show, lambda row: (EPOCH, row.id))


def _look(
    connection: Connection,
    select: str,
    parameters: Sequence[Any],
    left: str,
    columns: Sequence[str],
    place: Sequence[Any] | None,
    limit: int,
    turn: Turn | None,
) -> tuple[list[Any], bool]:
    """The rows of a page, the newest first, and whether there are more in the direction of the reader."""
    back = turn is not None and turn.back
    beyond, given = "", tuple(parameters)
    if place is not None:
        right = f"({', '.join(['%s'] * len(place))})"
        beyond = f" AND {left} {'>' if back else '<'} {right}"
        given = (*given, *place)
    way = "ASC" if back else "DESC"
    ordered = ", ".join(f"{column} {way}" for column in columns)
    found = rows(connection, f"{select}{beyond} ORDER BY {ordered} LIMIT {int(limit) + 1}", *given)
    more, kept = len(found) > limit, found[:limit]
    if back:
        kept.reverse()
    return kept, more


def _page(
    kept: Sequence[Any],
    more: bool,
    turn: Turn | None,
    show: Callable[[Any], dict[str, Any]],
    place_of: Callable[[Any], Position],
) -> Page:
    if not kept:
        return Page([], None, None)
    back = turn is not None and turn.back
    newer = Turn(place_of(kept[0]), True) if turn is not None and (more or not back) else None
    older = Turn(place_of(kept[-1])) if more or back else None
    return Page([show(row) for row in kept], newer, older)
