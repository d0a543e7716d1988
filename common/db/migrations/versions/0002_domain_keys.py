"""Domains prove themselves: DKIM keys, what was last found in DNS, defaults; and sender identities (pre-deploy).

Domains verified before have no keys; until the first are made and published, their mail leaves unsigned
only where nobody asks for a signature (docs/senders.md).
"""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_UP = """
ALTER TABLE domains
  ADD COLUMN declared boolean NOT NULL DEFAULT false,
  ADD COLUMN default_sender text,
  ADD COLUMN return_path text NOT NULL DEFAULT 'bounce',
  ADD COLUMN return_path_seen boolean NOT NULL DEFAULT false,
  ADD COLUMN streams jsonb NOT NULL DEFAULT '{}',
  ADD COLUMN findings jsonb,
  ADD COLUMN checked_at timestamptz,
  ADD COLUMN check_count integer NOT NULL DEFAULT 0,
  ADD COLUMN next_check_at timestamptz,
  ADD COLUMN state_since timestamptz NOT NULL DEFAULT now();
CREATE INDEX domains_due ON domains (next_check_at) WHERE next_check_at IS NOT NULL;
CREATE INDEX domains_by_name ON domains (name);

CREATE TABLE domain_keys (
  id uuid PRIMARY KEY,
  domain_id uuid NOT NULL REFERENCES domains ON DELETE CASCADE,
  selector text NOT NULL,
  algorithm text NOT NULL CHECK (algorithm IN ('rsa-sha256', 'ed25519-sha256')),
  public_key text NOT NULL,
  private_key bytea,
  state text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'active', 'retiring', 'retired')),
  created_at timestamptz NOT NULL DEFAULT now(),
  activated_at timestamptz,
  retiring_at timestamptz,
  UNIQUE (domain_id, selector)
);

CREATE TABLE senders (
  id uuid PRIMARY KEY,
  account_id uuid NOT NULL REFERENCES accounts,
  domain_id uuid NOT NULL REFERENCES domains ON DELETE CASCADE,
  email text NOT NULL,
  email_key text NOT NULL,
  name text,
  created_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (account_id, email_key)
);
CREATE INDEX senders_of_domain ON senders (domain_id);
"""

_DOWN = """
DROP TABLE senders;
DROP TABLE domain_keys;
DROP INDEX domains_by_name;
DROP INDEX domains_due;
ALTER TABLE domains DROP COLUMN declared, DROP COLUMN default_sender, DROP COLUMN return_path,
  DROP COLUMN return_path_seen, DROP COLUMN streams, DROP COLUMN findings, DROP COLUMN checked_at,
  DROP COLUMN check_count, DROP COLUMN next_check_at, DROP COLUMN state_since;
"""


def upgrade() -> None:
    op.execute(_UP)


def downgrade() -> None:
    op.execute(_DOWN)
