"""An index of when messages look again that a rule of a policy holds (pre-deploy)."""

from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("CREATE INDEX messages_held_until ON messages (next_attempt_at) WHERE held AND hold_id IS NULL")


def downgrade() -> None:
    op.execute("DROP INDEX messages_held_until")
