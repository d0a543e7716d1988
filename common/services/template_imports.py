"""Templates of other services are brought in as drafts, with a report. Never here: the languages (domain/dialects)."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from common.domain.dialects.imports import slug_of
from common.domain.errors import InvalidFields
from common.domain.principals import Principal
from common.domain.template_building import BuildError
from common.services import rendering
from common.services.template_drafts import create, public_fields, shown_draft
from common.services.template_versions import built


def bring(connection: Connection, principal: Principal, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Make a draft of an export, or with `dry_run` only tell what it would be. What the draft still lacks to be
    published is in the report as well.

    Raises InvalidFields when there is nothing to import, Conflict for a slug in use, Forbidden.
    """
    try:
        found = rendering.read_export(fields["dialect"], fields["source"])
    except BuildError as error:
        raise InvalidFields(error.errors) from error
    kind = found.about.get("kind", "template")
    report = found.report + _missing(connection, principal, kind, found.draft)
    named = fields.get("name") or found.about.get("name") or ""
    slug = fields.get("slug") or slug_of(found.about.get("slug") or named or "imported")
    made = None
    if not fields.get("dry_run"):
        about = {"slug": slug, "name": " ".join(named.split())[:100], "kind": kind}
        made = create(connection, principal, public_fields(found.draft) | about)
    return {"template": made, "slug": slug, "kind": kind, "draft": shown_draft(found.draft), "report": report}


def _missing(connection: Connection, principal: Principal, kind: str, draft: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What keeps the draft from being published as it is."""
    try:
        built(connection, principal.account_id, kind, draft)
    except InvalidFields as error:
        return [
            {
                "code": "unpublishable",
                "part": each.field.removeprefix("draft."),
                "line": None,
                "source": None,
                "message": f"It cannot be published yet: {each.field} {each.message}.",
            }
            for each in error.errors
        ]
    return []
