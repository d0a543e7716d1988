"""claim, fence, renew, record: how a worker takes messages, may send them, and says what came of it.

Nothing here talks SMTP; nothing here decides a path. Every verb takes many and is one statement.
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection

from common.config import Settings
from common.db.session import as_json, rows, run
from common.domain.categories import reroutes, strains
from common.domain.outcomes import Outcome
from common.services import doubts, holding, lifecycle, rerouting, simulating, strikes, time_travel
from common.services.claimed import Claimed as Claimed
from common.services.consequences import consequence
from common.services.lifecycle import Applied, Change

# A claim need not be on the disk before the fence, whose commit takes it along: should the database forget it, the
# fence finds another epoch or owner.
_CLAIM = (
    """
WITH due AS (
  SELECT m.id, """
    + holding.held_by("delivery")
    + """ AS hold, (SELECT s.reason FROM suppressions s WHERE s.account_id = m.account_id
           AND s.environment = m.environment AND s.recipient_key = m.recipient_key
           AND (s.scope = 'all' OR s.scope = 'stream:' || m.stream OR s.scope = 'topic:' || m.topic)
           AND (s.expires_at IS NULL OR s.expires_at > now())
           AND s.reason IS DISTINCT FROM m.decision ->> 'passes' ORDER BY s.scope LIMIT 1) AS suppressed
    FROM (SELECT set_config('synchronous_commit', 'off', true)) unhurried, messages m
   WHERE m.id = ANY(%s::uuid[]) AND m.status IN ('accepted', 'deferred') AND m.lease_until IS NULL
     AND NOT m.held AND m.next_attempt_at <= now() + interval '200 ms'
     AND (m.expires_at IS NULL OR m.expires_at > now())
     FOR UPDATE OF m SKIP LOCKED
), claimed AS (
  UPDATE messages m SET lease_owner = %s, lease_until = clock_timestamp() + make_interval(secs => %s),
         lease_epoch = m.lease_epoch + 1, phase = 'connecting'
    FROM due WHERE due.id = m.id AND due.suppressed IS NULL AND due.hold IS NULL
  RETURNING m.id, m.lease_epoch, m.attempt_no, m.queue_position, m.source_id, m.path, m.tier, m.environment,
    m.account_id, m.recipient, m.recipient_domain, m.created_at, m.expires_at, m.unknown_count,
    m.delivery_guarantee, m.in_doubt, m.retry_preset, m.paced, m.stream, m.topic, m.skip_seconds, m.tls,
    m.lease_owner
), started AS (
  INSERT INTO attempts (message_id, epoch, number, source_id, started_at)
  SELECT id, lease_epoch, attempt_no + 1, source_id, clock_timestamp() FROM claimed
)
SELECT due.id, due.suppressed, due.hold, k.lease_epoch, k.attempt_no, k.queue_position, k.source_id, k.path, k.tier,
       k.stream, k.topic, k.environment, k.account_id, k.recipient, k.recipient_domain, k.created_at, k.expires_at,
       k.unknown_count, k.delivery_guarantee, k.in_doubt, k.retry_preset, k.paced, k.skip_seconds, k.tls,
       k.lease_owner, c.sender, c.recipient_name, c.subject, c.html, c.text, c.template_id, c.template_version,
       c.template_data, c.locale, c.cc, c.bcc, c.reply_to, c.headers, c.attachments, c.tags, c.template_slug, c.mime,
       CASE WHEN c.cc IS NOT NULL OR c.bcc IS NOT NULL THEN (
         SELECT array_agg(s.recipient_key) FROM suppressions s
          WHERE s.account_id = k.account_id AND s.environment = k.environment
            AND (s.scope = 'all' OR s.scope = 'stream:' || k.stream OR s.scope = 'topic:' || k.topic)
            AND (s.expires_at IS NULL OR s.expires_at > now())
            AND s.recipient_key IN (SELECT lower(e ->> 'email') FROM jsonb_array_elements(
                  coalesce(c.cc, '[]') || coalesce(c.bcc, '[]')) e)) END AS copies_suppressed
  FROM due LEFT JOIN claimed k ON k.id = due.id LEFT JOIN message_contents c ON c.message_id = k.id
 ORDER BY k.tier, k.queue_position
"""
)


def claim(connection: Connection, ids: Sequence[UUID], owner: UUID, lease_seconds: float) -> list[Claimed]:
    """Take the due ones of `ids`, oldest first. What is missing is somebody else's or has moved on.

    An address suppressed since routing ends as `suppressed` here and is not returned; nor is what a hold keeps back.
    """
    due = rows(connection, _CLAIM, list(ids), owner, lease_seconds)
    found = holding.keep_back(connection, due)
    barred = [Change(r.id, "suppress", data={"reason": r.suppressed, "stage": "claim"}) for r in found if r.suppressed]
    if barred or len(found) < len(due):
        run(connection, "SET LOCAL synchronous_commit = on")  # these are told, so they must last
    lifecycle.apply(connection, barred)
    return [Claimed(r.id, r.lease_epoch, r) for r in found if not r.suppressed]


# A lease that is still fresh stays as it is: the update then touches no index.
_FENCE = """
UPDATE messages m SET phase = 'data', lease_until = CASE
         WHEN m.lease_until < clock_timestamp() + make_interval(secs => %s)
         THEN clock_timestamp() + make_interval(secs => %s) ELSE m.lease_until END
  FROM json_to_recordset(%s) AS x(id uuid, epoch integer, owner uuid)
 WHERE m.id = x.id AND m.lease_epoch = x.epoch AND m.lease_owner = x.owner AND m.lease_until IS NOT NULL
RETURNING m.id, extract(epoch FROM m.lease_until - clock_timestamp())::double precision AS seconds
"""

FRESH = 0.6
"""The share of a lease that must be left for it to be kept as it is."""


def fence(connection: Connection, leases: Sequence[Claimed], lease_seconds: float) -> dict[UUID, float]:
    """Mark messages as about to be sent; answers those still owned with the seconds left of their lease. No answer, no
    final dot (lifecycle 3.3)."""
    wanted = as_json([{"id": each.id, "epoch": each.epoch, "owner": each.row.lease_owner} for each in leases])
    return {r.id: r.seconds for r in rows(connection, _FENCE, lease_seconds * FRESH, lease_seconds, wanted)}


_RENEW = """
WITH mine AS (SELECT id FROM messages WHERE lease_until IS NOT NULL AND lease_owner = %s
                 FOR UPDATE SKIP LOCKED)
UPDATE messages m SET lease_until = clock_timestamp() + make_interval(secs => %s)
  FROM mine WHERE m.id = mine.id AND m.lease_until > clock_timestamp()
RETURNING m.id
"""


def renew(connection: Connection, owner: UUID, lease_seconds: float) -> set[UUID]:
    """Extend every lease of this process; answers the messages it still owns."""
    return {r.id for r in rows(connection, _RENEW, owner, lease_seconds)}


_RELEASE = """
WITH x AS (SELECT * FROM json_to_recordset(%s) AS x(id uuid, epoch integer, delay double precision,
             stage text, code smallint, reply text, category text, transcript jsonb)),
freed AS (
  UPDATE messages m SET lease_until = NULL, lease_owner = NULL, phase = 'idle',
         crash_count = m.crash_count + %s,
         next_attempt_at = clock_timestamp() + make_interval(secs => x.delay),
         ticket_at = clock_timestamp(), ticket_count = 1
    FROM x WHERE m.id = x.id AND m.lease_epoch = x.epoch AND m.lease_until IS NOT NULL
  RETURNING m.id, m.lease_epoch)
UPDATE attempts a SET state = 'abandoned', ended_at = clock_timestamp(), stage = x.stage, code = x.code,
    reply = x.reply, category = x.category, transcript = x.transcript
  FROM freed JOIN x ON x.id = freed.id WHERE a.message_id = freed.id AND a.epoch = freed.lease_epoch
"""


def release(connection: Connection, leases: Sequence[tuple[UUID, int]], *, crashed: bool, delay: float = 0.0) -> int:
    """Give messages back unsent: the attempt is `abandoned` and does not count (T11)."""
    wanted = as_json([{"id": message_id, "epoch": epoch, "delay": delay} for message_id, epoch in leases])
    return run(connection, _RELEASE, wanted, int(crashed))


def _release_untried(connection: Connection, settings: Settings, results: Sequence[tuple[Claimed, Outcome]]) -> None:
    """The same with the reason, and each after its own wait."""
    wanted = [
        {
            "id": claimed.id,
            "epoch": claimed.epoch,
            "delay": (outcome.wait_seconds or 1.0) / settings.time_scale,
            "stage": outcome.stage,
            "code": outcome.code,
            "reply": outcome.reply,
            "category": outcome.category,
            "transcript": outcome.transcript,
        }
        for claimed, outcome in results
    ]
    run(connection, _RELEASE, as_json(wanted), 0)


def record(
    connection: Connection,
    settings: Settings,
    results: Sequence[tuple[Claimed, Outcome]],
    now: datetime,
) -> list[tuple[Change, Applied]]:
    """Write what came of attempts; answers what was applied with its change.

    A result whose lease was lost changes nothing: the sweeper has already called it unknown.
    """
    unsent = [(claimed, outcome) for claimed, outcome in results if outcome.kind == "untried"]
    if unsent:
        _release_untried(connection, settings, unsent)
    changes = {
        claimed.id: consequence(settings, claimed, outcome, now)
        for claimed, outcome in results
        if outcome.kind != "untried"
    }
    blocked = [
        changes[claimed.id]
        for claimed, outcome in results
        if outcome.kind == "bounced" and reroutes(outcome.category) and claimed.attempt < claimed.most_attempts
    ]
    if blocked:
        changes |= rerouting.instead_of_bounces(connection, settings, blocked)
    strained = [
        changes[claimed.id]
        for claimed, outcome in results
        if outcome.kind == "deferred" and strains(outcome.category) and changes[claimed.id].transition == "defer"
    ]
    if strained:
        changes |= rerouting.around_what_is_out(connection, settings, strained)
    changes |= time_travel.shorten(connection, [claimed for claimed, _ in results], changes)
    applied = lifecycle.apply(connection, list(changes.values()))
    doubts.hold_doubted(connection, list(changes.values()), applied)
    struck = [(each.message_id, changes[each.message_id].outcome) for each in applied if each.status == "bounced"]
    strikes.strike(connection, [(each, outcome.category) for each, outcome in struck if outcome is not None])
    simulating.react(connection, [claimed for claimed, _ in results], applied)
    return [(changes[done.message_id], done) for done in applied]
