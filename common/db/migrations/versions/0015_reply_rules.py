"""Operators' reply rules, replies that no rule knows, and the rule of each attempt (pre-deploy)."""

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

_UP = """
CREATE TABLE reply_rules (
  id uuid PRIMARY KEY,
  name text NOT NULL UNIQUE,
  position integer NOT NULL,
  category text NOT NULL,
  kind text CHECK (kind IN ('deferred', 'bounced')),
  says text[] NOT NULL DEFAULT '{}',
  code_class smallint CHECK (code_class IN (4, 5)),
  codes integer[] NOT NULL DEFAULT '{}',
  enhanced text[] NOT NULL DEFAULT '{}',
  stages text[] NOT NULL DEFAULT '{}',
  provider text,
  source text NOT NULL,
  enabled boolean NOT NULL DEFAULT true,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE unknown_replies (
  key bytea PRIMARY KEY,
  form text NOT NULL,
  example text NOT NULL,
  stage text NOT NULL,
  code integer,
  enhanced text,
  provider text,
  category text NOT NULL,
  count bigint NOT NULL,
  id uuid NOT NULL,
  first_seen_at timestamptz NOT NULL DEFAULT now(),
  last_seen_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX unknown_replies_listed ON unknown_replies (last_seen_at DESC, id DESC);

ALTER TABLE attempts ADD COLUMN rule text;
"""


def upgrade() -> None:
    op.execute(_UP)


def downgrade() -> None:
    op.execute("ALTER TABLE attempts DROP COLUMN rule")
    op.execute("DROP TABLE unknown_replies, reply_rules")
