"""Mail that comes back: kept for a month with what it did (pre-deploy)."""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE inbound_mails (
          id uuid PRIMARY KEY,
          received_at timestamptz NOT NULL DEFAULT now(),
          account_id uuid,
          environment text,
          message_id uuid,
          sender text NOT NULL,
          recipient text NOT NULL,
          kind text NOT NULL,
          effect text NOT NULL,
          size integer NOT NULL,
          categories text[] NOT NULL,
          source bytea NOT NULL
        )
        """
    )
    op.execute("CREATE INDEX inbound_mails_by_time ON inbound_mails (received_at)")
    op.execute("CREATE INDEX inbound_mails_of_message ON inbound_mails (message_id) WHERE message_id IS NOT NULL")


def downgrade() -> None:
    op.execute("DROP TABLE inbound_mails")
