"""Sources by profile with sealed passwords, their tests, and TLS results by day (pre-deploy)."""

from alembic import op
from sqlalchemy import text

from common.config import current_settings
from common.sealing import seal

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_TABLES = """
ALTER TABLE sources
  ADD COLUMN profile text,
  ADD COLUMN password_sealed bytea,
  ADD COLUMN bind_ipv4 text,
  ADD COLUMN bind_ipv6 text,
  ADD COLUMN messages_per_connection integer,
  ADD COLUMN updated_at timestamptz NOT NULL DEFAULT now(),
  DROP CONSTRAINT sources_tls_check,
  ADD CONSTRAINT sources_tls_check
    CHECK (tls IN ('none', 'opportunistic', 'encrypted', 'required', 'implicit'));

CREATE TABLE source_tests (
  id uuid PRIMARY KEY,
  source_id uuid NOT NULL REFERENCES sources ON DELETE CASCADE,
  recipient_domain text,
  state text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'passed', 'failed')),
  report jsonb,
  created_at timestamptz NOT NULL DEFAULT now(),
  ended_at timestamptz
);
CREATE INDEX source_tests_of_source ON source_tests (source_id, created_at DESC);

CREATE TABLE tls_results (
  day date NOT NULL,
  policy_domain text NOT NULL,
  policy_type text NOT NULL,
  mx text NOT NULL,
  kind text NOT NULL,
  sessions bigint NOT NULL,
  PRIMARY KEY (day, policy_domain, policy_type, mx, kind)
);

ALTER TABLE attempts
  ADD COLUMN provider text,
  ADD COLUMN tls_reason text;
"""


def upgrade() -> None:
    op.execute(_TABLES)
    connection = op.get_bind()
    for row in connection.execute(text("SELECT id, password FROM sources WHERE password IS NOT NULL")).all():
        sealed = seal(current_settings(), row.password.encode(), f"source {row.id}")
        connection.execute(
            text("UPDATE sources SET password_sealed = :sealed WHERE id = :id"), {"sealed": sealed, "id": row.id}
        )
    op.execute("ALTER TABLE sources DROP COLUMN password")


def downgrade() -> None:
    op.execute("ALTER TABLE attempts DROP COLUMN provider, DROP COLUMN tls_reason")
    op.execute("DROP TABLE tls_results")
    op.execute("DROP TABLE source_tests")
    op.execute(
        "ALTER TABLE sources DROP COLUMN profile, DROP COLUMN password_sealed, DROP COLUMN bind_ipv4,"
        " DROP COLUMN bind_ipv6, DROP COLUMN messages_per_connection, DROP COLUMN updated_at, ADD COLUMN password text"
    )
