"""write_alone(...): one message in a transaction of its own, in its caller's thread.

For what must not keep others waiting: a large message, and one whose Idempotency-Key another request
is just writing. Never here: the statement (writing.py), or who shares one (accepting.py).
"""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import orjson
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from common.config import Settings
from common.db.session import run, transaction
from common.domain.errors import InFlight
from common.services import writing
from common.services.composing import Draft
from common.services.writing import Answer

MOST_WAITING = 2
"""Requests of one process that wait for the first one with their key; others are told at once."""

_waiting: Counter[Any] = Counter()
_lock = threading.Lock()


def write_alone(settings: Settings, draft: Draft) -> Answer:
    """Blocks until the commit, or 2 s for another request with its key. Raises InFlight, KeyReused, Unavailable."""
    with _turn(draft):
        try:
            with transaction() as connection:
                run(connection, "SET LOCAL lock_timeout = '1900ms'")
                run(connection, "SET LOCAL statement_timeout = '60s'")
                written = writing.write(connection, settings, [draft])
                recalled = {} if draft.id in written else writing.recall(connection, [draft])
        except DBAPIError as error:
            raise writing.refusal_of(error) from error
        except SQLAlchemyError as error:
            raise writing.unreachable() from error
    if draft.id not in written:
        return writing.replayed(draft, recalled)
    writing.leave_tickets([draft], written)
    return Answer(settings.accept_status, orjson.dumps(draft.public))


@contextmanager
def _turn(draft: Draft) -> Iterator[None]:
    if draft.idempotency_key is None:
        yield
        return
    identity = writing.identity_of(draft)
    with _lock:
        if _waiting[identity] >= MOST_WAITING:
            raise InFlight("Requests with this Idempotency-Key are still running.", retry_after=1)
        _waiting[identity] += 1
    try:
        yield
    finally:
        with _lock:
            _waiting[identity] -= 1
            if not _waiting[identity]:
                del _waiting[identity]
