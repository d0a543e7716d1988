"""Batches: messages that came in one request (pre-deploy)."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE message_contents ADD COLUMN batch_id uuid")
    op.execute(
        "CREATE INDEX message_contents_by_batch ON message_contents (batch_id, message_id) WHERE batch_id IS NOT NULL"
    )


def downgrade() -> None:
    op.execute("ALTER TABLE message_contents DROP COLUMN batch_id")
