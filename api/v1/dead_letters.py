"""Dead letters: messages that ended badly, for a person to inspect, replay or discard.

Many at once are a job. A small one has ended when it is answered; a large one goes on in the background.
"""

from typing import Any

from flask import Blueprint, Response, g

from api import query
from api.answers import json_answer
from api.auth import scope
from api.body import read_object
from api.contract import contract
from api.lists import answer_list
from api.v1.schemas.dead_letters import (
    DISCARD_IN,
    DISCARD_ONE_IN,
    REPLAY_IN,
    CausesOut,
    DeadLetterDiscardIn,
    DeadLetterOut,
    DeadLettersDiscardIn,
    DeadLettersReplayIn,
    DeadLetterWholeOut,
)
from api.v1.schemas.fields import load
from api.v1.schemas.jobs import JobOut
from api.v1.schemas.out import page_of
from common.db.session import transaction
from common.domain.addresses import parse_address
from common.domain.errors import DomainError
from common.domain.jobs import DISCARD, REPLAY
from common.services import dead_letters, jobs, replaying
from common.services.advancing import advance
from common.services.dead_letters import STATES, Filters

blueprint = Blueprint("dead_letters", __name__, url_prefix="/v1/dead-letters")

FILTERS = (
    query.choices_parameter("state", "Only dead letters of which this became.", STATES),
    query.text_parameter("cause", "Only this cause.", 64),
    query.address_parameter("recipient", "Only to this address."),
    query.text_parameter("domain", "Only to this domain.", 253),
    query.moment_parameter("created_after", "Only what ended at this time or later."),
    query.moment_parameter("created_before", "Only what ended before this time."),
)
LISTED = (*FILTERS, *query.PAGED)
INLINE_SECONDS = 0.5
REFUSALS = (
    "content_purged",
    "domain_not_allowed",
    "sender_not_verified",
    "template_not_allowed",
    "stream_not_allowed",
    "tag_not_allowed",
    "account_paused",
    "conflict",
)


def _filters() -> Filters:
    cause, domain = query.text("cause", 64), query.text("domain", 253)
    return Filters(
        states=tuple(query.choices("state", STATES)),
        causes=(cause,) if cause else (),
        recipient=query.address_key("recipient"),
        domain=domain.lower() if domain else None,
        created_after=query.moment("created_after"),
        created_before=query.moment("created_before"),
    )


@blueprint.get("")
@scope("messages:read")
@contract(answers={200: page_of(DeadLetterOut)}, query=LISTED, errors=("invalid_cursor",))
def list_dead_letters() -> Response:
    """Dead letters of this key's environment, newest first, keyed on message_id."""
    query.only(*LISTED)
    filters = _filters()
    return answer_list(dead_letters.find, g.principal, filters, marked=filters.kept())


@blueprint.get("/causes")
@scope("messages:read")
@contract(answers={200: CausesOut}, query=FILTERS)
def list_dead_letter_causes() -> Response:
    """Dead letters grouped by cause, the most frequent first."""
    query.only(*FILTERS)
    with transaction() as connection:
        return json_answer({"data": dead_letters.causes(connection, g.principal, _filters())})


@blueprint.get("/<message_id>")
@scope("messages:read")
@contract(answers={200: DeadLetterWholeOut})
def read_dead_letter(message_id: str) -> Response:
    """One dead letter, with its message and every conversation about it."""
    query.only()
    which = query.path_id("msg", message_id)
    with transaction() as connection:
        return json_answer(dead_letters.inspect(connection, g.principal, which))


@blueprint.post("/<message_id>/replay")
@scope("messages:send", policy="send", idempotent=False)
@contract(answers={202: DeadLetterOut, 200: DeadLetterOut}, errors=REFUSALS)
def replay_dead_letter(message_id: str) -> Response:
    """Send it once more, as a new message that `replayed_as` names. 200 when that was done before: nothing is sent."""
    query.only()
    which = query.path_id("msg", message_id)
    with transaction() as connection:
        (answer,), after = replaying.replay(connection, g.principal, [which], request_id=g.request_id)
        if isinstance(answer, DomainError):
            raise answer
        found = dead_letters.get(connection, g.principal, which)
    after()
    return json_answer(found, 202 if answer.now else 200)


@blueprint.post("/<message_id>/discard")
@scope("messages:cancel", idempotent=False)
@contract(takes=DeadLetterDiscardIn, answers={200: DeadLetterOut}, errors=("conflict",))
def discard_dead_letter(message_id: str) -> Response:
    """Put it aside for good, with a reason. Repeating it keeps the first reason."""
    query.only()
    which, fields = query.path_id("msg", message_id), load(DISCARD_ONE_IN, read_object())
    with transaction() as connection:
        (answer,) = dead_letters.discard(connection, g.principal, [which], reason=fields["reason"])
        if isinstance(answer, DomainError):
            raise answer
        return json_answer(dead_letters.get(connection, g.principal, which))


@blueprint.post("/replay")
@scope("messages:send", policy="send", idempotent=False)
@contract(takes=DeadLettersReplayIn, answers={202: JobOut}, errors=("account_paused",))
def replay_dead_letters() -> Response:
    """Send many once more: by their ids, or all that wait now and match. None is ever sent twice.

    Answers the job; `dry_run` tells what would be sent.
    """
    query.only()
    return _work(REPLAY, load(REPLAY_IN, read_object()))


@blueprint.post("/discard")
@scope("messages:cancel", idempotent=False)
@contract(takes=DeadLettersDiscardIn, answers={202: JobOut})
def discard_dead_letters() -> Response:
    """Put many aside: by their ids, or all that wait now and match. Answers the job."""
    query.only()
    return _work(DISCARD, load(DISCARD_IN, read_object()))


def _work(kind: str, fields: dict[str, Any]) -> Response:
    with transaction() as connection:
        job_id = replaying.plan(
            connection,
            g.principal,
            kind,
            ids=fields.get("message_ids"),
            filters=None if "message_ids" in fields else _chosen(fields["filter"]),
            dry_run=fields.get("dry_run", False),
            reason=fields.get("reason"),
        )
    if advance(job_id, replaying.STEPS, seconds=INLINE_SECONDS):
        jobs.leave([job_id])
    with transaction() as connection:
        return json_answer(jobs.get(connection, g.principal, job_id), 202)


def _chosen(given: dict[str, Any]) -> Filters:
    recipient = given.get("recipient")
    return Filters(
        causes=tuple(given.get("cause", ())),
        recipient=None if recipient is None else parse_address(recipient["email"]).key,
        domain=given["domain"].lower() if "domain" in given else None,
        created_after=given.get("created_after"),
        created_before=given.get("created_before"),
    )
