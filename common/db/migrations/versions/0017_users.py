"""People who sign in to the dashboard, and their sessions (pre-deploy)."""

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

_UP = """
CREATE TABLE users (
  id uuid PRIMARY KEY,
  account_id uuid NOT NULL REFERENCES accounts,
  email text NOT NULL,
  email_key text UNIQUE,
  name text NOT NULL DEFAULT '',
  role text NOT NULL CHECK (role IN ('owner', 'operator', 'support')),
  admin boolean NOT NULL DEFAULT false,
  password_hash text,
  link_hash bytea UNIQUE,
  link_kind text CHECK (link_kind IN ('password', 'sign_in')),
  link_until timestamptz,
  created_at timestamptz NOT NULL DEFAULT now(),
  created_by uuid,
  signed_in_at timestamptz,
  removed_at timestamptz
);
CREATE INDEX users_listed ON users (account_id, created_at DESC, id DESC);

CREATE TABLE sessions (
  id uuid PRIMARY KEY,
  token_hash bytea NOT NULL UNIQUE,
  user_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
  environment text NOT NULL CHECK (environment IN ('live', 'test')),
  language text,
  theme text,
  notice jsonb,
  ip text,
  agent text,
  created_at timestamptz NOT NULL DEFAULT now(),
  seen_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX sessions_of_user ON sessions (user_id);
CREATE INDEX sessions_seen ON sessions (seen_at);

ALTER TABLE api_keys ADD user_id uuid REFERENCES users;
CREATE INDEX api_keys_of_user ON api_keys (user_id) WHERE user_id IS NOT NULL;
"""


def upgrade() -> None:
    op.execute(_UP)


def downgrade() -> None:
    op.execute("DELETE FROM api_keys WHERE user_id IS NOT NULL")
    op.execute("ALTER TABLE api_keys DROP COLUMN user_id")
    op.execute("DROP TABLE sessions, users")
