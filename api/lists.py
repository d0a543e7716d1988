"""The answer to a list request: what `find` shows of one page, with cursors that hold for these filters only.

Beside paging.py, which makes cursors, and query.py, which reads parameters. Never here: what a filter does.
"""

from collections.abc import Callable
from typing import Any

from flask import Response, g

from api import paging, query
from common.db.keyset import Page
from common.db.session import transaction


def answer_list(find: Callable[..., Page], *given: Any, **filters: Any) -> Response:
    """`find(connection, *given, **filters, limit=…, turn=…)` in a transaction of its own, as the list envelope.

    `filters` are what the caller asked for: a cursor of others, of another path, account or environment is a 400.
    Raises InvalidRequest for a bad `limit` or `cursor`.
    """
    mark = paging.filter_hash(g.principal.account_id, filters | {"in": g.principal.environment})
    turn, limit = query.turn(mark), query.limit()
    with transaction() as connection:
        found = find(connection, *given, **filters, limit=limit, turn=turn)
    return paging.turning_page(found, mark)
