"""Tenancy: key rotation and restrictions, streams and topics, suppressions by environment and scope, jobs,
what became of dead letters (pre-deploy).

Every statement leaves existing rows valid: a suppression that was made before belongs to live mail.
"""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_UP = """
ALTER TABLE api_keys
  ADD streams text[],
  ADD tags text[],
  ADD previous_hash bytea,
  ADD previous_until timestamptz,
  ADD created_by uuid;
CREATE INDEX api_keys_listed ON api_keys (account_id, environment, created_at DESC, id DESC);

ALTER TABLE messages ADD stream text, ADD topic text;

ALTER TABLE suppressions ADD environment text NOT NULL DEFAULT 'live' CHECK (environment IN ('live', 'test'));
ALTER TABLE suppressions ADD CHECK (scope ~ '^(all|(stream|topic):[a-z0-9][a-z0-9_-]{0,62})$');
ALTER TABLE suppressions DROP CONSTRAINT suppressions_account_id_recipient_key_scope_key;
CREATE UNIQUE INDEX suppressions_of_recipient
  ON suppressions (account_id, environment, recipient_key text_pattern_ops, scope);
DROP INDEX suppressions_listed;
CREATE INDEX suppressions_listed ON suppressions (account_id, environment, created_at DESC, id DESC);
CREATE INDEX suppressions_expiring ON suppressions (expires_at) WHERE expires_at IS NOT NULL;

ALTER TABLE dead_letters ADD replayed_as uuid, ADD replayed_at timestamptz;
CREATE INDEX dead_letters_by_cause ON dead_letters (account_id, cause, created_at DESC);

CREATE TABLE jobs (
  id uuid PRIMARY KEY,
  account_id uuid NOT NULL REFERENCES accounts,
  environment text NOT NULL CHECK (environment IN ('live', 'test')),
  kind text NOT NULL,
  state text NOT NULL CHECK (state IN ('uploading', 'waiting', 'running', 'done', 'failed', 'cancelled')),
  options jsonb NOT NULL DEFAULT '{}',
  position jsonb NOT NULL DEFAULT '{}',
  total bigint,
  processed bigint NOT NULL DEFAULT 0,
  counts jsonb NOT NULL DEFAULT '{}',
  error text,
  key_id uuid,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  started_at timestamptz,
  ended_at timestamptz,
  lease_until timestamptz
);
CREATE INDEX jobs_listed ON jobs (account_id, environment, created_at DESC, id DESC);
CREATE INDEX jobs_due ON jobs (created_at) WHERE state IN ('waiting', 'running');

CREATE TABLE job_parts (
  job_id uuid NOT NULL REFERENCES jobs ON DELETE CASCADE,
  file text NOT NULL CHECK (file IN ('input', 'rejects')),
  part integer NOT NULL,
  content bytea NOT NULL,
  PRIMARY KEY (job_id, file, part)
);
"""

_DOWN = """
DROP TABLE job_parts;
DROP TABLE jobs;
DROP INDEX dead_letters_by_cause;
ALTER TABLE dead_letters DROP replayed_as, DROP replayed_at;
DROP INDEX suppressions_expiring;
DROP INDEX suppressions_listed;
DELETE FROM suppressions WHERE environment <> 'live';
DROP INDEX suppressions_of_recipient;
ALTER TABLE suppressions DROP CONSTRAINT suppressions_scope_check;
ALTER TABLE suppressions DROP environment;
ALTER TABLE suppressions ADD UNIQUE (account_id, recipient_key, scope);
CREATE INDEX suppressions_listed ON suppressions (account_id, created_at DESC, id DESC);
ALTER TABLE messages DROP stream, DROP topic;
DROP INDEX api_keys_listed;
ALTER TABLE api_keys DROP streams, DROP tags, DROP previous_hash, DROP previous_until, DROP created_by;
"""


def upgrade() -> None:
    op.execute(_UP)


def downgrade() -> None:
    op.execute(_DOWN)
