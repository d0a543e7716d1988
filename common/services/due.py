"""What is due and unclaimed: release, arm, sweep, rescue, expire. Any number of processes may run it.

A due row without a working ticket gets one. Every statement skips locked rows, so two schedulers
share the work instead of repeating it. Never here: queues; the caller publishes what is answered.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Connection

from common import clock
from common.config import Settings
from common.db.session import as_json, rows
from common.domain import retry
from common.domain.tiers import TIERS
from common.queueing.app import LONGEST_COUNTDOWN
from common.services import delivery, doubts, lifecycle
from common.services.consequences import unknown_change
from common.services.lifecycle import Applied, Change
from common.services.turns import UNCLAIMED

BATCH = 2000


@dataclass(frozen=True, slots=True)
class Due:
    """A row that needs a ticket: `stage` is routing or delivery; `wait` is seconds until it is due."""

    id: UUID
    stage: str
    tier: int
    path: str
    wait: float = 0.0


_RELEASE = """
SELECT m.id, m.tier FROM messages m
 WHERE m.status = 'scheduled' AND m.next_attempt_at <= now() + interval '100 ms' AND m.lease_until IS NULL
   AND NOT m.held AND (%s::uuid[] IS NULL OR m.id = ANY(%s::uuid[]))
 ORDER BY m.next_attempt_at LIMIT %s FOR UPDATE SKIP LOCKED
"""


def release_scheduled(connection: Connection, ids: Sequence[UUID] | None = None) -> list[Due]:
    """scheduled -> queued for what has come due; answers the routing work."""
    wanted = None if ids is None else list(ids)
    found = rows(connection, _RELEASE, wanted, wanted, BATCH)
    done = lifecycle.apply(connection, [Change(row.id, "release", delay=0.0, armed=True) for row in found])
    return [Due(each.message_id, "routing", each.tier, "") for each in done]


_ARM = """
WITH near AS (
  SELECT id FROM messages WHERE (status IN ('scheduled', 'deferred') OR status = 'accepted' AND paced IS NOT NULL)
     AND lease_until IS NULL AND ticket_at IS NULL AND NOT held AND next_attempt_at <= now() + make_interval(secs => %s)
   ORDER BY next_attempt_at LIMIT %s FOR UPDATE SKIP LOCKED)
UPDATE messages m SET ticket_at = m.next_attempt_at, ticket_count = 1 FROM near WHERE m.id = near.id
RETURNING m.id, m.tier, m.path, extract(epoch FROM m.next_attempt_at - clock_timestamp()) AS wait
"""


def arm(connection: Connection) -> list[Due]:
    """What comes due within a minute and has no countdown yet; answers it with its wait."""
    found = rows(connection, _ARM, LONGEST_COUNTDOWN, BATCH)
    return [Due(r.id, "retry", r.tier, r.path or "", max(0.0, float(r.wait))) for r in found]


# Queue by queue, so that the index bounds what is read, however much waits in another.
_SWEEP = f"""
WITH q AS MATERIALIZED (
  SELECT * FROM json_to_recordset(%s) AS q(routing boolean, tier smallint, behind double precision,
                                           patience double precision)
), lost AS (
  SELECT f.id FROM q CROSS JOIN LATERAL (
    SELECT m.id FROM messages m
     WHERE (m.status = 'queued') = q.routing AND m.tier = q.tier AND {UNCLAIMED}
       AND m.next_attempt_at <= now() - make_interval(secs => q.behind + q.patience)
       AND coalesce(m.ticket_at, m.next_attempt_at)
           <= now() - make_interval(secs => q.behind + q.patience * power(4, least(m.ticket_count, 3) - 1))
     ORDER BY m.queue_position LIMIT %s FOR UPDATE SKIP LOCKED) f)
UPDATE messages m SET ticket_at = clock_timestamp(), ticket_count = least(m.ticket_count + 1, 100)
  FROM lost WHERE m.id = lost.id
RETURNING m.id, m.tier, m.path, m.queue_position, m.status
"""


def sweep(connection: Connection, ages: Mapping[tuple[str, int], float]) -> list[Due]:
    """Due rows whose ticket seems lost, in tier and queue order.

    `ages`: seconds since the oldest ticket in the queue of (stage, tier) was left, 0 when it holds none; a queue that
    is not named is not known. A row of an empty queue has lost its ticket after two seconds. Elsewhere one has whose
    ticket is older than all that is in the queue, and 15 s more for the worker that took it (then 1 min, 4 min).
    """
    known = [
        {
            "routing": stage == "routing",
            "tier": tier,
            "behind": ages.get((stage, tier), 0.0),
            "patience": 2.0 if ages.get((stage, tier)) == 0.0 else 15.0,
        }
        for stage in ("routing", "delivery")
        for tier in range(len(TIERS))
    ]
    found = sorted(rows(connection, _SWEEP, as_json(known), BATCH), key=lambda r: (r.tier, r.queue_position))
    return [Due(r.id, "routing" if r.status == "queued" else "delivery", r.tier, r.path or "") for r in found]


_EXPIRED_LEASES = """
SELECT id, lease_epoch, phase, tier, path, unknown_count, crash_count, attempt_no, delivery_guarantee,
       in_doubt, expires_at
  FROM messages WHERE lease_until < now() ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED
"""


def rescue(connection: Connection, settings: Settings) -> tuple[list[Due], list[Applied]]:
    """Take back expired leases: before the dot they go again (T11), after it they are unknown (T12)."""
    found = rows(connection, _EXPIRED_LEASES, BATCH)
    changes, freed, due = [], [], []
    for row in found:
        if row.phase == "data":
            data = {"attempt": row.attempt_no + 1, "reason": "worker_lost_after_data"}
            changes.append(unknown_change(settings, row, row.lease_epoch, data, None, clock.now()))
        elif row.crash_count + 1 >= retry.MAX_CRASHES:
            data = {"attempt": row.attempt_no + 1, "reason": "crash_budget"}
            changes.append(
                Change(row.id, "fail", row.lease_epoch, data, attempt_state="abandoned", cause="crash_budget")
            )
        else:
            freed.append((row.id, row.lease_epoch))
            due.append(Due(row.id, "delivery", row.tier, row.path or ""))
    if freed:
        delivery.release(connection, freed, crashed=True)
    applied = lifecycle.apply(connection, changes)
    doubts.hold_doubted(connection, changes, applied)
    retries = {change.message_id: change for change in changes if change.transition == "defer"}
    due += [
        Due(done.message_id, "retry", done.tier, done.path or "", retries[done.message_id].delay or 0.0)
        for done in applied
        if done.message_id in retries
    ]
    return due, applied


_EXPIRE = f"""
SELECT m.id FROM messages m WHERE m.expires_at <= now() AND m.lease_until IS NULL AND NOT ({doubts.IS_HELD})
   AND m.status IN ('scheduled', 'queued', 'accepted', 'deferred')
 ORDER BY m.expires_at LIMIT %s FOR UPDATE SKIP LOCKED
"""


def expire(connection: Connection) -> list[Applied]:
    """T6: end what outlived its ttl."""
    found = rows(connection, _EXPIRE, BATCH)
    return lifecycle.apply(connection, [Change(row.id, "expire", data={"reason": "ttl"}) for row in found])


_FORGET = "DELETE FROM idempotency_keys WHERE created_at < now() - make_interval(hours => %s)"


def forget_idempotency_keys(connection: Connection, settings: Settings) -> int:
    """Remove keys older than their window; answers how many."""
    return connection.exec_driver_sql(_FORGET, (settings.idempotency_hours,)).rowcount


_READY = """
SELECT id, tier, path FROM messages WHERE id = ANY(%s::uuid[]) AND status IN ('accepted', 'deferred')
   AND lease_until IS NULL AND NOT held AND next_attempt_at <= now() + interval '200 ms' ORDER BY tier, queue_position
"""


def ready(connection: Connection, ids: Sequence[UUID]) -> list[Due]:
    """Those of `ids` that wait for delivery and are due now."""
    return [Due(r.id, "delivery", r.tier, r.path or "") for r in rows(connection, _READY, list(ids))]
