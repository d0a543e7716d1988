"""accept(...): a request becomes a durable message. Concurrent requests share one INSERT and one COMMIT.

Message, content, first event, webhook deliveries and Idempotency-Key are one statement. Each request
gets its own answer, and one request's error never touches another's. A 2xx exists only after the
commit; the tickets are left after it and may be lost without harm.
"""

import os
import queue
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import orjson
import structlog
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from common import clock
from common.config import Settings, current_settings
from common.db.session import as_json, make_engine, rows
from common.domain.errors import DomainError, Forbidden, InFlight, InvalidRequest, KeyReused, Unavailable
from common.domain.events import API_VERSION
from common.domain.principals import Principal
from common.queueing import publisher, queues, tasks
from common.services.composing import Draft, compose
from common.services.events import fan_out

log = structlog.get_logger()

ROUTE = "POST /v1/messages"
MAX_TOGETHER = 100
WAIT_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What the caller gets: status, JSON bytes, and whether an Idempotency-Key replayed them."""

    status: int
    body: bytes
    replayed: bool = False


@dataclass(slots=True)
class _Waiting:
    draft: Draft
    request_id: str
    status: int
    done: threading.Event = field(default_factory=threading.Event)
    answer: Answer | None = None
    error: DomainError | None = None

    def finish(self, answer: Answer | None = None, error: DomainError | None = None) -> None:
        self.answer, self.error = answer, error
        self.done.set()

    @property
    def body(self) -> bytes:
        return orjson.dumps(self.draft.public)


_ACCEPT = (
    """
WITH x AS MATERIALIZED (
  SELECT * FROM json_to_recordset(%s) AS x(
    ord integer, id uuid, public_id text, event_id uuid, event_public_id text, account_id uuid, environment text,
    status text, tier smallint, created_at timestamptz, starts timestamptz, scheduled_time timestamptz,
    expires_at timestamptz, recipient text, recipient_key text, recipient_domain text, recipient_name text,
    sender jsonb, subject text, html text, text text, template_id uuid, template_slug text,
    template_version integer, template_data jsonb, locale text, cc jsonb, bcc jsonb, reply_to jsonb,
    headers jsonb, attachments jsonb, metadata jsonb, tags text[], sensitive boolean, key_id uuid, batch_id uuid,
    original_id uuid, request_id text, stream text, topic text, idempotency_key text, route text, fingerprint text,
    answer_status integer, answer text)
), keyed AS (
  INSERT INTO idempotency_keys AS k (account_id, environment, route, key, fingerprint, message_id, request_id,
                                     status, response)
  SELECT account_id, environment, route, idempotency_key, decode(fingerprint, 'hex'), id, request_id,
         answer_status, answer
    FROM x WHERE idempotency_key IS NOT NULL ORDER BY account_id, idempotency_key
  ON CONFLICT (account_id, environment, route, key) DO UPDATE
     SET fingerprint = excluded.fingerprint, message_id = excluded.message_id, request_id = excluded.request_id,
         status = excluded.status, response = excluded.response, created_at = now()
   WHERE k.created_at <= now() - make_interval(hours => %s)
  RETURNING message_id
), fresh AS (
  SELECT * FROM x WHERE idempotency_key IS NULL OR id IN (SELECT message_id FROM keyed)
), written AS (
  INSERT INTO messages (id, account_id, environment, status, tier, created_at, updated_at, next_attempt_at,
    ticket_at, scheduled_time, expires_at, recipient, recipient_key, recipient_domain, policy_version,
    delivery_guarantee, stream, topic)
  SELECT f.id, f.account_id, f.environment, f.status, f.tier, f.created_at, f.created_at, f.starts,
         CASE WHEN f.scheduled_time IS NULL THEN clock_timestamp() END, f.scheduled_time, f.expires_at,
         f.recipient, f.recipient_key, f.recipient_domain, a.policy_version, a.delivery_guarantee, f.stream,
         f.topic
    FROM fresh f JOIN accounts a ON a.id = f.account_id ORDER BY f.ord
  RETURNING id
), filled AS (
  INSERT INTO message_contents (message_id, sender, recipient_name, subject, html, text, template_id,
    template_slug, template_version, template_data, locale, cc, bcc, reply_to, headers, attachments, metadata,
    tags, idempotency_key, key_id, request_id, sensitive, batch_id, original_id)
  SELECT id, sender, recipient_name, subject, html, text, template_id, template_slug, template_version,
         template_data, locale, cc, bcc, reply_to, headers, attachments, metadata, tags, idempotency_key,
         key_id, request_id, sensitive, batch_id, original_id FROM fresh
), told AS (
  INSERT INTO events (id, message_id, account_id, environment, seq, type, timestamp, data)
  SELECT event_id, id, account_id, environment, 1, 'message.queued', created_at,
         jsonb_build_object('recipient', recipient, 'status', status)
         || CASE WHEN scheduled_time IS NULL THEN '{}' ELSE jsonb_build_object('scheduled_time', scheduled_time)
            END FROM fresh
  RETURNING id, message_id, account_id, environment, seq, type, timestamp, data
), """
    + fan_out("""
      SELECT f.event_public_id, f.public_id AS message_public_id, f.tags, f.metadata,
             split_part(f.sender ->> 'email', '@', 2) AS domain, NULL::uuid AS target, true AS armed
        FROM fresh f WHERE f.event_id = t.id""")
    + """
SELECT w.id, (SELECT array_agg(n.id) FROM fanned n WHERE n.message_id = w.id AND n.state = 'waiting') AS deliveries
  FROM written w
"""
)

_RECALL = """
SELECT k.account_id, k.environment, k.key, encode(k.fingerprint, 'hex') AS fingerprint, k.status, k.response,
       k.request_id
  FROM json_to_recordset(%s) AS x(account_id uuid, environment text, route text, key text)
  JOIN idempotency_keys k USING (account_id, environment, route, key)
"""


def accept(principal: Principal, fields: dict[str, Any], *, idempotency_key: str | None, request_id: str) -> Answer:
    """Validate what needs the account, write durably, answer. Blocks until the commit.

    Raises DomainError; Unavailable means that nothing is promised and the same key may be retried.
    """
    if principal.paused:
        raise Forbidden("This account is paused.", code="account_paused")
    settings = current_settings()
    if settings.calibration_fault == "cache_only_idempotency":
        return _accept_forgetfully(settings, principal, fields, idempotency_key or request_id, request_id)
    return _accept(settings, compose(settings, principal, fields, idempotency_key, request_id, clock.now()), request_id)


def _accept_forgetfully(
    settings: Settings, principal: Principal, fields: dict[str, Any], key: str, request_id: str
) -> Answer:
    """A calibration fault: Idempotency-Keys live only in this process's memory."""
    if key not in _forgettable:
        draft = compose(settings, principal, fields, None, request_id, clock.now())
        _forgettable[key] = _accept(settings, draft, request_id)
    return _forgettable[key]


_forgettable: dict[str, Answer] = {}


def accept_draft(draft: Draft, *, request_id: str) -> Answer:
    """Write a message that is composed already; otherwise as `accept`."""
    return _accept(current_settings(), draft, request_id)


def _accept(settings: Settings, draft: Draft, request_id: str) -> Answer:
    waiting = _Waiting(draft, request_id, settings.accept_status)
    committer().submit(waiting)
    if not waiting.done.wait(WAIT_SECONDS):
        raise Unavailable("The database did not answer in time; retry with the same Idempotency-Key.", retry_after=2)
    if waiting.error is not None:
        raise waiting.error
    assert waiting.answer is not None
    return waiting.answer


class Committer:
    """One thread that writes whatever gathered while its previous commit was in flight."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._gathered: queue.SimpleQueue[_Waiting] = queue.SimpleQueue()
        self._engine = _accept_engine(settings)
        threading.Thread(target=self._run, name="committer", daemon=True).start()

    def submit(self, waiting: _Waiting) -> None:
        self._gathered.put(waiting)

    def _run(self) -> None:
        while True:
            together = [self._gathered.get()]
            while len(together) < MAX_TOGETHER and not self._gathered.empty():
                together.append(self._gathered.get_nowait())
            try:
                self._write(together)
            except Exception as error:  # the thread must outlive any surprise
                log.exception("accept_failed", requests=len(together))
                _fail(together, Unavailable(f"Not accepted: {type(error).__name__}.", retry_after=2))

    def _write(self, together: list[_Waiting]) -> None:
        try:
            self._commit(together)
        except DBAPIError as error:
            self._take_apart(together, error)
        except SQLAlchemyError:
            _fail(together, unreachable())

    def _take_apart(self, together: list[_Waiting], error: DBAPIError) -> None:
        refusal = refusal_of(error)
        if len(together) > 1 and not isinstance(refusal, Unavailable):
            for waiting in together:
                self._write([waiting])
        else:
            _fail(together, refusal)

    def _commit(self, together: list[_Waiting]) -> None:
        first, repeated = _first_of_each_key(together)
        with self._engine.begin() as connection:
            written = write(connection, self._settings, [waiting.draft for waiting in first])
            missing = [waiting for waiting in first if waiting.draft.id not in written] + repeated
            recalled = recall(connection, [waiting.draft for waiting in missing])
        for waiting in first:
            if waiting.draft.id in written:
                waiting.finish(Answer(waiting.status, waiting.body))
        for waiting in missing:
            _replay(waiting, recalled)
        # After the answers: publishing costs a caller nothing, and a lost ticket is swept.
        leave_tickets([waiting.draft for waiting in first if waiting.draft.id in written], written)


_OUTAGES = ("OperationalError", "AdminShutdown", "CrashShutdown", "CannotConnectNow", "InterfaceError")


def refusal_of(error: DBAPIError) -> DomainError:
    """What a caller is told when the database refused to write. Nothing was accepted in any case."""
    kind = type(error.orig).__name__
    if error.connection_invalidated or kind in _OUTAGES:
        return unreachable()
    if kind in ("LockNotAvailable", "QueryCanceled"):
        return InFlight("The first request with this key is still running.", retry_after=1)
    log.error("accept_refused_by_database", error=kind)
    return InvalidRequest("The request holds a value that cannot be stored, such as a NUL.")


def unreachable() -> Unavailable:
    """The answer while the database is away."""
    return Unavailable("The database cannot be reached; retry with the same Idempotency-Key.", retry_after=2)


def _accept_engine(settings: Settings) -> Engine:
    options = "-c statement_timeout=10000 -c lock_timeout=2000"
    return make_engine(settings.database_url, pool_size=1, max_overflow=0, connect_args={"options": options})


def _fail(together: Sequence[_Waiting], error: DomainError) -> None:
    for waiting in together:
        if not waiting.done.is_set():
            waiting.finish(error=error)


def _identity(draft: Draft) -> tuple[UUID, str, str]:
    return draft.row["account_id"], draft.row["environment"], draft.idempotency_key or ""


def _first_of_each_key(together: list[_Waiting]) -> tuple[list[_Waiting], list[_Waiting]]:
    first: list[_Waiting] = []
    repeated: list[_Waiting] = []
    seen = set()
    for waiting in together:
        identity = _identity(waiting.draft)
        if waiting.draft.idempotency_key is not None and identity in seen:
            repeated.append(waiting)
        else:
            seen.add(identity)
            first.append(waiting)
    return first, repeated


def write(connection: Connection, settings: Settings, drafts: Sequence[Draft]) -> dict[UUID, list[UUID]]:
    """Write drafts in the caller's transaction; answers the written ones with their webhook deliveries.

    A draft whose Idempotency-Key was taken before is not written and not answered.
    """
    parameter = []
    for order, draft in enumerate(drafts):
        row = draft.row
        row["ord"] = order
        if draft.idempotency_key is not None:
            row |= {
                "route": ROUTE,
                "fingerprint": draft.fingerprint,
                "answer_status": settings.accept_status,
                "answer": orjson.dumps(draft.public).decode(),
            }
        parameter.append(row)
    found = rows(connection, _ACCEPT, as_json(parameter), settings.idempotency_hours, API_VERSION)
    return {row.id: list(row.deliveries or ()) for row in found}


def recall(connection: Connection, drafts: Sequence[Draft]) -> dict[tuple[UUID, str, str], Any]:
    """The rows of the keys that were taken before these drafts came."""
    if not drafts:
        return {}
    names = ("account_id", "environment", "key")
    keys = [dict(zip(names, _identity(each), strict=True)) | {"route": ROUTE} for each in drafts]
    found = rows(connection, _RECALL, as_json(keys))
    return {(row.account_id, row.environment, row.key): row for row in found}


def replayed(draft: Draft, recalled: dict[tuple[UUID, str, str], Any]) -> Answer:
    """The first answer of the draft's key. Raises KeyReused, or Unavailable when the key just expired."""
    row = recalled.get(_identity(draft))
    if row is None:
        raise Unavailable("The Idempotency-Key just expired; retry.", retry_after=1)
    if row.fingerprint != draft.fingerprint:
        detail = f"This Idempotency-Key was used with another payload by {row.request_id}. Use a new key."
        raise KeyReused(detail, extra={"first_request_id": row.request_id})
    return Answer(row.status, row.response.encode(), replayed=True)


def _replay(waiting: _Waiting, recalled: dict[tuple[UUID, str, str], Any]) -> None:
    try:
        waiting.finish(replayed(waiting.draft, recalled))
    except DomainError as error:
        waiting.finish(error=error)


def leave_tickets(drafts: Sequence[Draft], written: dict[UUID, list[UUID]]) -> None:
    """Tell the workers of what was committed; a ticket that is lost is swept."""
    by_tier: dict[int, list[UUID]] = {}
    for draft in drafts:
        if not draft.scheduled:
            by_tier.setdefault(draft.tier, []).append(draft.id)
        if written[draft.id]:
            publisher.leave(tasks.DISPATCH_DELIVERIES, queues.WEBHOOKS, written[draft.id])
    for tier, ids in sorted(by_tier.items()):
        publisher.leave(tasks.ROUTE_MESSAGES, queues.routing_queue(tier), ids)


_committers: dict[int, Committer] = {}
_lock = threading.Lock()


def committer() -> Committer:
    """The committer of this process. Keyed by pid: threads do not survive a fork."""
    found = _committers.get(os.getpid())
    if found is None:
        with _lock:
            found = _committers.get(os.getpid()) or _committers.setdefault(os.getpid(), Committer(current_settings()))
    return found
