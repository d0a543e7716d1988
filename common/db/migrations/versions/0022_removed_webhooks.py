"""A removed webhook is gone at once; its log goes in batches, and an event never waits for it (pre-deploy)."""

from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

_UP = """
CREATE TABLE removed_webhooks (
  webhook_id uuid PRIMARY KEY,
  removed_at timestamptz NOT NULL DEFAULT now()
);
ALTER TABLE webhook_deliveries DROP CONSTRAINT webhook_deliveries_webhook_id_fkey;
"""

_DOWN = """
DELETE FROM webhook_deliveries d WHERE NOT EXISTS (SELECT FROM webhooks w WHERE w.id = d.webhook_id);
ALTER TABLE webhook_deliveries ADD CONSTRAINT webhook_deliveries_webhook_id_fkey
  FOREIGN KEY (webhook_id) REFERENCES webhooks ON DELETE CASCADE;
DROP TABLE removed_webhooks;
"""


def upgrade() -> None:
    op.execute(_UP)


def downgrade() -> None:
    op.execute(_DOWN)
