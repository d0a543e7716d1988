"""Templates: publish a version, find the published one.

Never here: rendering (domain/templates.py).
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import Connection

from common.db.session import rows, run
from common.domain.ids import new_id
from common.domain.templates import Template, check_source

_PUBLISHED = """
SELECT t.id, t.slug, v.version, v.sender, v.subject, v.html, v.text, v.variables, v.tier
  FROM templates t JOIN template_versions v ON v.template_id = t.id AND v.version = t.published_version
 WHERE t.account_id = %s AND t.slug = %s
"""


def published(connection: Connection, account_id: UUID, slug: str) -> Template | None:
    """The published version of this account's template, or None."""
    found = rows(connection, _PUBLISHED, account_id, slug)
    return _template(found[0]) if found else None


def _template(row: Any) -> Template:
    return Template(
        id=str(row.id),
        slug=row.slug,
        version=row.version,
        sender=row.sender,
        subject=row.subject,
        html=row.html,
        text=row.text,
        variables=tuple((each["name"], bool(each["required"])) for each in row.variables),
        tier=row.tier,
    )


def publish(
    connection: Connection,
    account_id: UUID,
    slug: str,
    *,
    name: str,
    subject: str,
    html: str | None,
    text: str | None,
    variables: Sequence[tuple[str, bool]],
    tier: str | None = None,
    sender: str | None = None,
) -> int:
    """Publish this content as the next version of `slug`; the same content again makes no new version.

    Answers the published version. Raises RenderError for a source that cannot be bounded.
    """
    for source in (subject, html or "", text or ""):
        check_source(source)
    current = published(connection, account_id, slug)
    wanted = (sender, subject, html, text, tuple(variables), tier)
    if current is not None:
        if wanted == (current.sender, current.subject, current.html, current.text, current.variables, current.tier):
            return current.version
        template_id, version = UUID(current.id), current.version + 1
    else:
        template_id, version = new_id(), 1
        run(
            connection,
            "INSERT INTO templates (id, account_id, slug, name) VALUES (%s, %s, %s, %s)",
            template_id,
            account_id,
            slug,
            name,
        )
    listed = orjson.dumps([{"name": each, "required": required} for each, required in variables]).decode()
    run(
        connection,
        "INSERT INTO template_versions (template_id, version, sender, subject, html, text, variables, tier,"
        " published_at) VALUES (%s, %s, %s, %s, %s, %s, %s::jsonb, %s, now())",
        template_id, version, sender, subject, html, text, listed, tier,
    )  # fmt: skip
    run(connection, "UPDATE templates SET published_version = %s WHERE id = %s", version, template_id)
    return version


_PINNED = """
SELECT t.id, t.slug, v.version, v.sender, v.subject, v.html, v.text, v.variables, v.tier
  FROM templates t JOIN template_versions v ON v.template_id = t.id WHERE t.id = %s AND v.version = %s
"""


def pinned(connection: Connection, template_id: UUID, version: int) -> Template:
    """The version a message was accepted with. Raises LookupError when it was deleted."""
    found = rows(connection, _PINNED, template_id, version)
    if not found:
        raise LookupError(f"template {template_id} version {version} is gone")
    return _template(found[0])
