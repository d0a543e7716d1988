"""Queues: how they stand, and pausing, resuming, draining and reprioritising what is in them.

A queue holds the messages of one stage and tier. A key sees and stops those of its own environment; with
`everywhere=true`, which needs the scope admin, those of all accounts.
"""

from typing import Any

from flask import Blueprint, Response, g

from api import query
from api.answers import json_answer
from api.auth import scope
from api.body import read_object
from api.contract import Parameter, contract
from api.v1.schemas.fields import load
from api.v1.schemas.jobs import JobOut
from api.v1.schemas.queues import (
    PAUSE_IN,
    REPRIORITISE_IN,
    PauseIn,
    QueueOut,
    QueuesOut,
    ReprioritiseIn,
    read_match,
)
from api.v1.workers import fleet
from common.db.session import transaction
from common.domain.errors import NotFound
from common.domain.holds import QUEUES, Match, QueueName, read_queue
from common.domain.ids import decode
from common.domain.tiers import NUMBERS
from common.services import holds, jobs, queue_states, reprioritising, tickets
from common.services.advancing import advance
from common.services.holds import Wish
from common.services.settling import empty_now, settle_now

blueprint = Blueprint("queues", __name__, url_prefix="/v1/queues")

EVERYWHERE = Parameter("everywhere", "Of all accounts; needs the scope admin.", {"type": "string", "enum": ["true"]})
REACH = (EVERYWHERE,)
PATH = {
    "queue": Parameter("queue", "Stage and tier.", {"type": "string", "enum": [queue.text for queue in QUEUES]}),
}
INLINE_SECONDS = 0.5


def everywhere() -> bool:
    """Whether the caller asks for all accounts."""
    return bool(query.choices("everywhere", ("true",)))


def _queue(name: str) -> QueueName:
    found = read_queue(name)
    if found is None:
        raise NotFound(f"There is no such queue; there are {', '.join(queue.text for queue in QUEUES)}.")
    return found


@blueprint.get("")
@scope("queues:read")
@contract(answers={200: QueuesOut}, query=REACH)
def list_queues() -> Response:
    """Every queue: how deep, how old, how fast, and who has paused it."""
    query.only(*REACH)
    with transaction() as connection:
        found = queue_states.states(connection, g.principal, everywhere=everywhere())
    return json_answer({"data": _with_consumers(found)})


def _with_consumers(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    consumers = fleet().consumers()
    return [each | {"consumers": None if consumers is None else consumers.get(each["name"], 0)} for each in found]


@blueprint.get("/<queue>")
@scope("queues:read")
@contract(answers={200: QueueOut}, query=REACH, path=PATH)
def read_queue_state(queue: str) -> Response:
    """One queue."""
    query.only(*REACH)
    return _shown(_queue(queue))


def _shown(which: QueueName) -> Response:
    with transaction() as connection:
        found = queue_states.state(connection, g.principal, which, everywhere=everywhere())
    return json_answer(_with_consumers([found])[0])


@blueprint.post("/<queue>/pause")
@scope("queues:write", idempotent=False)
@contract(takes=PauseIn, answers={200: QueueOut}, query=REACH, path=PATH)
def pause_queue(queue: str) -> Response:
    """Let nothing of this queue go on, until it is resumed or the pause expires. Pausing again replaces the pause."""
    query.only(*REACH)
    return _stop(_queue(queue), "pause")


@blueprint.post("/<queue>/drain")
@scope("queues:write", idempotent=False)
@contract(takes=PauseIn, answers={200: QueueOut}, query=REACH, path=PATH)
def drain_queue(queue: str) -> Response:
    """Let go what is there, and keep back what is accepted from now on, until it is resumed or expires."""
    query.only(*REACH)
    return _stop(_queue(queue), "drain")


def _stop(which: QueueName, kind: str) -> Response:
    given = load(PAUSE_IN, read_object())
    wish = Wish(
        kind,
        Match(tier=which.tier),
        given["reason"],
        given.get("author"),
        given.get("expires_at"),
        which.stage,
        everywhere(),
    )
    with transaction() as connection:
        before = holds.of_queue(connection, g.principal, which, wish.everywhere)
        made = holds.create(connection, g.principal, wish)
        for each in before:
            holds.release(connection, g.principal, each)
    due, hold_id = empty_now(before), decode("hld", made["id"])
    assert hold_id is not None
    settle_now(hold_id)
    tickets.leave(due)
    return _shown(which)


@blueprint.post("/<queue>/resume")
@scope("queues:write", idempotent=False)
@contract(answers={200: QueueOut}, query=REACH, path=PATH)
def resume_queue(queue: str) -> Response:
    """End the pause or the drain of this queue. Repeating it is harmless; other holds stay."""
    query.only(*REACH)
    which = _queue(queue)
    with transaction() as connection:
        ended = holds.of_queue(connection, g.principal, which, everywhere())
        for each in ended:
            holds.release(connection, g.principal, each)
    tickets.leave(empty_now(ended))
    return _shown(which)


@blueprint.post("/reprioritise")
@scope("queues:write", idempotent=False)
@contract(takes=ReprioritiseIn, answers={202: JobOut}, query=REACH)
def reprioritise() -> Response:
    """Move what waits and matches to another tier, in the order of acceptance. Answers the job.

    What is being sent just now stays where it is. A small job has ended when it is answered.
    """
    query.only(*REACH)
    given: dict[str, Any] = load(REPRIORITISE_IN, read_object())
    with transaction() as connection:
        job_id = reprioritising.plan(
            connection, g.principal, read_match(given["match"]), NUMBERS[given["priority"]],
            reason=given["reason"], everywhere=everywhere(),
        )  # fmt: skip
    if advance(job_id, reprioritising.STEPS, seconds=INLINE_SECONDS):
        jobs.leave([job_id])
    with transaction() as connection:
        return json_answer(jobs.get(connection, g.principal, job_id), 202)
