"""reprioritise: waiting messages go to another tier, as a job, a portion at a time.

Their place in the new queue is that of their acceptance. Never here: what is being sent just now; it stays.
"""

from typing import Any

from sqlalchemy import Connection

from common.db.session import as_json, rows
from common.domain.holds import Match
from common.domain.jobs import REPRIORITISE
from common.domain.principals import Principal
from common.services import holds, jobs, tickets
from common.services.advancing import Job, Portion, Step
from common.services.due import Due
from common.services.holding import SAME_MAIL

PORTION = 2000

_LIVE = "m.status IN ('scheduled', 'queued', 'accepted', 'deferred') AND m.lease_until IS NULL"

_WANTED = f"""
  FROM messages m, json_to_record(%s) AS h(tier smallint, recipient_domain text, tag text, template text, key_id uuid)
 WHERE {_LIVE} AND (%s OR m.account_id = %s AND m.environment = %s) AND m.tier <> %s AND {SAME_MAIL}
"""

_MOVE = f"""
WITH next AS (SELECT m.id {_WANTED} ORDER BY m.queue_position LIMIT {PORTION} FOR UPDATE OF m)
UPDATE messages m SET tier = %s, updated_at = clock_timestamp(),
       ticket_at = CASE WHEN m.next_attempt_at <= now() THEN clock_timestamp() ELSE m.ticket_at END
  FROM next WHERE m.id = next.id
RETURNING m.id, m.tier, m.path, m.status, m.queue_position, m.next_attempt_at <= now() AND NOT m.held AS due
"""


def plan(
    connection: Connection, principal: Principal, match: Match, tier: int, *, reason: str, everywhere: bool
) -> Any:
    """A job that moves what waits and matches; answers its id. Raises Forbidden."""
    holds.must_reach(principal, everywhere)
    kept = {
        "tier": match.tier, "recipient_domain": match.recipient_domain, "tag": match.tag, "template": match.template,
        "key_id": str(match.key_id) if match.key_id else None,
    }  # fmt: skip
    options = {"match": kept, "tier": tier, "reason": reason, "everywhere": everywhere}
    values = _values(principal, options)
    total = int(rows(connection, f"SELECT count(*) AS n {_WANTED}", *values)[0].n)
    return jobs.create(connection, principal, REPRIORITISE, options, total=total)


def _values(principal: Principal, options: Any) -> tuple[Any, ...]:
    match = as_json(options["match"])
    return match, options["everywhere"], principal.account_id, principal.environment, options["tier"]


def _portion(connection: Connection, job: Job) -> Portion:
    moved = rows(connection, _MOVE, *_values(job.principal, job.options), job.options["tier"])
    moved.sort(key=lambda row: row.queue_position)
    due = [
        Due(row.id, "routing" if row.status == "queued" else "delivery", row.tier, row.path or "")
        for row in moved
        if row.due and row.status != "scheduled"
    ]
    done = len(moved) < PORTION
    return Portion({}, len(moved), done, {"moved": len(moved)}, after=lambda: tickets.leave(due))


STEPS: dict[str, Step] = {REPRIORITISE: _portion}
