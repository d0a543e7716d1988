"""Dead letters by environment, with what became of them; jobs that are given up after failures (pre-deploy)."""

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

_UP = """
ALTER TABLE dead_letters
  ADD environment text NOT NULL DEFAULT 'live' CHECK (environment IN ('live', 'test')),
  ADD discarded_at timestamptz,
  ADD discard_reason text;
UPDATE dead_letters d SET environment = m.environment FROM messages m
 WHERE m.id = d.message_id AND m.environment <> 'live';
DROP INDEX dead_letters_listed;
CREATE INDEX dead_letters_listed ON dead_letters (account_id, environment, created_at DESC, message_id DESC);
DROP INDEX dead_letters_by_cause;
CREATE INDEX dead_letters_by_cause ON dead_letters (account_id, environment, cause, created_at DESC, message_id DESC);

ALTER TABLE jobs ADD failures smallint NOT NULL DEFAULT 0, ADD rejected bigint NOT NULL DEFAULT 0;
"""

_DOWN = """
ALTER TABLE jobs DROP failures, DROP rejected;
DROP INDEX dead_letters_by_cause;
DROP INDEX dead_letters_listed;
ALTER TABLE dead_letters DROP environment, DROP discarded_at, DROP discard_reason;
CREATE INDEX dead_letters_listed ON dead_letters (account_id, created_at DESC);
CREATE INDEX dead_letters_by_cause ON dead_letters (account_id, cause, created_at DESC);
"""


def upgrade() -> None:
    op.execute(_UP)


def downgrade() -> None:
    op.execute(_DOWN)
