"""Templates, layouts and partials as their owner edits them: make, list, read, change, duplicate, delete.

One store for both environments. A key that may use certain templates only, sees and changes only those.
Never here: publishing (template_versions.py).
"""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from common.clock import rfc3339
from common.db.keyset import Page, Turn, read_page
from common.db.session import as_json, rows, run
from common.domain.errors import Conflict, Forbidden, NotFound
from common.domain.ids import encode, new_id
from common.domain.principals import Principal

MOST = 5_000
"""Templates, layouts and partials of one account."""
DRAFTED = ("sender", "subject", "html", "mjml", "text", "layout", "variables", "locales", "tier")
_VARIABLE = ("name", "type", "required", "default", "example", "description")
_PUBLIC = {"sender": "from", "tier": "priority"}

_SELECT = """
SELECT t.id, t.slug, t.name, t.kind, t.published_version, t.created_at, t.updated_at,
       (SELECT max(v.version) FROM template_versions v WHERE v.template_id = t.id) AS latest_version,
       t.draft IS DISTINCT FROM (SELECT v.source FROM template_versions v
         WHERE v.template_id = t.id AND v.version = t.published_version) AS has_changes{draft}
  FROM templates t WHERE t.account_id = %s AND t.deleted_at IS NULL
"""
_WHOLE = _SELECT.format(draft=", t.draft")
_BRIEF = _SELECT.format(draft="")


def _brief(row: Any) -> dict[str, Any]:
    return {
        "id": encode("tpl", row.id),
        "slug": row.slug,
        "name": row.name,
        "kind": row.kind,
        "published_version": row.published_version,
        "latest_version": row.latest_version,
        "has_changes": row.has_changes,
        "created_at": rfc3339(row.created_at),
        "updated_at": rfc3339(row.updated_at),
    }


def shown_draft(draft: Mapping[str, Any]) -> dict[str, Any]:
    """A draft, or the source of a version, as callers see it: every field, null where nothing is said."""
    found = {_PUBLIC.get(name, name): draft.get(name) for name in DRAFTED}
    if found["variables"] is not None:
        blank: dict[str, Any] = dict.fromkeys(_VARIABLE) | {"type": "any", "required": True, "description": ""}
        found["variables"] = [blank | each for each in found["variables"]]
    found["locales"] = {
        tag: {part: own.get(part) for part in ("subject", "html", "mjml", "text")}
        for tag, own in (found["locales"] or {}).items()
    }
    return found


def _shown(row: Any) -> dict[str, Any]:
    return _brief(row) | {"draft": shown_draft(row.draft)}


def public_fields(draft: Mapping[str, Any]) -> dict[str, Any]:
    """A stored draft under the names of a request."""
    return {_PUBLIC.get(name, name): value for name, value in draft.items()}


def draft_of(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The drafted fields among those of a request, under the names they are stored with."""
    inner = {public: name for name, public in _PUBLIC.items()}
    named = {inner.get(name, name): value for name, value in fields.items()}
    return {name: named[name] for name in DRAFTED if name in named}


def may_touch(principal: Principal, slug: str) -> None:
    """Raises Forbidden when the key is for other templates."""
    if principal.templates is not None and slug not in principal.templates:
        raise Forbidden(
            f"This key may use only these templates: {', '.join(sorted(principal.templates))}.",
            code="template_not_allowed",
        )


def create(connection: Connection, principal: Principal, fields: Mapping[str, Any]) -> dict[str, Any]:
    """A new template with a draft, not yet published. Raises Conflict for a slug in use, Forbidden."""
    may_touch(principal, fields["slug"])
    made = create_for(connection, principal.account_id, fields)
    return get(connection, principal, made)


def create_for(connection: Connection, account_id: UUID, fields: Mapping[str, Any]) -> UUID:
    """A new template of any account. Raises Conflict."""
    count = rows(connection, "SELECT count(*) AS n FROM templates WHERE account_id = %s AND deleted_at IS NULL",
                 account_id)[0].n  # fmt: skip
    if count >= MOST:
        raise Conflict(f"The account has {MOST} templates: delete some first.")
    made = rows(
        connection,
        "INSERT INTO templates (id, account_id, slug, name, kind, draft) VALUES (%s, %s, %s, %s, %s, %s::jsonb)"
        " ON CONFLICT (account_id, slug) WHERE deleted_at IS NULL DO NOTHING RETURNING id",
        new_id(), account_id, fields["slug"], fields.get("name") or "", fields.get("kind") or "template",
        as_json(_said(draft_of(fields))),
    )  # fmt: skip
    if not made:
        raise Conflict(f"The slug {fields['slug']} is in use: choose another, or change that template.")
    found: UUID = made[0].id
    return found


def _said(draft: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in draft.items() if value is not None}


def row_of(connection: Connection, principal: Principal, which: UUID | str, *, lock: bool = False) -> Any:
    """The row of a template by id or slug, with its draft. Raises NotFound, Forbidden."""
    found = row_for(connection, principal.account_id, which, lock=lock)
    may_touch(principal, found.slug)
    return found


def row_for(connection: Connection, account_id: UUID, which: UUID | str, *, lock: bool = False) -> Any:
    """As `row_of`, of any account. Raises NotFound."""
    column = "t.id" if isinstance(which, UUID) else "t.slug"
    if lock:
        rows(
            connection,
            f"SELECT id FROM templates t WHERE t.account_id = %s AND {column} = %s AND deleted_at IS NULL FOR UPDATE",
            account_id,
            which,
        )
    found = rows(connection, f"{_WHOLE} AND {column} = %s", account_id, which)
    if not found:
        raise NotFound("There is no template with this id or slug.")
    return found[0]


def get(connection: Connection, principal: Principal, which: UUID | str) -> dict[str, Any]:
    """One template with its draft. Raises NotFound, Forbidden."""
    return _shown(row_of(connection, principal, which))


def find(
    connection: Connection, principal: Principal, *, kinds: Sequence[str], limit: int, turn: Turn | None = None
) -> Page:
    """Templates, newest first, without their drafts."""
    select, parameters = _BRIEF, [principal.account_id]
    for clause, value in (("t.kind = ANY(%s)", kinds), ("t.slug = ANY(%s)", principal.templates)):
        if value or (value is not None and value is principal.templates):
            select += f" AND {clause}"
            parameters.append(list(value))  # type: ignore[arg-type]
    return read_page(connection, select, parameters, _brief, limit=limit, turn=turn, order=("t.created_at", "t.id"))


def change(
    connection: Connection, principal: Principal, which: UUID | str, fields: Mapping[str, Any]
) -> dict[str, Any]:
    """Change the name, the slug, or parts of the draft; None takes a part out. What is published stays as it is.

    Raises NotFound, Forbidden, Conflict for a slug in use.
    """
    row = row_of(connection, principal, which, lock=True)
    slug = fields.get("slug") or row.slug
    if slug != row.slug:
        may_touch(principal, slug)
        taken = "SELECT 1 FROM templates WHERE account_id = %s AND slug = %s AND deleted_at IS NULL"
        if rows(connection, taken, principal.account_id, slug):
            raise Conflict(f"The slug {slug} is in use: choose another.")
    run(
        connection,
        "UPDATE templates SET slug = %s, name = %s, draft = %s::jsonb, updated_at = now() WHERE id = %s",
        slug, fields.get("name", row.name) or "", as_json(_said(row.draft | draft_of(fields))), row.id,
    )  # fmt: skip
    return get(connection, principal, row.id)


def duplicate(
    connection: Connection, principal: Principal, which: UUID | str, *, slug: str, name: str | None
) -> dict[str, Any]:
    """A new template with this one's draft. Raises NotFound, Forbidden, Conflict."""
    row = row_of(connection, principal, which)
    may_touch(principal, slug)
    fields = public_fields(row.draft)
    named = name if name is not None else row.name
    made = create_for(connection, principal.account_id, fields | {"slug": slug, "name": named, "kind": row.kind})
    return get(connection, principal, made)


def delete(connection: Connection, principal: Principal, which: UUID | str) -> None:
    """Remove a template. Its versions stay for the messages that were accepted with them. Raises NotFound."""
    row = row_of(connection, principal, which, lock=True)
    run(connection, "UPDATE templates SET deleted_at = now(), updated_at = now() WHERE id = %s", row.id)
