"""Totals of what happened in all accounts, for Prometheus: a few hundred rows, kept by the counting (pre-deploy)."""

from alembic import op

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None

_UP = """
CREATE TABLE metric_totals (
  environment text NOT NULL,
  tier text NOT NULL,
  metric text NOT NULL,
  detail text NOT NULL,
  n bigint NOT NULL,
  PRIMARY KEY (environment, tier, metric, detail)
) WITH (fillfactor = 50);

INSERT INTO metric_totals (environment, tier, metric, detail, n)
SELECT k.environment, p.tier, k.metric, k.detail, sum(k.n)
  FROM analytics_counts k JOIN analytics_profiles p ON p.id = k.profile_id WHERE k.grain = 'day' GROUP BY 1, 2, 3, 4;
"""


def upgrade() -> None:
    op.execute(_UP)


def downgrade() -> None:
    op.execute("DROP TABLE metric_totals")
