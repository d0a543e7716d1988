"""Replays: events told to a webhook once more, by id or by range, as a job that shows its progress.

A replay parks deliveries; lanes take them behind live ones, with at most a fifth of the endpoint's lanes. The
`webhook-id` is the event's id again, so a receiver that knows it leaves it out. Never here: posting.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
import structlog
from sqlalchemy import Connection

from common.clock import rfc3339
from common.db.session import as_json, rows, run
from common.domain.errors import Conflict, NotFound
from common.domain.events import matches, public_event
from common.domain.ids import encode, new_id
from common.domain.jobs import WEBHOOK_REPLAY
from common.domain.principals import Principal
from common.services import stream, subscriptions
from common.services.events import MOST_BYTES

log = structlog.get_logger()

KIND = WEBHOOK_REPLAY
CHUNK = 1000
FAILED, ALL = "failed", "all"

_START = """
INSERT INTO jobs (id, account_id, environment, kind, state, options, position, key_id)
VALUES (%s, %s, %s, %s, 'waiting', %s, json_build_object('end', event_horizon()), %s)
"""


def start(connection: Connection, principal: Principal, webhook_id: UUID, wish: Mapping[str, Any]) -> dict[str, Any]:
    """A job that repeats what `wish` names: `event_ids`, or `since`, `until`, `types` and `only` (failed or all).

    Raises NotFound, and Conflict for a disabled webhook.
    """
    if subscriptions.lock(connection, principal, webhook_id).state != "enabled":
        raise Conflict("The webhook is disabled: enable it first.")
    job_id = new_id()
    options = as_json({"webhook_id": webhook_id, "only": ALL, **wish})
    run(
        connection, _START,
        job_id, principal.account_id, principal.environment, KIND, options, principal.key_id,
    )  # fmt: skip
    return get(connection, principal, webhook_id, job_id)


_COUNTS = """
SELECT count(*) FILTER (WHERE state = 'delivered') AS delivered,
       count(*) FILTER (WHERE state = 'exhausted') AS exhausted,
       count(*) FILTER (WHERE state IN ('waiting', 'held')) AS waiting
  FROM webhook_deliveries WHERE replay_id = %s
"""


def get(connection: Connection, principal: Principal, webhook_id: UUID, job_id: UUID) -> dict[str, Any]:
    """A replay and how far it is. Raises NotFound."""
    found = rows(
        connection,
        "SELECT * FROM jobs WHERE id = %s AND account_id = %s AND environment = %s AND kind = %s",
        job_id,
        principal.account_id,
        principal.environment,
        KIND,
    )
    if not found or found[0].options["webhook_id"] != str(webhook_id):
        raise NotFound("This webhook has no replay with this id.")
    row, counts = found[0], rows(connection, _COUNTS, job_id)[0]
    over = row.state == "done" and counts.waiting == 0
    return {
        "id": encode("job", row.id),
        "webhook_id": encode("whk", webhook_id),
        "state": "done" if over else (row.state if row.state in ("waiting", "failed") else "running"),
        "found": row.processed,
        "delivered": counts.delivered,
        "exhausted": counts.exhausted,
        "waiting": counts.waiting,
        "created_at": rfc3339(row.created_at),
        "searched_at": rfc3339(row.ended_at) if row.ended_at else None,
    }


_FAIL = "UPDATE jobs SET state = 'failed', error = %s, ended_at = clock_timestamp() WHERE id = %s"
_NEXT = """
SELECT j.id, j.account_id, j.environment, j.options, j.position, w.id AS webhook_id, w.event_types, w.tags, w.domains
  FROM jobs j LEFT JOIN webhooks w ON w.id = (j.options ->> 'webhook_id')::uuid
 WHERE j.kind = %s AND j.state IN ('waiting', 'running') ORDER BY j.created_at LIMIT 1 FOR UPDATE OF j SKIP LOCKED
"""
_STEP = """
UPDATE jobs SET state = CASE WHEN %s THEN 'done' ELSE 'running' END, position = %s, processed = processed + %s,
       started_at = coalesce(started_at, clock_timestamp()), updated_at = clock_timestamp(),
       ended_at = CASE WHEN %s THEN clock_timestamp() END WHERE id = %s
"""


def advance(connection: Connection) -> bool:
    """Find the next thousand of the oldest replay and park them; False when there is nothing to do."""
    found = rows(connection, _NEXT, KIND)
    if not found:
        return False
    job = found[0]
    try:
        with connection.begin_nested():
            position, parked = _step(connection, job)
    except Exception as error:  # one that cannot be done must not stand in the way of all others
        log.exception("replay_failed", job=str(job.id))
        run(connection, _FAIL, type(error).__name__, job.id)
        return True
    over = position is None
    run(connection, _STEP, over, as_json(position or job.position), parked, over, job.id)
    return True


def _step(connection: Connection, job: Any) -> tuple[dict[str, Any] | None, int]:
    if job.webhook_id is None:
        return None, 0
    if job.options["only"] == FAILED:
        return _repeat_failed(connection, job)
    return _repeat_events(connection, job)


_REPEAT = """parked = true, state = 'waiting', replay_id = %s, attempt_no = 0, next_attempt_at = clock_timestamp(),
       ticket_at = NULL, ended_at = NULL"""

_FAILED = f"""
WITH chosen AS (
  SELECT id, state FROM webhook_deliveries WHERE webhook_id = %s AND state IN ('exhausted', 'skipped')
     AND id > %s AND (%s::timestamptz IS NULL OR created_at >= %s) AND (%s::timestamptz IS NULL OR created_at < %s)
     AND (%s::text[] IS NULL OR type = ANY(%s))
   ORDER BY id LIMIT {CHUNK} FOR UPDATE)
UPDATE webhook_deliveries d SET {_REPEAT} FROM chosen WHERE d.id = chosen.id RETURNING d.id
"""


def _repeat_failed(connection: Connection, job: Any) -> tuple[dict[str, Any] | None, int]:
    """Deliveries that are exhausted or were skipped. Answers where to go on, None at the end, and how many."""
    wish, after = job.options, job.position.get("id", str(UUID(int=0)))
    since, until, types = wish.get("since"), wish.get("until"), wish.get("types")
    given = (job.webhook_id, after, since, since, until, until, types, types, job.id)
    done = sorted(row.id for row in rows(connection, _FAILED, *given))
    return ({**job.position, "id": str(done[-1])} if len(done) == CHUNK else None), len(done)


_EVENTS = f"""
SELECT e.*, c.tags, c.metadata, split_part(c.sender ->> 'email', '@', 2) AS domain FROM (
  SELECT * FROM events WHERE account_id = %s AND environment = %s AND (transaction_no, id) > (%s, %s)
     AND transaction_no < %s ORDER BY transaction_no, id LIMIT {CHUNK}) e
  LEFT JOIN message_contents c ON c.message_id = e.message_id ORDER BY e.transaction_no, e.id
"""
_BY_ID = """
SELECT e.*, c.tags, c.metadata FROM events e LEFT JOIN message_contents c ON c.message_id = e.message_id
 WHERE e.account_id = %s AND e.environment = %s AND e.id = ANY(%s::uuid[]) ORDER BY e.transaction_no, e.id
"""


def _repeat_events(connection: Connection, job: Any) -> tuple[dict[str, Any] | None, int]:
    """Events, whether this webhook was told them before or not. Answers as `_repeat_failed`."""
    wish, place = job.options, job.position
    owner = (job.account_id, job.environment)
    if wish.get("event_ids"):
        return None, _park(connection, job, rows(connection, _BY_ID, *owner, wish["event_ids"]))
    if "after" not in place:
        place = place | _begin(connection, job)
    found = rows(connection, _EVENTS, *owner, place["after"], place["id"], place["end"])
    parked = _park(connection, job, [row for row in found if _is_wished(job, row)])
    if len(found) < CHUNK:
        return None, parked
    return place | {"after": found[-1].transaction_no, "id": str(found[-1].id)}, parked


def _begin(connection: Connection, job: Any) -> dict[str, Any]:
    """The place before the first event that is wished for."""
    since = job.options.get("since")
    place = stream.START
    if since is not None:
        place = stream.at(connection, job.account_id, job.environment, datetime.fromisoformat(since))
    return {"after": place[0], "id": str(place[1])}


def _is_wished(job: Any, row: Any) -> bool:
    """In the range, of a wished type, and one that the webhook subscribes to."""
    wish, told = job.options, row.timestamp
    return (
        (not wish.get("since") or told >= datetime.fromisoformat(wish["since"]))
        and (not wish.get("until") or told < datetime.fromisoformat(wish["until"]))
        and (not wish.get("types") or row.type in wish["types"])
        and matches(row.type, job.event_types)
        and (job.tags is None or bool(set(job.tags) & set(row.tags or ())))
        and (job.domains is None or row.domain in job.domains)
        and not row.type.startswith("webhook.")
    )


_PARK = f"""
INSERT INTO webhook_deliveries AS d (id, webhook_id, account_id, event_id, message_id, seq, type, payload, state,
                                     next_attempt_at, created_at, parked, replay_id)
SELECT x.id, x.webhook_id, x.account_id, x.event_id, x.message_id, x.seq, x.type, x.payload, 'waiting',
       clock_timestamp(), x.timestamp, true, x.replay_id
  FROM json_to_recordset(%s) AS x(id uuid, webhook_id uuid, account_id uuid, event_id uuid, message_id uuid,
       seq integer, type text, payload text, timestamp timestamptz, replay_id uuid)
ON CONFLICT (webhook_id, event_id) DO UPDATE SET {_REPEAT}
 WHERE d.state <> 'waiting'
RETURNING d.id
"""


def _park(connection: Connection, job: Any, found: Sequence[Any]) -> int:
    """Park deliveries of events. One that waits already is left as it is: it is told anyway."""
    if not found:
        return 0
    parameter = [
        {
            "id": new_id(),
            "webhook_id": job.webhook_id,
            "account_id": job.account_id,
            "event_id": row.id,
            "message_id": row.message_id,
            "seq": row.seq,
            "type": row.type,
            "payload": _body(row),
            "timestamp": row.timestamp,
            "replay_id": job.id,
        }
        for row in found
    ]
    return len(rows(connection, _PARK, as_json(parameter), job.id))


def _body(row: Any) -> str:
    """What is posted; above the limit without metadata, as for a live event."""
    event = public_event(row)
    text = orjson.dumps(event)
    if len(text) > MOST_BYTES:
        del event["data"]["metadata"]
        event["data"]["omitted"] = ["metadata"]
        text = orjson.dumps(event)
    return text.decode()
