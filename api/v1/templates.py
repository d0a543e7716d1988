"""Templates, layouts and partials: draft, preview, publish, compare, roll back. A published version never changes."""

from typing import Any
from uuid import UUID

from flask import Blueprint, Response, g
from sqlalchemy import Connection

from api import query
from api.answers import json_answer, no_content
from api.auth import scope
from api.body import read_object
from api.contract import Parameter, contract
from api.idempotency import answer_once, take_key
from api.lists import answer_list
from api.v1.schemas import templates as shapes
from api.v1.schemas.fields import load
from api.v1.schemas.messages_out import AcceptedOut
from api.v1.schemas.out import page_of
from api.v1.schemas.templates_out import (
    ImportOut,
    PreviewOut,
    TemplateDiffOut,
    TemplateOut,
    TemplateSummaryOut,
    TemplateVersionOut,
    TemplateVersionSummaryOut,
)
from common.db.session import transaction
from common.domain.errors import NotFound
from common.domain.ids import decode
from common.domain.template_building import KINDS
from common.services import composing, template_drafts, template_imports, template_previews, template_versions
from common.services.accepting import accept

blueprint = Blueprint("templates", __name__, url_prefix="/v1/templates")

_NUMBER = {"type": "integer", "minimum": 1, "maximum": 999_999}
_TEMPLATE = Parameter(
    "template",
    "The id of the template, or its slug.",
    {
        "anyOf": [
            {"type": "string", "pattern": "^tpl_[0-7][0-9a-hjkmnp-tv-z]{25}$"},
            {"type": "string", "maxLength": 64},
        ]
    },
    id_of="tpl",
)
_VERSION = Parameter("version", "The number of a version.", _NUMBER)
PATH = {"template": _TEMPLATE}
VERSION_PATH = {"template": _TEMPLATE, "version": _VERSION}
LISTED = (query.choices_parameter("kind", "Only of this kind.", KINDS), *query.PAGED)
COMPARED = (
    Parameter("from", "The version before; the one in use unless given.", _NUMBER),
    Parameter("to", "The version after; the draft unless given.", _NUMBER),
)


def which(text: str) -> UUID | str:
    """The id in a path, or the slug."""
    return decode("tpl", text) or text[:65]


def number(text: str) -> int:
    """The version in a path. Raises NotFound: what is no number names nothing."""
    if not (text.isascii() and text.isdigit() and len(text) <= 6):
        raise NotFound("The template has no such version.")
    return int(text)


@blueprint.post("")
@scope("templates:write", idempotent=True)
@contract(takes=shapes.TemplateIn, answers={201: TemplateOut}, errors=("conflict", "template_not_allowed"))
def create_template() -> Response:
    """Make a template with a draft. Messages can use it once it is published."""
    query.only()
    fields = load(shapes.TEMPLATE_IN, read_object())
    return answer_once(
        fields, lambda connection: json_answer(template_drafts.create(connection, g.principal, fields), 201)
    )


@blueprint.post("/import")
@scope("templates:write", idempotent=True)
@contract(takes=shapes.ImportIn, answers={200: ImportOut, 201: ImportOut}, errors=("conflict", "template_not_allowed"))
def import_template() -> Response:
    """Make a draft of a template of Postmark, SendGrid, Mailgun or Resend, with a report of what was lost.

    With `dry_run` it answers 200 and makes nothing.
    """
    query.only()
    fields = load(shapes.IMPORT_IN, read_object())
    status = 200 if fields.get("dry_run") else 201
    return answer_once(
        fields, lambda connection: json_answer(template_imports.bring(connection, g.principal, fields), status)
    )


@blueprint.get("")
@scope("templates:read")
@contract(answers={200: page_of(TemplateSummaryOut)}, query=LISTED, errors=("invalid_cursor",))
def list_templates() -> Response:
    """Templates, newest first, without their drafts."""
    query.only(*LISTED)
    return answer_list(template_drafts.find, g.principal, kinds=query.choices("kind", KINDS))


@blueprint.get("/<template>")
@scope("templates:read")
@contract(answers={200: TemplateOut}, path=PATH, errors=("template_not_allowed",))
def read_template(template: str) -> Response:
    """One template with its draft, by id or slug."""
    query.only()
    with transaction() as connection:
        return json_answer(template_drafts.get(connection, g.principal, which(template)))


@blueprint.patch("/<template>")
@scope("templates:write", idempotent=False)
@contract(
    takes=shapes.TemplateChangeIn,
    answers={200: TemplateOut},
    path=PATH,
    errors=("conflict", "template_not_allowed"),
)
def change_template(template: str) -> Response:
    """Change the draft; null takes a part out. Messages go on with the published version."""
    query.only()
    body = read_object()
    cleared: dict[str, Any] = {name: None for name in shapes.CLEARABLE if name in body and body[name] is None}
    fields = load(shapes.TEMPLATE_CHANGE_IN, body) | cleared
    with transaction() as connection:
        found = template_drafts.change(connection, g.principal, which(template), fields)
    composing.forget()
    return json_answer(found)


@blueprint.delete("/<template>")
@scope("templates:write", idempotent=False)
@contract(answers={204: None}, path=PATH, errors=("template_not_allowed",))
def delete_template(template: str) -> Response:
    """Delete a template. Messages that were accepted with it are still sent as they were."""
    query.only()
    with transaction() as connection:
        template_drafts.delete(connection, g.principal, which(template))
    composing.forget()
    return no_content()


@blueprint.post("/<template>/duplicate")
@scope("templates:write", idempotent=True)
@contract(
    takes=shapes.DuplicateIn,
    answers={201: TemplateOut},
    path=PATH,
    errors=("conflict", "template_not_allowed"),
)
def duplicate_template(template: str) -> Response:
    """Make another template with the same draft."""
    query.only()
    fields = load(shapes.DUPLICATE_IN, read_object())

    def work(connection: Connection) -> Response:
        copied = template_drafts.duplicate(
            connection, g.principal, which(template), slug=fields["slug"], name=fields.get("name")
        )
        return json_answer(copied, 201)

    return answer_once(fields, work)


@blueprint.post("/<template>/publish")
@scope("templates:write", idempotent=True)
@contract(
    takes=shapes.PublishIn,
    answers={200: TemplateVersionOut},
    path=PATH,
    errors=("conflict", "template_not_allowed"),
)
def publish_template(template: str) -> Response:
    """Publish the draft as the next version, in use everywhere within 5 seconds. 422 names what cannot be rendered."""
    query.only()
    fields = load(shapes.PUBLISH_IN, read_object())

    def work(connection: Connection) -> Response:
        return json_answer(template_versions.publish(connection, g.principal, which(template), note=fields.get("note")))

    answer = answer_once(fields, work)
    composing.forget()
    return answer


@blueprint.get("/<template>/versions")
@scope("templates:read")
@contract(
    answers={200: page_of(TemplateVersionSummaryOut)},
    path=PATH,
    query=query.PAGED,
    errors=("invalid_cursor", "template_not_allowed"),
)
def list_template_versions(template: str) -> Response:
    """Every version, newest first, without its content."""
    query.only(*query.PAGED)
    return answer_list(template_versions.find, g.principal, which(template))


@blueprint.get("/<template>/versions/<version>")
@scope("templates:read")
@contract(answers={200: TemplateVersionOut}, path=VERSION_PATH, errors=("template_not_allowed",))
def read_template_version(template: str, version: str) -> Response:
    """One version: what was written and what is rendered."""
    query.only()
    with transaction() as connection:
        return json_answer(template_versions.get(connection, g.principal, which(template), number(version)))


@blueprint.post("/<template>/versions/<version>/publish")
@scope("templates:write", idempotent=False)
@contract(answers={200: TemplateVersionOut}, path=VERSION_PATH, errors=("template_not_allowed",))
def publish_template_version(template: str, version: str) -> Response:
    """Roll back: use an old version again, everywhere within 5 seconds. The draft stays as it is."""
    query.only()
    with transaction() as connection:
        found = template_versions.roll_back(connection, g.principal, which(template), number(version))
    composing.forget()
    return json_answer(found)


@blueprint.get("/<template>/diff")
@scope("templates:read")
@contract(
    answers={200: TemplateDiffOut},
    path=PATH,
    query=COMPARED,
    errors=("conflict", "template_not_allowed"),
)
def compare_template_versions(template: str) -> Response:
    """What differs between two versions, or a version and the draft: unified text for each part."""
    query.only(*COMPARED)
    older, newer = query.whole("from", 999_999), query.whole("to", 999_999)
    with transaction() as connection:
        return json_answer(template_versions.diff(connection, g.principal, which(template), older=older, newer=newer))


@blueprint.post("/<template>/preview")
@scope("templates:read", idempotent=False)
@contract(takes=shapes.PreviewIn, answers={200: PreviewOut}, path=PATH, errors=("template_not_allowed",))
def preview_template(template: str) -> Response:
    """Fill the draft, or a version, with data and show it. Nothing is sent."""
    query.only()
    fields = load(shapes.PREVIEW_IN, read_object())
    with transaction() as connection:
        return json_answer(template_previews.preview(connection, g.principal, which(template), fields))


@blueprint.post("/<template>/test-send")
@scope("messages:send", policy="send", idempotent=True)
@contract(
    takes=shapes.TestSendIn,
    answers={202: AcceptedOut},
    path=PATH,
    errors=("domain_not_allowed", "sender_not_verified", "template_not_allowed", "account_paused"),
)
def test_send_template(template: str) -> Response:
    """Send the draft, or a version, to one address. It is a message like any other."""
    query.only()
    fields = load(shapes.TEST_SEND_IN, read_object())
    key = take_key(g.principal, {})
    with transaction() as connection:
        message = template_previews.letter(connection, g.principal, which(template), fields)
    answer = accept(g.principal, message, idempotency_key=key, request_id=g.request_id)
    response = Response(answer.body, answer.status, mimetype="application/json")
    if answer.replayed:
        response.headers["Idempotent-Replayed"] = "true"
    return response
