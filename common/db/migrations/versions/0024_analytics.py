"""Analytics: counts kept by the events, and how far each stream is counted (pre-deploy).

A profile is one combination of what mail is counted by; recipient domains are many and counted apart.
"""

from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

_UP = """
ALTER TABLE message_contents ADD COLUMN channel text;

CREATE TABLE analytics_cursors (
  account_id uuid NOT NULL,
  environment text NOT NULL,
  transaction_no bigint NOT NULL DEFAULT -1,
  event_id uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
  counted_until timestamptz,
  PRIMARY KEY (account_id, environment)
) WITH (fillfactor = 50);

CREATE TABLE analytics_profiles (
  id uuid PRIMARY KEY,
  account_id uuid NOT NULL,
  tier text NOT NULL,
  channel text NOT NULL,
  key_id uuid,
  template text,
  tags text[] NOT NULL,
  sending_domain text NOT NULL,
  source text,
  provider text
);
CREATE INDEX analytics_profiles_of_account ON analytics_profiles (account_id);

CREATE TABLE analytics_counts (
  account_id uuid NOT NULL,
  environment text NOT NULL,
  grain text NOT NULL,
  bucket timestamptz NOT NULL,
  profile_id uuid NOT NULL,
  metric text NOT NULL,
  detail text NOT NULL,
  n bigint NOT NULL,
  PRIMARY KEY (account_id, environment, grain, bucket, profile_id, metric, detail)
) WITH (fillfactor = 70);

CREATE TABLE analytics_recipients (
  account_id uuid NOT NULL,
  environment text NOT NULL,
  grain text NOT NULL,
  bucket timestamptz NOT NULL,
  recipient_domain text NOT NULL,
  metric text NOT NULL,
  detail text NOT NULL,
  n bigint NOT NULL,
  PRIMARY KEY (account_id, environment, grain, bucket, recipient_domain, metric, detail)
) WITH (fillfactor = 70);

CREATE TABLE analytics_cohorts (
  account_id uuid NOT NULL,
  environment text NOT NULL,
  created_hour timestamptz NOT NULL,
  metric text NOT NULL,
  n bigint NOT NULL,
  PRIMARY KEY (account_id, environment, created_hour, metric)
) WITH (fillfactor = 50);
"""


def upgrade() -> None:
    op.execute(_UP)


def downgrade() -> None:
    op.execute("ALTER TABLE message_contents DROP COLUMN channel")
    for table in ("cohorts", "recipients", "counts", "profiles", "cursors"):
        op.execute(f"DROP TABLE analytics_{table}")
