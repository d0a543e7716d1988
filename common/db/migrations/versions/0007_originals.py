"""A message that was sent again names the one it repeats; what is sensitive is found when it ends (pre-deploy)."""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE message_contents ADD COLUMN original_id uuid")
    op.execute(
        "CREATE INDEX message_contents_sensitive ON message_contents (message_id) WHERE sensitive AND purged_at IS NULL"
    )


def downgrade() -> None:
    op.execute("DROP INDEX message_contents_sensitive")
    op.execute("ALTER TABLE message_contents DROP COLUMN original_id")
