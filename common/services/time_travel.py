"""advance, shorten: the clock of test mail. Seconds that are skipped now, and those that retries still to come skip.

Time that is skipped passes for the message's own deadlines as well. Never for mail of a live key. Never here: what an
attempt comes to.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from common.db.session import as_json, rows, run
from common.domain.errors import Conflict, NotFound
from common.domain.principals import Principal
from common.queueing.app import LONGEST_COUNTDOWN
from common.services.claimed import Claimed
from common.services.lifecycle import Change

_ADVANCE = """
WITH given AS (SELECT make_interval(secs => %s) AS skip),
next AS (
  SELECT m.id, least(given.skip, greatest(interval '0', m.next_attempt_at - now())) AS used, given.skip
    FROM messages m, given
   WHERE m.account_id = %s AND m.environment = 'test' AND m.status IN ('scheduled', 'queued', 'accepted', 'deferred')
     AND (%s::uuid IS NULL OR m.id = %s) ORDER BY m.id FOR UPDATE OF m)
UPDATE messages m SET next_attempt_at = m.next_attempt_at - next.used, expires_at = m.expires_at - next.used,
       scheduled_time = m.scheduled_time - next.used, skip_seconds = extract(epoch FROM next.skip - next.used),
       ticket_at = CASE WHEN m.lease_until IS NULL AND next.used > interval '0' THEN NULL ELSE m.ticket_at END
  FROM next WHERE m.id = next.id
RETURNING m.id
"""


def advance(connection: Connection, principal: Principal, message_id: UUID | None, seconds: float) -> list[UUID]:
    """Let time pass for one waiting message, or for all of this account's test mail.

    Answers which; `due.ready` tells those that may be tried now. Raises Conflict for a live key, NotFound.
    """
    if principal.environment != "test":
        raise Conflict("The test clock moves the mail of test keys only: call it with an sk_test_ key.")
    moved = rows(connection, _ADVANCE, seconds, principal.account_id, message_id, message_id)
    if message_id is not None and not moved:
        raise NotFound("There is no such message that still waits.")
    return [row.id for row in moved]


_SPEND = """
UPDATE messages m SET skip_seconds = x.left, expires_at = m.expires_at - make_interval(secs => x.used)
  FROM json_to_recordset(%s) AS x(id uuid, "left" double precision, used double precision)
 WHERE m.id = x.id AND m.environment = 'test'
"""


def shorten(connection: Connection, claimed: Sequence[Claimed], changes: Mapping[UUID, Change]) -> dict[UUID, Change]:
    """The waits of retries without the seconds that are still to be skipped; answers the changes that differ."""
    spent: list[dict[str, Any]] = []
    shorter: dict[UUID, Change] = {}
    for each in claimed:
        left, change = each.row.skip_seconds, changes.get(each.id)
        if not left or change is None or change.delay is None:
            continue
        used = min(left, change.delay)
        wait = change.delay - used
        shorter[each.id] = replace(change, delay=wait, armed=wait <= LONGEST_COUNTDOWN)
        spent.append({"id": each.id, "left": left - used, "used": used})
    if spent:
        run(connection, _SPEND, as_json(spent))
    return shorter
