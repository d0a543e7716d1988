"""What follows an unknown outcome, as the policy stamped it, and an index of messages in doubt (pre-deploy)."""

from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE messages ADD in_doubt text")
    op.execute(
        "CREATE INDEX messages_in_doubt ON messages (next_attempt_at) WHERE unknown_count > 0 AND ended_at IS NULL"
    )


def downgrade() -> None:
    op.execute("DROP INDEX messages_in_doubt")
    op.execute("ALTER TABLE messages DROP in_doubt")
