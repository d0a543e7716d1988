"""Events of an account as one stream, events without a message, and all that webhooks remember.

`transaction_no` orders the stream: what every transaction below the horizon wrote is committed and
visible (docs/decisions/0012-stream-order.md). Secrets move out of `webhooks`, sealed.
"""

from alembic import op
from sqlalchemy import text

from common.config import current_settings
from common.sealing import seal

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_EVENTS = """
ALTER TABLE events ADD COLUMN environment text NOT NULL DEFAULT 'live';
UPDATE events SET environment = data ->> 'environment' WHERE data ->> 'environment' <> 'live';
ALTER TABLE events ALTER COLUMN environment DROP DEFAULT;
ALTER TABLE events ADD COLUMN transaction_no bigint NOT NULL DEFAULT 0;
ALTER TABLE events ALTER COLUMN transaction_no SET DEFAULT pg_current_xact_id()::text::bigint;
ALTER TABLE events DROP CONSTRAINT events_pkey;
ALTER TABLE events ALTER COLUMN message_id DROP NOT NULL;
ALTER TABLE events ALTER COLUMN seq DROP NOT NULL;
ALTER TABLE events ADD PRIMARY KEY (account_id, environment, transaction_no, id);
CREATE UNIQUE INDEX events_of_message ON events (message_id, seq);
CREATE INDEX events_by_id ON events USING brin (id) WITH (pages_per_range = 16, autosummarize = on);

CREATE TABLE event_stream (
  id boolean PRIMARY KEY DEFAULT true CHECK (id),
  system_identifier bigint,
  shift bigint NOT NULL DEFAULT 0
);
INSERT INTO event_stream DEFAULT VALUES;

CREATE FUNCTION event_horizon() RETURNS bigint LANGUAGE sql STABLE AS
  'SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint + coalesce((SELECT shift FROM event_stream), 0)';

CREATE FUNCTION rebase_event_stream() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  here bigint := (SELECT system_identifier FROM pg_control_system());
  known event_stream;
  margin bigint := 4294967296;
BEGIN
  INSERT INTO event_stream DEFAULT VALUES ON CONFLICT DO NOTHING;
  SELECT * INTO known FROM event_stream FOR UPDATE;
  IF known.system_identifier = here THEN
    RETURN;
  END IF;
  IF known.system_identifier IS NOT NULL THEN
    known.shift := greatest(known.shift, (SELECT coalesce(max(transaction_no), 0) FROM events) + margin
                                         - pg_current_xact_id()::text::bigint);
    EXECUTE format('ALTER TABLE events ALTER COLUMN transaction_no SET DEFAULT pg_current_xact_id()::text::bigint + %s',
                   known.shift);
  END IF;
  UPDATE event_stream SET system_identifier = here, shift = known.shift;
END $$;
"""

_WEBHOOKS = """
ALTER TABLE webhooks
  ADD COLUMN description text NOT NULL DEFAULT '',
  ADD COLUMN tags text[],
  ADD COLUMN domains text[],
  ADD COLUMN headers_sealed bytea,
  ADD COLUMN ordering text NOT NULL DEFAULT 'none' CHECK (ordering IN ('none', 'per_message')),
  ADD COLUMN max_in_flight smallint NOT NULL DEFAULT 10 CHECK (max_in_flight BETWEEN 1 AND 100),
  ADD COLUMN requests_per_second real CHECK (requests_per_second > 0),
  ADD COLUMN max_attempts smallint NOT NULL DEFAULT 12 CHECK (max_attempts BETWEEN 1 AND 20),
  ADD COLUMN signing_key_sealed bytea,
  ADD COLUMN public_key text,
  ADD COLUMN disabled_reason text,
  ADD COLUMN disabled_at timestamptz,
  ADD COLUMN verified_at timestamptz,
  ADD COLUMN updated_at timestamptz NOT NULL DEFAULT now();

CREATE TABLE webhook_secrets (
  id uuid PRIMARY KEY,
  webhook_id uuid NOT NULL REFERENCES webhooks ON DELETE CASCADE,
  sealed bytea NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  expires_at timestamptz
);
CREATE INDEX webhook_secrets_of_webhook ON webhook_secrets (webhook_id, created_at);

CREATE TABLE webhook_health (
  webhook_id uuid PRIMARY KEY REFERENCES webhooks ON DELETE CASCADE,
  breaker text NOT NULL DEFAULT 'closed' CHECK (breaker IN ('closed', 'open', 'half_open')),
  open_until timestamptz,
  opens integer NOT NULL DEFAULT 0,
  probes integer NOT NULL DEFAULT 0,
  window_started_at timestamptz,
  window_attempts integer NOT NULL DEFAULT 0,
  window_failures integer NOT NULL DEFAULT 0,
  failing_since timestamptz,
  failed_events integer NOT NULL DEFAULT 0,
  warned_at timestamptz,
  last_success_at timestamptz,
  last_failure_at timestamptz,
  last_error text,
  typical_ms integer,
  allowance smallint,
  next_slot_at timestamptz
) WITH (fillfactor = 50);

INSERT INTO webhook_health (webhook_id) SELECT id FROM webhooks;

ALTER TABLE webhook_deliveries
  ADD COLUMN replay_id uuid,
  ADD COLUMN parked boolean NOT NULL DEFAULT false,
  DROP CONSTRAINT webhook_deliveries_state_check,
  ADD CONSTRAINT webhook_deliveries_state_check
    CHECK (state IN ('waiting', 'delivered', 'exhausted', 'held', 'skipped'));
CREATE UNIQUE INDEX webhook_deliveries_once ON webhook_deliveries (webhook_id, event_id);
CREATE INDEX webhook_deliveries_listed ON webhook_deliveries (webhook_id, id DESC);
CREATE INDEX webhook_deliveries_of_message ON webhook_deliveries (message_id, seq);
CREATE INDEX webhook_deliveries_leased ON webhook_deliveries (webhook_id) WHERE lease_until IS NOT NULL;
CREATE INDEX webhook_deliveries_parked ON webhook_deliveries (webhook_id, id) WHERE parked;
CREATE INDEX webhook_deliveries_held ON webhook_deliveries (webhook_id, id) WHERE state = 'held';

ALTER TABLE webhook_attempts
  ADD COLUMN number smallint NOT NULL DEFAULT 0,
  ADD COLUMN ip text,
  ADD COLUMN dns_ms real,
  ADD COLUMN connect_ms real,
  ADD COLUMN tls_ms real,
  ADD COLUMN first_byte_ms real,
  ADD COLUMN total_ms real;
UPDATE webhook_attempts SET number = epoch;
"""


def upgrade() -> None:
    op.execute(_EVENTS)
    op.execute(_WEBHOOKS)
    _seal_secrets()
    op.execute("ALTER TABLE webhooks DROP COLUMN secret")


def _seal_secrets() -> None:
    connection, settings = op.get_bind(), current_settings()
    for row in connection.execute(text("SELECT id, secret FROM webhooks")).all():
        connection.execute(
            text("INSERT INTO webhook_secrets (id, webhook_id, sealed) VALUES (uuidv7(), :id, :sealed)"),
            {"id": row.id, "sealed": seal(settings, row.secret.encode(), f"webhook {row.id}")},
        )


def downgrade() -> None:
    raise NotImplementedError("sealed secrets are not written in clear again: restore the dump from before")
