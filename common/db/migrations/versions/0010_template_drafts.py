"""Templates are drafted, published in versions that keep their source, and deleted softly (pre-deploy)."""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        ALTER TABLE templates
          ADD COLUMN kind text NOT NULL DEFAULT 'template' CHECK (kind IN ('template', 'layout', 'partial')),
          ADD COLUMN draft jsonb NOT NULL DEFAULT '{}',
          ADD COLUMN updated_at timestamptz NOT NULL DEFAULT now(),
          ADD COLUMN deleted_at timestamptz,
          DROP CONSTRAINT templates_account_id_slug_key
        """
    )
    op.execute("CREATE UNIQUE INDEX templates_slug ON templates (account_id, slug) WHERE deleted_at IS NULL")
    op.execute("CREATE INDEX templates_newest ON templates (account_id, created_at, id) WHERE deleted_at IS NULL")
    op.execute(
        """
        ALTER TABLE template_versions
          ADD COLUMN source jsonb NOT NULL DEFAULT '{}',
          ADD COLUMN locales jsonb NOT NULL DEFAULT '{}',
          ADD COLUMN uses jsonb NOT NULL DEFAULT '[]',
          ADD COLUMN warnings jsonb NOT NULL DEFAULT '[]',
          ADD COLUMN note text,
          ADD COLUMN published_by uuid
        """
    )
    op.execute(
        """
        UPDATE template_versions SET source = jsonb_strip_nulls(jsonb_build_object(
          'sender', sender, 'subject', subject, 'html', html, 'text', text, 'variables', variables, 'tier', tier))
        """
    )
    op.execute(
        """
        UPDATE templates t SET draft = v.source FROM template_versions v
         WHERE v.template_id = t.id AND v.version = t.published_version
        """
    )


def downgrade() -> None:
    op.execute("DELETE FROM templates WHERE deleted_at IS NOT NULL OR kind <> 'template'")
    op.execute(
        "ALTER TABLE template_versions DROP COLUMN source, DROP COLUMN locales, DROP COLUMN uses,"
        " DROP COLUMN warnings, DROP COLUMN note, DROP COLUMN published_by"
    )
    op.execute("DROP INDEX templates_newest, templates_slug")
    op.execute(
        "ALTER TABLE templates DROP COLUMN kind, DROP COLUMN draft, DROP COLUMN updated_at, DROP COLUMN deleted_at,"
        " ADD CONSTRAINT templates_account_id_slug_key UNIQUE (account_id, slug)"
    )
