"""A dead letter knows its recipient's domain: grouping by cause reads no messages (pre-deploy)."""

from alembic import op

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE dead_letters ADD COLUMN recipient_domain text")
    op.execute(
        "UPDATE dead_letters d SET recipient_domain = m.recipient_domain FROM messages m WHERE m.id = d.message_id"
    )


def downgrade() -> None:
    op.execute("ALTER TABLE dead_letters DROP COLUMN recipient_domain")
