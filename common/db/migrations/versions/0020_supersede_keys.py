"""Supersede keys: a newer message withdraws the older one that still waits. The test clock (pre-deploy)."""

from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

_UP = """
ALTER TABLE messages ADD supersede_key text, ADD superseded_by uuid, ADD skip_seconds double precision;
CREATE INDEX messages_superseded ON messages (account_id, environment, recipient_key, supersede_key)
 WHERE supersede_key IS NOT NULL AND status IN ('scheduled', 'queued', 'accepted', 'deferred');
"""


def upgrade() -> None:
    op.execute(_UP)


def downgrade() -> None:
    op.execute("ALTER TABLE messages DROP supersede_key, DROP superseded_by, DROP skip_seconds")
