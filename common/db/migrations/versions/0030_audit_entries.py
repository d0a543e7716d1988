"""Who changed what, written in the transaction of the change (pre-deploy)."""

from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None

_UP = """
CREATE TABLE audit_entries (
  id uuid PRIMARY KEY,
  account_id uuid,
  environment text,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  author_kind text NOT NULL CHECK (author_kind IN ('key', 'person', 'command')),
  author text NOT NULL,
  key_id uuid,
  user_id uuid,
  action text NOT NULL,
  route text NOT NULL,
  object_id text,
  request_id text,
  changes jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX audit_entries_listed ON audit_entries (account_id, created_at DESC, id DESC);
CREATE INDEX audit_entries_by_time ON audit_entries (created_at DESC, id DESC);
CREATE INDEX audit_entries_of_object ON audit_entries (object_id, created_at DESC) WHERE object_id IS NOT NULL;
"""


def upgrade() -> None:
    op.execute(_UP)


def downgrade() -> None:
    op.execute("DROP TABLE audit_entries")
