"""Holds: mail that somebody keeps back, by whom, why and until when (pre-deploy)."""

from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

_UP = """
CREATE TABLE holds (
  id uuid PRIMARY KEY,
  account_id uuid REFERENCES accounts,
  environment text CHECK (environment IN ('live', 'test')),
  kind text NOT NULL CHECK (kind IN ('hold', 'pause', 'drain')),
  stage text CHECK (stage IN ('routing', 'delivery')),
  tier smallint,
  recipient_domain text,
  tag text,
  template text,
  key_id uuid,
  after_position bigint,
  reason text NOT NULL,
  author text NOT NULL,
  created_by uuid,
  created_at timestamptz NOT NULL DEFAULT now(),
  expires_at timestamptz NOT NULL,
  settled_at timestamptz,
  released_at timestamptz,
  released_by text,
  emptied_at timestamptz
);
CREATE INDEX holds_active ON holds (created_at, id) WHERE released_at IS NULL;
CREATE INDEX holds_emptying ON holds (released_at) WHERE released_at IS NOT NULL AND emptied_at IS NULL;
CREATE INDEX holds_listed ON holds (account_id, environment, created_at DESC, id DESC);
ALTER TABLE messages ADD hold_id uuid, ADD held_at timestamptz;
CREATE INDEX messages_by_hold ON messages (hold_id, tier, queue_position) WHERE hold_id IS NOT NULL;
"""

_STUCK = """
UNION ALL
SELECT 'I19', m.id, 'held by a hold that was released over a minute ago'
  FROM messages m JOIN holds h ON h.id = m.hold_id
 WHERE m.held AND h.emptied_at < now() - interval '1 minute'
"""

_DOWN = """
ALTER TABLE messages DROP hold_id, DROP held_at;
DROP TABLE holds;
"""


def _view() -> str:
    found: str = op.get_bind().exec_driver_sql("SELECT pg_get_viewdef('invariant_violations'::regclass)").scalar_one()
    return found.rstrip().removesuffix(";")


def upgrade() -> None:
    op.execute(_UP)
    op.get_bind().exec_driver_sql(f"CREATE OR REPLACE VIEW invariant_violations AS {_view()} {_STUCK}")


def downgrade() -> None:
    kept = _view().rpartition("UNION ALL")[0]
    op.get_bind().exec_driver_sql(f"CREATE OR REPLACE VIEW invariant_violations AS {kept}")
    op.execute(_DOWN)
