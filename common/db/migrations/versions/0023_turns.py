"""Whose turn it is within a tier: due messages by stage, tier and account (pre-deploy)."""

from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        "CREATE INDEX messages_turns ON messages ((status = 'queued'), tier, account_id, next_attempt_at)"
        " WHERE status IN ('queued', 'accepted', 'deferred') AND lease_until IS NULL AND NOT held"
    )


def downgrade() -> None:
    op.execute("DROP INDEX messages_turns")
