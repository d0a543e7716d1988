"""Automations: timed slow-downs of a source at a place, each start one row (pre-deploy)."""

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_TABLE = """
CREATE TABLE pacing_automations (
  id uuid PRIMARY KEY,
  scope text NOT NULL,
  source_id uuid NOT NULL REFERENCES sources ON DELETE CASCADE,
  place text NOT NULL,
  rule text NOT NULL,
  what text NOT NULL,
  per_minute double precision,
  connections integer,
  suspend boolean NOT NULL DEFAULT false,
  hits integer NOT NULL,
  reply text NOT NULL,
  since timestamptz NOT NULL,
  expires_at timestamptz NOT NULL,
  lifted_at timestamptz,
  lifted_by uuid
);
CREATE INDEX pacing_automations_live ON pacing_automations (expires_at) WHERE lifted_at IS NULL;
CREATE INDEX pacing_automations_listed ON pacing_automations (since DESC, id DESC);
"""


def upgrade() -> None:
    op.execute(_TABLE)


def downgrade() -> None:
    op.execute("DROP TABLE pacing_automations")
