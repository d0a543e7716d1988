"""The answer to a list request: one envelope for all, with cursors that hold for these filters only.

Beside paging.py, which makes cursors, and query.py, which reads parameters. Never here: what a filter does.
"""

from collections.abc import Callable, Mapping
from typing import Any

from flask import Response, g

from api import paging, query
from common.db.keyset import Page, Turn
from common.db.session import transaction


def answer_list(
    find: Callable[..., Page],
    *given: Any,
    marked: Mapping[str, Any] | None = None,
    start: Turn | None = None,
    **filters: Any,
) -> Response:
    """`find(connection, *given, **filters, limit=…, turn=…)` in a transaction of its own, as the list envelope.

    `filters` are what the caller asked for: a cursor of others, of another path, account or environment is a 400.
    `marked` stands for them where `find` takes them otherwise. `start` is where the first page begins.
    Raises InvalidRequest for a bad `limit` or `cursor`.
    """
    told = dict(filters if marked is None else marked) | {"in": g.principal.environment}
    mark = paging.filter_hash(g.principal.account_id, told)
    turn, limit = query.turn(mark) or start, query.limit()
    with transaction() as connection:
        found = find(connection, *given, **filters, limit=limit, turn=turn)
    return paging.turning_page(found, mark)


def answer_whole(data: list[dict[str, Any]]) -> Response:
    """A list that is never so long that it would need pages, in the same envelope."""
    return paging.whole(data)
