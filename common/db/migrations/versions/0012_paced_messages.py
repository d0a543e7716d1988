"""Messages that wait for a slot at their destination: where, why and since when (pre-deploy)."""

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE messages ADD COLUMN paced text, ADD COLUMN pace_note text, ADD COLUMN paced_at timestamptz")
    op.execute("CREATE INDEX messages_paced ON messages (paced, tier, queue_position) WHERE paced IS NOT NULL")


def downgrade() -> None:
    op.execute("ALTER TABLE messages DROP COLUMN paced, DROP COLUMN pace_note, DROP COLUMN paced_at")
