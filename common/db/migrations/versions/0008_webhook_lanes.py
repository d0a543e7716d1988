"""What lanes need: who holds a delivery, waiting ones apart from parked ones, lists by time, replays by job."""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_UP = """
ALTER TABLE webhook_deliveries ADD COLUMN lane uuid;
ALTER TABLE webhook_health ADD COLUMN ticket_at timestamptz;
INSERT INTO webhook_health (webhook_id) SELECT id FROM webhooks ON CONFLICT DO NOTHING;
DROP INDEX webhook_deliveries_due;
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (next_attempt_at) WHERE state = 'waiting' AND NOT parked;
DROP INDEX webhook_deliveries_parked;
CREATE INDEX webhook_deliveries_parked ON webhook_deliveries (webhook_id, (replay_id IS NOT NULL), id) WHERE parked;
DROP INDEX webhook_deliveries_listed;
CREATE INDEX webhook_deliveries_listed ON webhook_deliveries (webhook_id, created_at DESC, id DESC);
CREATE INDEX webhook_deliveries_of_replay ON webhook_deliveries (replay_id) WHERE replay_id IS NOT NULL;
"""

_DOWN = """
DROP INDEX webhook_deliveries_of_replay;
DROP INDEX webhook_deliveries_listed;
CREATE INDEX webhook_deliveries_listed ON webhook_deliveries (webhook_id, id DESC);
DROP INDEX webhook_deliveries_parked;
CREATE INDEX webhook_deliveries_parked ON webhook_deliveries (webhook_id, id) WHERE parked;
DROP INDEX webhook_deliveries_due;
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (next_attempt_at) WHERE state = 'waiting';
ALTER TABLE webhook_health DROP COLUMN ticket_at;
ALTER TABLE webhook_deliveries DROP COLUMN lane;
"""


def upgrade() -> None:
    op.execute(_UP)


def downgrade() -> None:
    op.execute(_DOWN)
