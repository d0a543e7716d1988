"""The first house: every table the main job needs, and those that can be foreseen (pre-deploy).

`messages` holds only hot state; what a message says is in `message_contents`. Ids are UUIDv7, so
`messages`, `message_contents`, `events` and `attempts` can later be range-partitioned by id, which
is partitioning by time, without a new column (docs/decisions/0002-partitions-by-uuidv7.md).
"""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_TABLES = """
CREATE TABLE accounts (
  id uuid PRIMARY KEY,
  name text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  requests_per_minute integer,
  default_sender text,
  default_source_id uuid,
  delivery_guarantee text CHECK (delivery_guarantee IN ('at_least_once', 'at_most_once')),
  policy_version integer NOT NULL DEFAULT 1,
  paused_at timestamptz
);

CREATE TABLE api_keys (
  id uuid PRIMARY KEY,
  account_id uuid NOT NULL REFERENCES accounts,
  kid text NOT NULL UNIQUE,
  secret_hash bytea NOT NULL,
  name text NOT NULL DEFAULT '',
  environment text NOT NULL CHECK (environment IN ('live', 'test')),
  scopes text[] NOT NULL,
  sender_domains text[],
  templates text[],
  cidrs text[],
  default_sender text,
  requests_per_minute integer,
  require_idempotency boolean NOT NULL DEFAULT false,
  created_at timestamptz NOT NULL DEFAULT now(),
  expires_at timestamptz,
  revoked_at timestamptz,
  last_used_at timestamptz,
  last_used_ip text
);

CREATE TABLE domains (
  id uuid PRIMARY KEY,
  account_id uuid NOT NULL REFERENCES accounts,
  name text NOT NULL,
  state text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'verified', 'degraded', 'failed')),
  created_at timestamptz NOT NULL DEFAULT now(),
  verified_at timestamptz,
  UNIQUE (account_id, name)
);

CREATE TABLE templates (
  id uuid PRIMARY KEY,
  account_id uuid NOT NULL REFERENCES accounts,
  slug text NOT NULL,
  name text NOT NULL DEFAULT '',
  published_version integer,
  created_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (account_id, slug)
);

CREATE TABLE template_versions (
  template_id uuid NOT NULL REFERENCES templates ON DELETE CASCADE,
  version integer NOT NULL,
  sender text,
  subject text NOT NULL,
  html text,
  text text,
  variables jsonb NOT NULL DEFAULT '[]',
  tier text,
  created_at timestamptz NOT NULL DEFAULT now(),
  published_at timestamptz,
  PRIMARY KEY (template_id, version)
);

CREATE TABLE sources (
  id uuid PRIMARY KEY,
  account_id uuid REFERENCES accounts,
  name text NOT NULL,
  kind text NOT NULL CHECK (kind IN ('sink', 'relay', 'direct')),
  host text,
  port integer,
  tls text NOT NULL DEFAULT 'opportunistic' CHECK (tls IN ('none', 'opportunistic', 'required', 'implicit')),
  username text,
  password text,
  ehlo_name text,
  is_default boolean NOT NULL DEFAULT false,
  enabled boolean NOT NULL DEFAULT true,
  created_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX sources_name ON sources (account_id, name) NULLS NOT DISTINCT;

CREATE TABLE policies (
  account_id uuid NOT NULL REFERENCES accounts,
  version integer NOT NULL,
  state text NOT NULL CHECK (state IN ('draft', 'published', 'retired')),
  document jsonb NOT NULL,
  author text NOT NULL DEFAULT '',
  reason text NOT NULL DEFAULT '',
  created_at timestamptz NOT NULL DEFAULT now(),
  published_at timestamptz,
  PRIMARY KEY (account_id, version)
);

CREATE TABLE messages (
  id uuid PRIMARY KEY,
  account_id uuid NOT NULL,
  queue_position bigint GENERATED ALWAYS AS IDENTITY,
  next_attempt_at timestamptz NOT NULL,
  ticket_at timestamptz,
  lease_until timestamptz,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL,
  expires_at timestamptz,
  scheduled_time timestamptz,
  lease_owner uuid,
  lease_epoch integer NOT NULL DEFAULT 0,
  event_seq integer NOT NULL DEFAULT 1,
  ticket_count smallint NOT NULL DEFAULT 1,
  attempt_no smallint NOT NULL DEFAULT 0,
  unknown_count smallint NOT NULL DEFAULT 0,
  crash_count smallint NOT NULL DEFAULT 0,
  tier smallint NOT NULL,
  held boolean NOT NULL DEFAULT false,
  policy_version integer NOT NULL DEFAULT 1,
  source_id uuid,
  environment text NOT NULL,
  status text NOT NULL CHECK (status IN ('scheduled', 'queued', 'accepted', 'deferred', 'delivered', 'bounced',
    'complained', 'suppressed', 'cancelled', 'expired', 'failed')),
  phase text NOT NULL DEFAULT 'idle' CHECK (phase IN ('idle', 'connecting', 'data')),
  delivery_guarantee text,
  recipient text NOT NULL,
  recipient_key text NOT NULL,
  recipient_domain text NOT NULL,
  path text,
  hold_reason text,
  accepted_at timestamptz,
  delivered_at timestamptz,
  ended_at timestamptz,
  delivery jsonb
) WITH (fillfactor = 70);
CREATE INDEX messages_due ON messages (next_attempt_at)
  WHERE status IN ('scheduled', 'queued', 'accepted', 'deferred') AND lease_until IS NULL;
CREATE INDEX messages_leased ON messages (lease_until) WHERE lease_until IS NOT NULL;
CREATE INDEX messages_expiring ON messages (expires_at)
  WHERE expires_at IS NOT NULL AND status IN ('scheduled', 'queued', 'accepted', 'deferred');
CREATE INDEX messages_listed ON messages (account_id, environment, created_at DESC, id DESC);
CREATE INDEX messages_by_recipient ON messages (account_id, recipient_key, created_at DESC);

CREATE TABLE message_contents (
  message_id uuid PRIMARY KEY,
  sender jsonb NOT NULL,
  recipient_name text,
  subject text NOT NULL,
  html text,
  text text,
  template_id uuid,
  template_slug text,
  template_version integer,
  template_data jsonb,
  locale text,
  cc jsonb,
  bcc jsonb,
  reply_to jsonb,
  headers jsonb,
  attachments jsonb,
  metadata jsonb,
  tags text[],
  idempotency_key text,
  key_id uuid,
  request_id text,
  sensitive boolean NOT NULL DEFAULT false,
  purged_at timestamptz
);

CREATE TABLE idempotency_keys (
  account_id uuid NOT NULL,
  environment text NOT NULL,
  route text NOT NULL,
  key text NOT NULL,
  fingerprint bytea NOT NULL,
  message_id uuid NOT NULL,
  request_id text NOT NULL,
  status integer NOT NULL,
  response text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (account_id, environment, route, key)
);
CREATE INDEX idempotency_keys_age ON idempotency_keys (created_at);

CREATE TABLE events (
  id uuid NOT NULL,
  message_id uuid NOT NULL,
  account_id uuid NOT NULL,
  seq integer NOT NULL,
  type text NOT NULL,
  timestamp timestamptz NOT NULL,
  data jsonb NOT NULL,
  PRIMARY KEY (message_id, seq)
);

CREATE TABLE attempts (
  message_id uuid NOT NULL,
  epoch integer NOT NULL,
  number smallint NOT NULL,
  source_id uuid,
  state text NOT NULL DEFAULT 'started' CHECK (state IN ('started', 'delivered', 'deferred', 'bounced', 'unknown',
    'abandoned')),
  started_at timestamptz NOT NULL,
  ended_at timestamptz,
  stage text,
  code smallint,
  enhanced text,
  reply text,
  category text,
  mx text,
  ip text,
  tls text,
  transcript jsonb,
  PRIMARY KEY (message_id, epoch)
);

CREATE TABLE suppressions (
  id uuid PRIMARY KEY,
  account_id uuid NOT NULL REFERENCES accounts,
  recipient text NOT NULL,
  recipient_key text NOT NULL,
  reason text NOT NULL,
  scope text NOT NULL DEFAULT 'all',
  note text,
  source_message_id uuid,
  created_at timestamptz NOT NULL DEFAULT now(),
  expires_at timestamptz,
  UNIQUE (account_id, recipient_key, scope)
);
CREATE INDEX suppressions_listed ON suppressions (account_id, created_at DESC, id DESC);

CREATE TABLE dead_letters (
  message_id uuid PRIMARY KEY,
  account_id uuid NOT NULL,
  cause text NOT NULL,
  detail text,
  created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX dead_letters_listed ON dead_letters (account_id, created_at DESC);

CREATE TABLE webhooks (
  id uuid PRIMARY KEY,
  account_id uuid NOT NULL REFERENCES accounts,
  environment text NOT NULL DEFAULT 'live',
  url text NOT NULL,
  secret text NOT NULL,
  event_types text[],
  state text NOT NULL DEFAULT 'enabled' CHECK (state IN ('enabled', 'disabled')),
  created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX webhooks_of_account ON webhooks (account_id, environment);

CREATE TABLE webhook_deliveries (
  id uuid PRIMARY KEY,
  webhook_id uuid NOT NULL REFERENCES webhooks ON DELETE CASCADE,
  account_id uuid NOT NULL,
  event_id uuid NOT NULL,
  message_id uuid,
  seq integer,
  type text NOT NULL,
  payload text NOT NULL,
  state text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'delivered', 'exhausted', 'held')),
  attempt_no smallint NOT NULL DEFAULT 0,
  next_attempt_at timestamptz NOT NULL,
  ticket_at timestamptz,
  ticket_count smallint NOT NULL DEFAULT 1,
  lease_until timestamptz,
  lease_epoch integer NOT NULL DEFAULT 0,
  created_at timestamptz NOT NULL,
  ended_at timestamptz
);
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (next_attempt_at) WHERE state = 'waiting';

CREATE TABLE webhook_attempts (
  delivery_id uuid NOT NULL REFERENCES webhook_deliveries ON DELETE CASCADE,
  epoch integer NOT NULL,
  started_at timestamptz NOT NULL,
  ended_at timestamptz,
  status smallint,
  error text,
  response text,
  PRIMARY KEY (delivery_id, epoch)
);

CREATE TABLE mailbox_messages (
  id uuid PRIMARY KEY,
  sender text NOT NULL,
  recipient text NOT NULL,
  recipient_key text NOT NULL,
  subject text NOT NULL,
  received_at timestamptz NOT NULL,
  size integer NOT NULL,
  source bytea NOT NULL
);
CREATE INDEX mailbox_messages_by_recipient ON mailbox_messages (recipient_key, id DESC);
"""

# lifecycle.md 3.4; a row is one violation. Live leases are grace: the sweeper needs its second.
_VIEW = """
CREATE VIEW invariant_violations AS
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
  SELECT 'I5', m.id, 'attempt_no ' || m.attempt_no || ' is above 6' FROM messages m WHERE m.attempt_no > 6
  UNION ALL
  SELECT 'I5', a.message_id, 'more counted attempts than 6'
    FROM attempts a WHERE a.state IN ('delivered', 'deferred', 'bounced')
   GROUP BY a.message_id HAVING count(*) > 6
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
    op.execute(_TABLES)
    op.execute(_VIEW)


def downgrade() -> None:
    op.execute("DROP VIEW invariant_violations")
    for table in (
        "mailbox_messages",
        "webhook_attempts",
        "webhook_deliveries",
        "webhooks",
        "dead_letters",
        "suppressions",
        "attempts",
        "events",
        "idempotency_keys",
        "message_contents",
        "messages",
        "policies",
        "sources",
        "template_versions",
        "templates",
        "domains",
        "api_keys",
        "accounts",
    ):
        op.execute(f"DROP TABLE {table}")
