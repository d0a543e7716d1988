"""The caller's trace that a message belongs to (pre-deploy)."""

from alembic import op

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE message_contents ADD COLUMN traceparent text")


def downgrade() -> None:
    op.execute("ALTER TABLE message_contents DROP COLUMN traceparent")
