"""A sender says where answers go (pre-deploy)."""

from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE senders ADD COLUMN reply_to text")


def downgrade() -> None:
    op.execute("ALTER TABLE senders DROP COLUMN reply_to")
