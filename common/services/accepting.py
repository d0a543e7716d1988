"""accept(...): a request becomes a durable message. Concurrent requests share one INSERT and one COMMIT.

Each request gets its own answer, and one request's error never touches another's. A 2xx exists only
after the commit; the tickets are left after it and may be lost without harm. Never here: the
statement (writing.py).
"""

import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import orjson
import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from common import clock
from common.config import Settings, current_settings
from common.db.session import BY_INDEX, make_engine
from common.domain import traceparents
from common.domain.errors import DomainError, Forbidden, InFlight, Unavailable
from common.domain.fingerprints import fingerprint
from common.domain.principals import Principal
from common.services import writing
from common.services.alone import write_alone
from common.services.composing import Draft, compose
from common.services.idempotency import Claim
from common.services.writing import Answer

log = structlog.get_logger()

MAX_TOGETHER = 100
WAIT_SECONDS = 15.0


def _locked() -> threading.Lock:
    """A lock that is taken: the cheapest thing one thread can wait on until another lets go of it."""
    lock = threading.Lock()
    lock.acquire()
    return lock


@dataclass(slots=True, eq=False)
class _Waiting:
    """A request that waits for its commit. `together` is set when it has to write for others."""

    draft: Draft
    status: int
    wake: threading.Lock = field(default_factory=_locked)
    together: list["_Waiting"] = field(default_factory=list)
    answer: Answer | None = None
    error: DomainError | None = None

    def finish(self, answer: Answer | None = None, error: DomainError | None = None) -> None:
        self.answer, self.error = answer, error

    @property
    def finished(self) -> bool:
        return self.answer is not None or self.error is not None

    @property
    def body(self) -> bytes:
        return orjson.dumps(self.draft.public)


def accept(
    principal: Principal,
    fields: dict[str, Any],
    *,
    idempotency_key: str | None,
    request_id: str,
    traceparent: str | None = None,
) -> Answer:
    """Validate what needs the account, write durably, answer. Blocks until the commit.

    `traceparent` is the header as it came.

    Raises DomainError; Unavailable means that nothing is promised and the same key may be retried.
    """
    if principal.paused:
        raise Forbidden("This account is paused.", code="account_paused")
    settings = current_settings()
    if settings.calibration_fault == "cache_only_idempotency":
        return _accept_forgetfully(settings, principal, fields, idempotency_key or request_id, request_id)
    try:
        draft = compose(settings, principal, fields, idempotency_key, request_id, clock.now())
    except DomainError:
        if idempotency_key is None:
            raise
        known = writing.remembered(
            settings, Claim(principal, writing.ROUTE, idempotency_key, fingerprint(fields), request_id)
        )
        if known is None:
            raise
        return known
    if traceparent is not None:
        draft.row["traceparent"] = traceparents.read(traceparent)
    return _accept(settings, draft)


def _accept_forgetfully(
    settings: Settings, principal: Principal, fields: dict[str, Any], key: str, request_id: str
) -> Answer:
    """A calibration fault: Idempotency-Keys live only in this process's memory."""
    if key not in _forgettable:
        draft = compose(settings, principal, fields, None, request_id, clock.now())
        _forgettable[key] = _accept(settings, draft)
    return _forgettable[key]


_forgettable: dict[str, Answer] = {}


def accept_draft(draft: Draft) -> Answer:
    """Write a message that is composed already; otherwise as `accept`."""
    return _accept(current_settings(), draft)


def _accept(settings: Settings, draft: Draft) -> Answer:
    if draft.size > writing.LARGE:
        return write_alone(settings, draft)
    waiting = _Waiting(draft, settings.accept_status)
    committer().submit(waiting)
    if isinstance(waiting.error, InFlight):
        return write_alone(settings, draft)
    if waiting.error is not None:
        raise waiting.error
    assert waiting.answer is not None
    return waiting.answer


class Committer:
    """Whoever comes while nobody writes, writes; who comes meanwhile waits, and one of those writes for them all.

    So one request alone costs no change of threads, and many share one statement and one commit. The one
    connection belongs to whoever writes.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._gathered: list[_Waiting] = []
        self._writing = False
        self._lock = threading.Lock()
        self._engine = _accept_engine(settings)

    def submit(self, waiting: _Waiting) -> None:
        """Blocks until `waiting` has its answer or its error."""
        with self._lock:
            others = self._writing
            if others:
                self._gathered.append(waiting)
            else:
                self._writing = True
        if not others:
            waiting.together = [waiting]
        elif not waiting.wake.acquire(timeout=WAIT_SECONDS) and self._gives_up(waiting):
            return
        if waiting.together:
            self._write_for(waiting)

    def _gives_up(self, waiting: _Waiting) -> bool:
        """Take a request back that nobody has begun to write; one that is being written waits for its end."""
        with self._lock:
            if waiting in self._gathered:
                self._gathered.remove(waiting)
                text = "The database did not answer in time; retry with the same Idempotency-Key."
                waiting.finish(error=Unavailable(text, retry_after=2))
                return True
        waiting.wake.acquire()
        return False

    def _write_for(self, own: _Waiting) -> None:
        together = own.together
        try:
            written = self._write(together)
        except Exception as error:  # nobody may be left waiting, whatever happened
            log.exception("accept_failed", request_ids=[each.draft.row["request_id"] for each in together[:20]])
            written = {}
            _fail(together, Unavailable(f"Not accepted: {type(error).__name__}.", retry_after=2))
        finally:
            self._hand_over()
            for waiting in together:
                if waiting is not own:
                    waiting.wake.release()
        # After the answers: publishing costs a caller nothing, and a lost ticket is swept.
        if written:
            writing.leave_tickets([each.draft for each in together if each.draft.id in written], written)

    def _hand_over(self) -> None:
        """The first of those who came meanwhile writes next."""
        with self._lock:
            together, self._gathered = self._gathered[:MAX_TOGETHER], self._gathered[MAX_TOGETHER:]
            self._writing = bool(together)
        if together:
            together[0].together = together
            together[0].wake.release()

    def _write(self, together: list[_Waiting], *, again: bool = False) -> dict[UUID, list[UUID]]:
        """Give everyone an answer or an error; what was written, with its webhook deliveries."""
        try:
            return self._commit(self._unwritten(together) if again else together)
        except DBAPIError as error:
            if error.connection_invalidated and not again:
                return self._write(together, again=True)
            return self._take_apart([each for each in together if not each.finished], error)
        except SQLAlchemyError:
            _fail(together, writing.unreachable())
            return {}

    def _take_apart(self, together: list[_Waiting], error: DBAPIError) -> dict[UUID, list[UUID]]:
        refusal = writing.refusal_of(error)
        if isinstance(refusal, InFlight):
            # Somebody else is writing one of these keys: who has a key waits on their own, not for all.
            keyed = [waiting for waiting in together if waiting.draft.idempotency_key is not None]
            _fail(keyed or together, refusal)
            rest = [waiting for waiting in together if not waiting.finished]
            return self._write(rest) if rest else {}
        if len(together) == 1 or isinstance(refusal, Unavailable):
            _fail(together, refusal)
            return {}
        written: dict[UUID, list[UUID]] = {}
        for waiting in together:
            written |= self._write([waiting])
        return written

    def _unwritten(self, together: list[_Waiting]) -> list[_Waiting]:
        """Those that a commit did not write whose answer was lost with its connection; the others have theirs now."""
        with self._engine.begin() as connection:
            present = writing.present(connection, [waiting.draft for waiting in together])
        for waiting in together:
            if waiting.draft.id in present:
                waiting.finish(Answer(waiting.status, waiting.body))
        return [waiting for waiting in together if not waiting.finished]

    def _commit(self, together: list[_Waiting]) -> dict[UUID, list[UUID]]:
        first, repeated = _first_of_each_key(together)
        with self._engine.begin() as connection:
            written = writing.write(connection, self._settings, [waiting.draft for waiting in first])
            missing = [waiting for waiting in first if waiting.draft.id not in written] + repeated
            recalled = writing.recall(connection, [waiting.draft for waiting in missing])
        for waiting in first:
            if waiting.draft.id in written:
                waiting.finish(Answer(waiting.status, waiting.body))
        for waiting in missing:
            _replay(waiting, recalled)
        return written


def _accept_engine(settings: Settings) -> Engine:
    options = f"-c statement_timeout=10000 -c lock_timeout=100 {BY_INDEX}"
    return make_engine(settings.database_url, pool_size=1, max_overflow=0, connect_args={"options": options})


def _fail(together: Sequence[_Waiting], error: DomainError) -> None:
    for waiting in together:
        if not waiting.finished:
            waiting.finish(error=error)


def _first_of_each_key(together: list[_Waiting]) -> tuple[list[_Waiting], list[_Waiting]]:
    first: list[_Waiting] = []
    repeated: list[_Waiting] = []
    seen = set()
    for waiting in together:
        identity = writing.identity_of(waiting.draft)
        if waiting.draft.idempotency_key is not None and identity in seen:
            repeated.append(waiting)
        else:
            seen.add(identity)
            first.append(waiting)
    return first, repeated


def _replay(waiting: _Waiting, recalled: dict[tuple[UUID, str, str], Any]) -> None:
    try:
        waiting.finish(writing.replayed(waiting.draft, recalled))
    except DomainError as error:
        waiting.finish(error=error)


_committers: dict[int, Committer] = {}
_lock = threading.Lock()


def committer() -> Committer:
    """The committer of this process. Keyed by pid: threads do not survive a fork."""
    found = _committers.get(os.getpid())
    if found is None:
        with _lock:
            found = _committers.get(os.getpid()) or _committers.setdefault(os.getpid(), Committer(current_settings()))
    return found
