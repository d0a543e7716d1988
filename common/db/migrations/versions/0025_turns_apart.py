"""The index of turns says what it has in words that no other index has (pre-deploy)."""

from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

_ENDED = "'delivered', 'bounced', 'complained', 'suppressed', 'cancelled', 'expired', 'failed'"


def _build(waiting: str) -> None:
    op.execute("DROP INDEX messages_turns")
    op.execute(
        "CREATE INDEX messages_turns ON messages ((status = 'queued'), tier, account_id, next_attempt_at)"
        f" WHERE {waiting} AND lease_until IS NULL AND NOT held"
    )


def upgrade() -> None:
    _build(f"status NOT IN ('scheduled', {_ENDED})")


def downgrade() -> None:
    _build("status IN ('queued', 'accepted', 'deferred')")
