"""A mail that came by SMTP is kept as the customer's tool built it (pre-deploy)."""

from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE message_contents ADD COLUMN mime bytea")


def downgrade() -> None:
    op.execute("ALTER TABLE message_contents DROP COLUMN mime")
