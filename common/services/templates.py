"""Templates as messages use them: the published version of a slug, the version a message is pinned to.

Never here: drafts (template_drafts.py), publishing (template_versions.py), rendering (domain/templates.py).
"""

from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from common.db.session import rows
from common.domain.template_variables import read
from common.domain.templates import Parts, Template

_COLUMNS = "t.id, t.slug, v.version, v.sender, v.subject, v.html, v.text, v.variables, v.tier, v.locales"
_PUBLISHED = f"""
SELECT {_COLUMNS}
  FROM templates t JOIN template_versions v ON v.template_id = t.id AND v.version = t.published_version
 WHERE t.account_id = %s AND t.slug = %s AND t.kind = 'template' AND t.deleted_at IS NULL
"""
_PINNED = f"""
SELECT {_COLUMNS}
  FROM templates t JOIN template_versions v ON v.template_id = t.id WHERE t.id = %s AND v.version = %s
"""


def published(connection: Connection, account_id: UUID, slug: str) -> Template | None:
    """The published version of this account's template, or None."""
    found = rows(connection, _PUBLISHED, account_id, slug)
    return of_row(found[0]) if found else None


def pinned(connection: Connection, template_id: UUID, version: int) -> Template:
    """The version a message was accepted with, of a deleted template as well. Raises LookupError."""
    found = rows(connection, _PINNED, template_id, version)
    if not found:
        raise LookupError(f"template {template_id} version {version} is gone")
    return of_row(found[0])


def of_row(row: Any) -> Template:
    """A row of a version, with its template's id and slug, as it is rendered."""
    return Template(
        id=str(row.id),
        slug=row.slug,
        version=row.version,
        sender=row.sender,
        subject=row.subject,
        html=row.html,
        text=row.text,
        variables=read(row.variables),
        tier=row.tier,
        locales={tag: Parts(**parts) for tag, parts in row.locales.items()},
    )
