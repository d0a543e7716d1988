"""Keyset pages: newest first by a time and an id, in both directions, stable while rows come and go.

A row that exists and matches during a whole walk is shown exactly once. Never here: what a row means.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from common.db.session import rows

Position = tuple[datetime, UUID]


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
    beyond, given = "", tuple(parameters)
    if turn is not None:
        beyond = f" AND ({moment}, {key}) {'>' if turn.back else '<'} (%s, %s)"
        given = (*given, *turn.position)
    way = "ASC" if turn is not None and turn.back else "DESC"
    found = rows(connection, f"{select}{beyond} ORDER BY {moment} {way}, {key} {way} LIMIT {int(limit) + 1}", *given)
    more, kept = len(found) > limit, found[:limit]
    if way == "ASC":
        kept.reverse()
    names = moment.rpartition(".")[2], key.rpartition(".")[2]
    ends = [(getattr(row, names[0]), getattr(row, names[1])) for row in (kept[:1] + kept[-1:])]
    if not ends:
        return Page([], None, None)
    back = turn is not None and turn.back
    newer = Turn(ends[0], True) if turn is not None and (more or not back) else None
    older = Turn(ends[-1]) if more or back else None
    return Page([show(row) for row in kept], newer, older)
