"""stamp(...): what a policy decided, written on the messages it rules; and letting go of what it held.

A held message waits for a later policy, or for an operator. Never here: the decision, or a status.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from common.config import current_settings
from common.db.session import as_json, rows, run
from common.domain.policy import Policy
from common.domain.routing import Decision
from common.services import events
from common.services.due import BATCH, Due

WAIT_SECONDS = 60.0
"""So long a message waits for a member of its pool before it looks again."""

LOOK_SECONDS = 86_400.0
"""So long a message is held by a rule without an end before the rules are asked again."""

HELD = "policy: "
"""How the reason of a hold begins that a policy made."""

_STAMP = """
WITH x AS (SELECT * FROM json_to_recordset(%s) AS x(id uuid, version integer, rule text, pool text, tls text,
             guarantee text, in_doubt text, expires timestamptz, held text, until timestamptz,
             wait double precision, decision jsonb))
UPDATE messages m SET policy_version = x.version, rule = x.rule, pool = x.pool, tls = x.tls, decision = x.decision,
       delivery_guarantee = coalesce(x.guarantee, m.delivery_guarantee), in_doubt = x.in_doubt,
       expires_at = coalesce(x.expires, m.expires_at),
       held = x.held IS NOT NULL, hold_reason = x.held,
       held_at = CASE WHEN x.held IS NOT NULL THEN coalesce(m.held_at, clock_timestamp()) END,
       next_attempt_at = CASE WHEN x.until IS NOT NULL THEN x.until WHEN x.wait IS NULL THEN m.next_attempt_at
                              ELSE clock_timestamp() + make_interval(secs => x.wait) END,
       ticket_at = CASE WHEN x.wait IS NULL THEN m.ticket_at END
  FROM x WHERE m.id = x.id
"""


def stamp(connection: Connection, decided: Sequence[tuple[Any, Policy, Decision]]) -> None:
    """Write the decisions about routing's rows, and tell of those that are held."""
    run(connection, _STAMP, as_json([_stamped(*each) for each in decided]))
    held = [(row.id, "message.held", _told(policy, made)) for row, policy, made in decided if made.act == "hold"]
    events.tell(connection, held)


def _stamped(row: Any, policy: Policy, made: Decision) -> dict[str, Any]:
    scale, wait = current_settings().time_scale, None
    if made.act == "wait":
        wait = max(made.wait or 0.0, WAIT_SECONDS / scale)
    elif made.act == "hold":
        wait = LOOK_SECONDS / scale
    return {
        "id": row.id,
        "version": policy.version,
        "rule": made.rule.name if made.rule else None,
        "pool": made.pool,
        "tls": made.tls,
        "guarantee": made.guarantee,
        "in_doubt": made.in_doubt,
        "expires": made.expires,
        "held": f"{HELD}{made.reason}" if made.act == "hold" else None,
        "until": made.until,
        "wait": wait,
        "decision": made.shown() | {"defaults_version": policy.defaults_version, "passes": row.suppressed},
    }


def _told(policy: Policy, made: Decision) -> dict[str, Any]:
    until = {"until": made.shown()["until"]} if made.until else {}
    return until | {
        "reason": made.reason,
        "rule": made.rule.name if made.rule else None,
        "policy_version": policy.version,
    }


_RELEASE = """
UPDATE messages SET held = false, hold_reason = NULL, next_attempt_at = clock_timestamp(), ticket_at = NULL,
       ticket_count = 1, updated_at = clock_timestamp()
 WHERE held AND status = 'queued' AND hold_reason LIKE 'policy: %%' AND (%s::uuid IS NULL OR account_id = %s)
RETURNING id
"""


def release(connection: Connection, account_id: UUID | None) -> int:
    """All that policies hold is routed anew, by what is published now; with None for every account. How many."""
    return len(rows(connection, _RELEASE, account_id, account_id))


_LAPSE = """
WITH over AS (
  SELECT id FROM messages WHERE held AND hold_id IS NULL AND status = 'queued' AND hold_reason LIKE 'policy: %%'
     AND next_attempt_at <= now() ORDER BY next_attempt_at LIMIT %s FOR UPDATE SKIP LOCKED)
UPDATE messages m SET held = false, hold_reason = NULL, ticket_at = clock_timestamp(), ticket_count = 1,
       updated_at = clock_timestamp()
  FROM over WHERE m.id = over.id RETURNING m.id, m.tier, m.queue_position
"""


def lapse(connection: Connection) -> list[Due]:
    """Holds by rules whose end has come: the rules are asked anew, and that one does not count any more."""
    found = sorted(rows(connection, _LAPSE, BATCH), key=lambda row: (row.tier, row.queue_position))
    return [Due(row.id, "routing", row.tier, "") for row in found]
