"""Retry presets of accounts, stamped on messages by routing; patient ones have nine attempts (pre-deploy)."""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_COLUMNS = """
ALTER TABLE accounts ADD COLUMN retry_preset text
  CHECK (retry_preset IN ('otp', 'standard', 'patient'));
ALTER TABLE messages ADD COLUMN retry_preset text;
"""

# lifecycle.md 3.4; a row is one violation.
_VIEW = """
CREATE OR REPLACE VIEW invariant_violations AS
  SELECT 'I3' AS invariant, m.id AS message_id,
         'events are not numbered 1..' || m.event_seq || ' without gaps' AS detail
    FROM messages m LEFT JOIN LATERAL (
      SELECT count(*) AS n, coalesce(max(seq), 0) AS top, coalesce(min(seq), 0) AS low
      FROM events e WHERE e.message_id = m.id) e ON true
   WHERE e.n <> m.event_seq OR e.top <> m.event_seq OR e.low <> 1
  UNION ALL
  SELECT 'I3', m.id, 'the last event tells ' || (e.data ->> 'status') || ', the row ' || m.status
    FROM messages m JOIN events e ON e.message_id = m.id AND e.seq = m.event_seq
   WHERE e.data ->> 'status' <> m.status
     AND NOT (e.data ->> 'status' = 'scheduled' AND m.status = 'queued')
  UNION ALL
  SELECT 'I4', m.id, 'the first event is not message.queued'
    FROM messages m JOIN events e ON e.message_id = m.id AND e.seq = 1
   WHERE e.type <> 'message.queued'
  UNION ALL
  SELECT 'I4', e.message_id, count(*) || ' message.delivered events'
    FROM events e WHERE e.type = 'message.delivered' GROUP BY e.message_id HAVING count(*) > 1
  UNION ALL
  SELECT 'I5', m.id, 'attempt_no ' || m.attempt_no || ' is above what its retry preset allows' FROM messages m
   WHERE m.attempt_no > CASE m.retry_preset WHEN 'patient' THEN 9 ELSE 6 END
  UNION ALL
  SELECT 'I5', a.message_id, 'more counted attempts than its retry preset allows'
    FROM attempts a JOIN messages m ON m.id = a.message_id
   WHERE a.state IN ('delivered', 'deferred', 'bounced')
   GROUP BY a.message_id, m.retry_preset HAVING count(*) > CASE m.retry_preset WHEN 'patient' THEN 9 ELSE 6 END
  UNION ALL
  SELECT 'I6', m.id, 'an attempt has an epoch above the lease epoch'
    FROM messages m JOIN attempts a ON a.message_id = m.id AND a.epoch > m.lease_epoch
  UNION ALL
  SELECT 'I6', m.id, 'a started attempt without a lease'
    FROM messages m JOIN attempts a ON a.message_id = m.id AND a.state = 'started'
   WHERE m.lease_until IS NULL
  UNION ALL
  SELECT 'I8', m.id, 'delivered without a delivered attempt' FROM messages m
   WHERE m.status = 'delivered'
     AND NOT EXISTS (SELECT FROM attempts a WHERE a.message_id = m.id AND a.state = 'delivered')
  UNION ALL
  SELECT 'I9', m.id, 'an attempt began before scheduled_time'
    FROM messages m JOIN attempts a ON a.message_id = m.id AND a.started_at < m.scheduled_time - interval '1 s'
   WHERE m.scheduled_time IS NOT NULL
  UNION ALL
  SELECT 'I9', m.id, 'an attempt began after expires_at'
    FROM messages m JOIN attempts a ON a.message_id = m.id AND a.started_at > m.expires_at + interval '1 s'
   WHERE m.expires_at IS NOT NULL
  UNION ALL
  SELECT 'I19', m.id, 'an ended message still has a lease' FROM messages m
   WHERE m.lease_until IS NOT NULL AND m.status NOT IN ('accepted', 'deferred')
  UNION ALL
  SELECT 'I19', m.id, 'a lease ran out over a minute ago and nobody took it back' FROM messages m
   WHERE m.lease_until < now() - interval '1 minute'
  UNION ALL
  SELECT 'content', m.id, 'a live message has no content' FROM messages m
   WHERE m.status IN ('scheduled', 'queued', 'accepted', 'deferred')
     AND NOT EXISTS (SELECT FROM message_contents c WHERE c.message_id = m.id)
"""


def upgrade() -> None:
    op.execute(_COLUMNS)
    op.execute(_VIEW)


def downgrade() -> None:
    before = _VIEW.replace("CASE m.retry_preset WHEN 'patient' THEN 9 ELSE 6 END", "6")
    op.execute("DROP VIEW invariant_violations")
    op.execute("ALTER TABLE accounts DROP COLUMN retry_preset")
    op.execute(before.replace(", m.retry_preset HAVING", " HAVING"))
    op.execute("ALTER TABLE messages DROP COLUMN retry_preset")
