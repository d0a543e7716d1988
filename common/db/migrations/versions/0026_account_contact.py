"""An account says who is told when something of it needs a person (pre-deploy)."""

from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE accounts ADD COLUMN contact_address text")


def downgrade() -> None:
    op.execute("ALTER TABLE accounts DROP COLUMN contact_address")
