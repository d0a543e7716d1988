"""What search and filters look in, written behind the mail; lists by status and tier go by an index (pre-deploy)."""

from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None

_UP = """
CREATE EXTENSION IF NOT EXISTS pg_trgm;
CREATE EXTENSION IF NOT EXISTS btree_gin;

CREATE TABLE search_entries (
  message_id uuid NOT NULL,
  seq integer NOT NULL,
  account_id uuid NOT NULL,
  words text NOT NULL,
  facets text[],
  PRIMARY KEY (message_id, seq)
);
CREATE INDEX search_entries_found ON search_entries USING gin (account_id, words gin_trgm_ops, facets)
  WITH (gin_pending_list_limit = 1024);

CREATE TABLE search_cursors (
  account_id uuid NOT NULL,
  environment text NOT NULL,
  transaction_no bigint NOT NULL DEFAULT -1,
  event_id uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
  indexed_until timestamptz,
  PRIMARY KEY (account_id, environment)
) WITH (fillfactor = 50);

CREATE INDEX messages_by_status ON messages (account_id, environment, status, created_at DESC, id DESC)
  WHERE status <> 'delivered';
CREATE INDEX messages_by_tier ON messages (account_id, environment, tier, created_at DESC, id DESC) WHERE tier <> 1;
"""


def upgrade() -> None:
    op.execute(_UP)


def downgrade() -> None:
    op.execute("DROP INDEX messages_by_status, messages_by_tier")
    op.execute("DROP TABLE search_entries, search_cursors")
