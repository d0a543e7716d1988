"""What a template would look like: a draft or a version filled with data, shown, or sent to one address as a test.

Never here: accepting (accepting.py).
"""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from common.domain.addresses import split_display_name
from common.domain.errors import InvalidFields
from common.domain.ids import encode
from common.domain.principals import Principal
from common.domain.template_variables import examples
from common.domain.templates import Rendered, RenderError, Template
from common.services import templates
from common.services.rendering import render
from common.services.template_drafts import row_of
from common.services.template_versions import built, version_row

CLIPPED = 102 * 1024
"""Octets of HTML that Gmail shows before it cuts the rest off."""


def preview(
    connection: Connection, principal: Principal, which: UUID | str, fields: Mapping[str, Any]
) -> dict[str, Any]:
    """The draft, or `version`, filled with `template_data`; without any with the variables' examples.

    Raises NotFound, Forbidden, InvalidFields.
    """
    template, warnings = _chosen(connection, principal, which, fields.get("version"))
    data = fields["template_data"] if "template_data" in fields else examples(template.variables)
    done = _rendered(template, data, fields.get("locale"))
    return {
        "template_id": encode("tpl", UUID(template.id)),
        "slug": template.slug,
        "version": template.version or None,
        "subject": done.subject,
        "html": done.html,
        "text": done.text,
        "template_data": data,
        "warnings": [*warnings, *_advice(done)],
    }


def letter(
    connection: Connection, principal: Principal, which: UUID | str, fields: Mapping[str, Any]
) -> dict[str, Any]:
    """The fields of the message that shows this template to one person. Raises NotFound, Forbidden, InvalidFields."""
    template, _ = _chosen(connection, principal, which, fields.get("version"))
    data = fields["template_data"] if "template_data" in fields else examples(template.variables)
    done = _rendered(template, data, fields.get("locale"))
    found = {"recipient": fields["recipient"], "subject": done.subject, "html": done.html, "text": done.text}
    found["from"] = fields.get("from") or _sender(template)
    found["priority"] = template.tier
    return {name: value for name, value in found.items() if value is not None}


def _sender(template: Template) -> dict[str, Any] | None:
    if not template.sender:
        return None
    name, email = split_display_name(template.sender)
    return {"email": email, "name": name}


def _chosen(
    connection: Connection, principal: Principal, which: UUID | str, version: int | None
) -> tuple[Template, list[dict[str, str]]]:
    """The template to render; the draft has version 0."""
    if version is not None:
        _, row = version_row(connection, principal, which, version)
        return templates.of_row(row), row.warnings
    row = row_of(connection, principal, which)
    made = built(connection, principal.account_id, row.kind, row.draft)
    found = Template(
        id=str(row.id),
        slug=row.slug,
        version=0,
        sender=row.draft.get("sender"),
        subject=made.parts.subject,
        html=made.parts.html,
        text=made.parts.text,
        variables=made.variables,
        tier=row.draft.get("tier"),
        locales=made.locales,
    )
    return found, made.warnings


def _rendered(template: Template, data: Mapping[str, Any], locale: str | None) -> Rendered:
    try:
        return render(template, data, None, locale)
    except RenderError as error:
        raise InvalidFields(error.errors) from error


def _advice(done: Rendered) -> list[dict[str, str]]:
    found = []
    if done.html and len(done.html.encode()) > CLIPPED:
        found.append({"code": "clipped", "message": "The HTML is over 102 KiB: Gmail cuts off what is beyond."})
    if len(done.subject) > 78:
        found.append({"code": "long_subject", "message": "The subject is over 78 characters: most lists cut it off."})
    if done.html and ('src="http://' in done.html or "src='http://" in done.html):
        found.append({"code": "insecure_image", "message": "An image is loaded over http: many readers refuse it."})
    return found
