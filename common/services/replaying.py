"""Dead letters sent again, or discarded: one by one, many by their ids, or all that match a filter, as a job.

A dead letter is replayed once: its message's content becomes one new message, in the transaction that
marks it. Never here: whether its recipient is suppressed meanwhile (routing looks).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from common import clock
from common.config import current_settings
from common.db.keyset import Position
from common.db.session import as_json, rows, run
from common.domain.errors import Conflict, DomainError, NotFound
from common.domain.ids import encode
from common.domain.jobs import DISCARD, REPLAY
from common.domain.principals import Principal
from common.services import dead_letters, jobs, resending, writing
from common.services.advancing import Job, Portion, Reject, Step
from common.services.composing import Draft
from common.services.dead_letters import Filters

MOST_ROWS, MOST_BYTES = 200, 16_000_000
"""Of one portion: a replay reads the contents it sends again."""

_MARK = """
UPDATE dead_letters d SET replayed_as = x.made, replayed_at = now()
  FROM json_to_recordset(%s) AS x(id uuid, made uuid) WHERE d.message_id = x.id
"""


@dataclass(frozen=True, slots=True)
class Replayed:
    """The message that a dead letter was sent again as, and whether that was now. None: it would have been."""

    message_id: UUID | None
    now: bool


Answer = Replayed | DomainError


def replay(
    connection: Connection, principal: Principal, ids: Sequence[UUID], *, request_id: str, dry_run: bool = False
) -> tuple[list[Answer], Callable[[], None]]:
    """Send dead letters once more; answers each, in order, and what to call after the commit.

    One that was replayed before answers the message it became, and nothing is sent. NotFound, Conflict
    for a discarded one, ContentPurged, or what forbids this key to send it.
    """
    held = dead_letters.hold(connection, principal, ids)
    waiting = [each for each, row in held.items() if row.state == "waiting"]
    copies = dict(zip(waiting, resending.copy(connection, principal, waiting, request_id=request_id), strict=True))
    drafts = {each: draft for each, draft in copies.items() if isinstance(draft, Draft)}
    written: dict[UUID, list[UUID]] = {}
    if drafts and not dry_run:
        written = writing.write(connection, current_settings(), list(drafts.values()))
        run(connection, _MARK, as_json([{"id": each, "made": draft.id} for each, draft in drafts.items()]))
    answers = [_answer(held.get(each), copies.get(each), dry_run) for each in ids]
    return answers, lambda: writing.leave_tickets(list(drafts.values()) if written else [], written)


def _answer(row: Any, copied: Draft | DomainError | None, dry_run: bool) -> Answer:
    if row is None:
        return NotFound("There is no dead letter of this message.")
    if row.state == "discarded":
        return Conflict("It was discarded: resend its message if it is wanted after all.")
    if isinstance(copied, DomainError):
        return copied
    if copied is None:
        return Replayed(row.replayed_as, now=False)
    return Replayed(None if dry_run else copied.id, now=True)


def plan(
    connection: Connection,
    principal: Principal,
    kind: str,
    *,
    ids: Sequence[UUID] | None,
    filters: Filters | None,
    dry_run: bool,
    reason: str | None = None,
) -> UUID:
    """A job over these ids, or over all that wait now and match; work it with `STEPS`.

    A filter takes what is dead now: what dies while the job runs, its own copies too, is not touched.
    """
    options: dict[str, Any] = {"dry_run": dry_run, "reason": reason}
    if filters is None:
        wanted = list(dict.fromkeys(ids or ()))
        options["ids"] = [str(each) for each in wanted]
        return jobs.create(connection, principal, kind, options, total=len(wanted))
    now = clock.now()
    until = now if filters.created_before is None else min(filters.created_before, now)
    bound = replace(filters, states=("waiting",), created_before=until)
    options["filters"] = bound.kept()
    return jobs.create(connection, principal, kind, options, total=dead_letters.count(connection, principal, bound))


def _replay_portion(connection: Connection, job: Job) -> Portion:
    picked = _pick(connection, job)
    request_id = encode("job", job.id)
    answers, after = replay(connection, job.principal, picked.ids, request_id=request_id, dry_run=job.dry_run)
    counts = {"replayed": 0, "already_replayed": 0}
    for answer in answers:
        if isinstance(answer, Replayed):
            counts["replayed" if answer.now else "already_replayed"] += 1
    return _portion(job, picked, answers, counts, after)


def _discard_portion(connection: Connection, job: Job) -> Portion:
    picked = _pick(connection, job)
    reason = job.options["reason"]
    answers = dead_letters.discard(connection, job.principal, picked.ids, reason=reason, dry_run=job.dry_run)
    done = sum(answer is True for answer in answers)
    counts = {"discarded": done, "already_discarded": sum(answer is False for answer in answers)}
    return _portion(job, picked, answers, counts, None)


STEPS: dict[str, Step] = {REPLAY: _replay_portion, DISCARD: _discard_portion}


@dataclass(frozen=True, slots=True)
class _Picked:
    ids: list[UUID]
    position: dict[str, Any]
    done: bool


def _portion(
    job: Job, picked: _Picked, answers: Sequence[object], counts: dict[str, int], after: Callable[[], None] | None
) -> Portion:
    refused = [
        Reject(job.processed + number, encode("msg", message_id), answer.code, answer.detail)
        for number, (message_id, answer) in enumerate(zip(picked.ids, answers, strict=True), 1)
        if isinstance(answer, DomainError)
    ]
    return Portion(picked.position, len(picked.ids), picked.done, counts, refused, after=after)


def _pick(connection: Connection, job: Job) -> _Picked:
    """The next portion: at most so many rows, and so many bytes of content, but at least one row."""
    if "ids" in job.options:
        start = job.position.get("next", 0)
        kept = _within(connection, [UUID(each) for each in job.options["ids"][start : start + MOST_ROWS]])
        return _Picked(kept, {"next": start + len(kept)}, start + len(kept) >= len(job.options["ids"]))
    found = dead_letters.oldest(connection, job.principal, Filters.read(job.options["filters"]), _after(job), MOST_ROWS)
    kept = _within(connection, [message_id for _, message_id in found])
    if not kept:
        return _Picked([], dict(job.position), True)
    moment, message_id = found[len(kept) - 1]
    position = {"created_at": moment.isoformat(), "message_id": str(message_id)}
    return _Picked(kept, position, len(kept) == len(found) < MOST_ROWS)


def _after(job: Job) -> Position | None:
    if not job.position:
        return None
    return datetime.fromisoformat(job.position["created_at"]), UUID(job.position["message_id"])


_SIZES = """
SELECT message_id, coalesce(pg_column_size(attachments), 0) + coalesce(pg_column_size(html), 0) AS size
  FROM message_contents WHERE message_id = ANY(%s::uuid[])
"""


def _within(connection: Connection, ids: Sequence[UUID]) -> list[UUID]:
    """As many of the first ones as one portion may read."""
    sizes = {row.message_id: row.size for row in rows(connection, _SIZES, list(ids))}
    kept: list[UUID] = []
    whole = 0
    for message_id in ids:
        whole += sizes.get(message_id, 0)
        if kept and whole > MOST_BYTES:
            break
        kept.append(message_id)
    return kept
