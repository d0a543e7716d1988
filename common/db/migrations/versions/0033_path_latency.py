"""A path remembers how long a delivered mail takes (pre-deploy)."""

from alembic import op

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE path_health ADD COLUMN typical_ms double precision")


def downgrade() -> None:
    op.execute("ALTER TABLE path_health DROP COLUMN typical_ms")
