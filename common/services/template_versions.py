"""Publishing: a draft becomes a version that never changes; versions are listed, compared and published again.

A version keeps what was written (`source`) and what is rendered, put together with the layout and the
partials of that moment. Never here: editing (template_drafts.py), building (domain/template_building.py).
"""

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from common.clock import rfc3339
from common.db.keyset import Page, Turn, read_page_by_number
from common.db.session import as_json, rows, run
from common.domain.errors import Conflict, InvalidFields, NotFound
from common.domain.ids import encode
from common.domain.principals import Principal
from common.domain.template_building import MAX_DEPTH, BuildError, Built, Shared, included, names_used
from common.domain.template_variables import read
from common.services import events, rendering
from common.services.template_drafts import row_of, shown_draft

MOST = 1_000
"""Versions of one template."""

_SHARED = """
SELECT t.slug, t.kind, v.version, v.source, v.variables
  FROM templates t JOIN template_versions v ON v.template_id = t.id AND v.version = t.published_version
 WHERE t.account_id = %s AND t.slug = ANY(%s) AND t.kind <> 'template' AND t.deleted_at IS NULL
"""
_INSERT = """
INSERT INTO template_versions (template_id, version, sender, subject, html, text, variables, tier, source, locales,
                               uses, warnings, note, published_by, published_at)
VALUES (%s, %s, %s, %s, %s, %s, %s::jsonb, %s, %s::jsonb, %s::jsonb, %s::jsonb, %s::jsonb, %s, %s, now())
"""
_VERSIONS = """
SELECT v.version, v.note, v.warnings, v.uses, v.published_by, v.created_at, v.published_at,
       v.version = t.published_version AS is_published{columns}
  FROM template_versions v JOIN templates t ON t.id = v.template_id WHERE v.template_id = %s
"""


def built(connection: Connection, account_id: UUID, kind: str, draft: Mapping[str, Any]) -> Built:
    """What a version of this draft would hold now. Raises InvalidFields."""
    try:
        return rendering.build(kind, draft, _shared(connection, account_id, draft))
    except BuildError as error:
        raise InvalidFields([replace(each, field=f"draft.{each.field}") for each in error.errors]) from error


def _shared(connection: Connection, account_id: UUID, draft: Mapping[str, Any]) -> dict[str, Shared]:
    """The layouts and partials that a draft needs, and those that they need."""
    found: dict[str, Shared] = {}
    asked: set[str] = set()
    wanted = names_used(draft)
    for _ in range(MAX_DEPTH + 1):
        wanted -= asked
        if not wanted:
            break
        asked |= wanted
        fresh = [_as_shared(row) for row in rows(connection, _SHARED, account_id, sorted(wanted))]
        found |= {each.slug: each for each in fresh}
        wanted = set().union(*(included(source) for each in fresh for source in (each.html or "", each.text or "")))
    return found


def _as_shared(row: Any) -> Shared:
    variables = read(row.variables)
    return Shared(row.slug, row.kind, row.version, row.source.get("html"), row.source.get("text"), variables)


def publish(
    connection: Connection, principal: Principal, which: UUID | str, *, note: str | None = None
) -> dict[str, Any]:
    """Publish the draft as the next version; in use everywhere within 5 s. A draft like the published version is it.

    Answers the version. Raises NotFound, Forbidden, InvalidFields with every part that cannot be published.
    """
    row = row_of(connection, principal, which, lock=True)
    version = publish_row(connection, principal.account_id, row, note=note, by=principal.key_id)
    _tell(connection, principal, row.slug, version)
    return get(connection, principal, row.id, version)


def publish_row(
    connection: Connection, account_id: UUID, row: Any, *, note: str | None = None, by: UUID | None = None
) -> int:
    """As `publish`, of a row of any account; answers the number of the version."""
    made = built(connection, account_id, row.kind, row.draft)
    uses = {each["slug"]: each["version"] for each in made.uses}
    if not row.has_changes and uses == _uses(connection, row):
        current: int = row.published_version
        return current
    version: int = (row.latest_version or 0) + 1
    if version > MOST:
        raise Conflict(f"The template has {MOST} versions: duplicate it and go on there.")
    run(
        connection, _INSERT, row.id, version, row.draft.get("sender"), made.parts.subject, made.parts.html,
        made.parts.text, as_json([asdict(each) for each in made.variables]), row.draft.get("tier"),
        as_json(row.draft), as_json({tag: asdict(parts) for tag, parts in made.locales.items()}),
        as_json(made.uses), as_json(made.warnings), note, by,
    )  # fmt: skip
    _use(connection, row.id, version)
    return version


def _uses(connection: Connection, row: Any) -> dict[str, int]:
    found = rows(
        connection,
        "SELECT uses FROM template_versions WHERE template_id = %s AND version = %s",
        row.id,
        row.published_version,
    )
    return {each["slug"]: each["version"] for each in found[0].uses} if found else {}


def _use(connection: Connection, template_id: UUID, version: int) -> None:
    run(
        connection,
        "UPDATE templates SET published_version = %s, updated_at = now() WHERE id = %s",
        version,
        template_id,
    )


def _tell(connection: Connection, principal: Principal, slug: str, version: int) -> None:
    data = {"template": slug, "version": version}
    told = events.NewEvent(principal.account_id, "template.published", data, environment=principal.environment)
    events.record(connection, [told])


def roll_back(connection: Connection, principal: Principal, which: UUID | str, version: int) -> dict[str, Any]:
    """Use a version again that was published before; in use everywhere within 5 s. The draft stays as it is.

    Answers the version. Raises NotFound, Forbidden.
    """
    row = row_of(connection, principal, which, lock=True)
    found = get(connection, principal, row.id, version)
    if row.published_version != version:
        _use(connection, row.id, version)
        _tell(connection, principal, row.slug, version)
    return found | {"is_published": True}


def find(
    connection: Connection, principal: Principal, which: UUID | str, *, limit: int, turn: Turn | None = None
) -> Page:
    """Versions, newest first, without their content. Raises NotFound, Forbidden."""
    row = row_of(connection, principal, which)

    def show(version: Any) -> dict[str, Any]:
        return _brief(row, version)

    select = _VERSIONS.format(columns="")
    return read_page_by_number(connection, select, (row.id,), show, limit=limit, turn=turn, column="v.version")


def _brief(template: Any, row: Any) -> dict[str, Any]:
    return {
        "template_id": encode("tpl", template.id),
        "slug": template.slug,
        "version": row.version,
        "is_published": bool(row.is_published),
        "note": row.note,
        "uses": row.uses,
        "warnings": row.warnings,
        "published_by": encode("key", row.published_by) if row.published_by else None,
        "published_at": rfc3339(row.published_at or row.created_at),
    }


def get(connection: Connection, principal: Principal, which: UUID | str, version: int) -> dict[str, Any]:
    """One version: what was written, and what is rendered. Raises NotFound, Forbidden."""
    template, row = version_row(connection, principal, which, version)
    declared = [asdict(each) for each in read(row.variables)]
    return _brief(template, row) | {
        "source": shown_draft(row.source),
        "built": {
            "subject": row.subject,
            "html": row.html,
            "text": row.text,
            "variables": declared,
            "locales": row.locales,
        },
    }


def version_row(connection: Connection, principal: Principal, which: UUID | str, version: int) -> tuple[Any, Any]:
    """The rows of a template and of one of its versions. Raises NotFound, Forbidden."""
    template = row_of(connection, principal, which)
    columns = ", t.id, t.slug, v.sender, v.subject, v.html, v.text, v.variables, v.tier, v.locales, v.source"
    found = rows(connection, f"{_VERSIONS.format(columns=columns)} AND v.version = %s", template.id, version)
    if not found:
        raise NotFound(f"The template has no version {version}.")
    return template, found[0]


def diff(
    connection: Connection, principal: Principal, which: UUID | str, *, older: int | None, newer: int | None
) -> dict[str, Any]:
    """What changed from one version to another, part by part; without `newer` to the draft, without `older` from
    the published version. Raises NotFound, Forbidden, InvalidFields when nothing was published.
    """
    row = row_of(connection, principal, which)
    first = older if older is not None else row.published_version
    if first is None:
        raise Conflict("Nothing is published yet: there is nothing to compare the draft with.")
    before = version_row(connection, principal, row.id, first)[1].source
    after = row.draft if newer is None else version_row(connection, principal, row.id, newer)[1].source
    parts = rendering.compare(before, after, f"version {first}", "draft" if newer is None else f"version {newer}")
    return {"from": first, "to": newer, "changed": sorted(parts), "parts": parts}
