"""Alerts: rules, and what each of them has seen (pre-deploy)."""

from alembic import op

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None

_UP = """
CREATE TABLE alerts (
  id uuid PRIMARY KEY,
  account_id uuid NOT NULL REFERENCES accounts,
  environment text NOT NULL,
  name text NOT NULL,
  kind text NOT NULL,
  enabled boolean NOT NULL DEFAULT true,
  key_id uuid,
  template text,
  tag text,
  sending_domain text,
  tier text,
  per text,
  threshold double precision NOT NULL,
  clear_share double precision NOT NULL,
  minimum integer NOT NULL,
  window_hours integer NOT NULL,
  baseline_hours integer NOT NULL,
  open_seconds integer NOT NULL,
  clear_seconds integer NOT NULL,
  email text,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  evaluated_at timestamptz
);
CREATE INDEX alerts_listed ON alerts (account_id, environment, created_at DESC, id DESC);

CREATE TABLE alert_incidents (
  id uuid PRIMARY KEY,
  alert_id uuid NOT NULL REFERENCES alerts ON DELETE CASCADE,
  subject text NOT NULL,
  state text NOT NULL CHECK (state IN ('pending', 'open', 'closed')),
  value double precision NOT NULL,
  peak double precision NOT NULL,
  threshold double precision NOT NULL,
  since timestamptz NOT NULL,
  opened_at timestamptz,
  calm_since timestamptz,
  closed_at timestamptz
) WITH (fillfactor = 70);
CREATE UNIQUE INDEX alert_incidents_once ON alert_incidents (alert_id, subject) WHERE state <> 'closed';
CREATE INDEX alert_incidents_listed ON alert_incidents (alert_id, since DESC, id DESC);
"""


def upgrade() -> None:
    op.execute(_UP)


def downgrade() -> None:
    op.execute("DROP TABLE alert_incidents")
    op.execute("DROP TABLE alerts")
