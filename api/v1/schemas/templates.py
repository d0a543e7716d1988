"""The shapes of templates as they are sent in: drafted, published, previewed. Shown: templates_out.py."""

from collections.abc import Callable
from itertools import islice
from typing import Any

from marshmallow import ValidationError, fields

from api.v1.schemas.api_keys import SenderText
from api.v1.schemas.faults import MOST, suggestion
from api.v1.schemas.fields import Choice, Coded, In, Mailbox, Mapped, Note, Text, Whole, YesNo, each_of, wrong
from api.v1.schemas.out import told
from common.domain.dialects.imports import DIALECTS
from common.domain.template_building import KINDS
from common.domain.template_variables import NAME, TYPES
from common.domain.tiers import TIERS

SLUG = r"[a-z0-9][a-z0-9_-]*"
LOCALE = r"[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8}){0,3}"
MAX_SOURCE = 256 * 1024
MAX_LOCALES = 50
MAX_VARIABLES = 200


class Anything(Coded):
    """Any JSON value but null."""


class _Variable(In):
    name = Text(64, pattern=NAME, required=True, metadata=told("As the source calls it.", "code"))
    type = Choice(TYPES, metadata=told("What its value must be; `any` unless given.", "string"))
    required = YesNo(metadata=told("Whether data without it is refused; true unless given.", True))
    default = Anything(metadata=told("What takes its place when it is absent."))
    example = Anything(metadata=told("What previews show.", "847291"))
    description = Text(500, metadata=told("What it is.", "The one-time code"))


_VARIABLE = _Variable()


class Variables(Coded):
    """The declared variables of a template."""

    def read(self, value: Any) -> list[dict[str, Any]]:
        if type(value) is not list:
            raise wrong("invalid_type", "must be a list")
        if len(value) > MAX_VARIABLES:
            raise wrong("too_many", f"has more than {MAX_VARIABLES} variables")
        return each_of(value, _one_of(_VARIABLE, "must be an object with a name"))

    def describe(self) -> dict[str, Any]:
        return {"type": "array", "maxItems": MAX_VARIABLES, "items": _described(_VARIABLE, ["name"])}


def _one_of(schema: In, said: str) -> Callable[[Any], dict[str, Any]]:
    known = schema.fields.keys()

    def read_one(value: Any) -> dict[str, Any]:
        if type(value) is not dict:
            raise wrong("invalid_type", said)
        strange = islice((each for each in value if each not in known), MOST)
        unknown = {each: [Note("unknown_field", suggestion(each, list(known)))] for each in strange}
        if unknown:
            raise ValidationError(unknown)
        found: dict[str, Any] = schema.load({name: each for name, each in value.items() if each is not None})
        return found

    return read_one


def _described(schema: In, required: list[str]) -> dict[str, Any]:
    properties = {}
    for name, field in schema.fields.items():
        assert isinstance(field, Coded)
        found = field.describe() | {"description": field.metadata["description"]}
        if name not in required and "enum" in found:
            found["enum"] = [*found["enum"], None]
        if name not in required and "type" in found:
            found["type"] = [found["type"], "null"]
        properties[name] = found
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


class _Variant(In):
    subject = Text(2000, line=True, metadata=told("Otherwise the template's.", "確認コード"))
    html = Text(MAX_SOURCE, metadata=told("With text, or one of them, in place of both.", "<p>{{ code }}</p>"))
    mjml = Text(MAX_SOURCE, metadata=told("In place of html."))
    text = Text(MAX_SOURCE, metadata=told("With html, or one of them, in place of both.", "{{ code }}"))


_VARIANT = _Variant()


_read_variant = _one_of(_VARIANT, "must be an object with subject, html or text")
_TAG = Text(35, pattern=LOCALE)


class Locales(Coded):
    """The variants of a template by language tag."""

    def read(self, value: Any) -> dict[str, dict[str, Any]]:
        if type(value) is not dict:
            raise wrong("invalid_type", "must be an object from language tags to variants")
        if len(value) > MAX_LOCALES:
            raise wrong("too_many", f"has more than {MAX_LOCALES} variants")
        found: dict[str, dict[str, Any]] = {}
        errors: dict[str, Any] = {}
        for name, own in value.items():
            try:
                lowered = _TAG.read(name).lower()
                if lowered in found:
                    raise wrong("duplicate", "is given twice, in another case")
                found[lowered] = _read_variant(own)
            except ValidationError as error:
                errors[name] = error.messages
        if errors:
            raise ValidationError(errors)
        return found

    def describe(self) -> dict[str, Any]:
        return {
            "type": "object",
            "maxProperties": MAX_LOCALES,
            # One case only, so that no tag is given twice; both are taken.
            "propertyNames": {"pattern": f"^{LOCALE.replace('A-Z', '')}$", "maxLength": 35},
            "additionalProperties": _described(_VARIANT, []),
        }


_DRAFT: dict[str, Callable[[], Coded]] = {
    "from": lambda: SenderText(metadata=told("The sender of messages that name none.", "Example <hello@example.com>")),
    "subject": lambda: Text(2000, line=True, metadata=told("The subject, as a template.", "Your code: {{ code }}")),
    "html": lambda: Text(MAX_SOURCE, metadata=told("The HTML part, as a template.", "<p>Your code: {{ code }}</p>")),
    "mjml": lambda: Text(MAX_SOURCE, metadata=told("MJML in place of html.")),
    "text": lambda: Text(MAX_SOURCE, metadata=told("The text part; otherwise made from html.", "Code: {{ code }}")),
    "layout": lambda: Text(64, pattern=SLUG, metadata=told("The layout around it, by its slug.", "main")),
    "variables": lambda: Variables(
        metadata=told("What template_data may hold; otherwise whatever the source uses.", [{"name": "code"}])
    ),
    "locales": lambda: Locales(metadata=told("Variants by language tag.", {"ja": {"subject": "確認コード"}})),
    "priority": lambda: Choice(TIERS, metadata=told("The tier of messages that name none.", "critical")),
}
CLEARABLE = tuple(_DRAFT)
"""What a PATCH may set to null: it is taken out of the draft."""


def _draft() -> dict[str, fields.Field[Any]]:
    return {name: make() for name, make in _DRAFT.items()}


def _slug(sentence: str, *, required: bool) -> Text:
    return Text(64, pattern=SLUG, required=required, metadata=told(sentence, "otp-code"))


def _label() -> Text:
    return Text(100, line=True, metadata=told("A name for people.", "One-time code"))


TemplateIn = In.from_dict(
    {
        "slug": _slug("What messages call it by.", required=True),
        "name": _label(),
        "kind": Choice(KINDS, metadata=told("A template, or a layout or partial for others; `template` unless given.")),
        **_draft(),
    },
    name="TemplateIn",
)
TemplateIn.samples = {  # type: ignore[attr-defined]
    "template": {
        "slug": "order-shipped",
        "name": "Order shipped",
        "subject": "Order {{ order }} is on its way",
        "html": "<p>Hello {{ name }}, order {{ order }} is on its way.</p>",
        "variables": [
            {"name": "order", "type": "string", "example": "1017"},
            {"name": "name", "type": "string", "required": False, "default": "there"},
        ],
    }
}
TEMPLATE_IN = TemplateIn()
TemplateChangeIn = In.from_dict(
    {"slug": _slug("What messages call it by.", required=False), "name": _label(), **_draft()},
    name="TemplateChangeIn",
)
TEMPLATE_CHANGE_IN = TemplateChangeIn()


class PublishIn(In):
    """What to remember of a version."""

    note = Text(500, line=True, metadata=told("Why it is published.", "New wording for legal"))


PUBLISH_IN = PublishIn()


class DuplicateIn(In):
    """What the copy is called."""

    slug = _slug("The slug of the copy.", required=True)
    name = _label()


DUPLICATE_IN = DuplicateIn()

_FILLED: dict[str, Callable[[], Coded]] = {
    "template_data": lambda: Mapped(
        metadata=told("Values for its variables; their examples unless given.", {"code": "847291", "expires_in": "5 m"})
    ),
    "locale": lambda: Text(35, pattern=LOCALE, metadata=told("Which variant.", "ja-JP")),
    "version": lambda: Whole(1, 1_000_000, metadata=told("Which version; the draft unless given.", 3)),
}
PreviewIn = In.from_dict({name: make() for name, make in _FILLED.items()}, name="PreviewIn")
PREVIEW_IN = PreviewIn()
TestSendIn = In.from_dict(
    {
        "recipient": Mailbox(required=True, metadata=told("Who receives it.", "you@example.com")),
        "from": Mailbox(
            metadata=told("Otherwise the template's, the key's, the account's, then a domain's.", "hello@example.com")
        ),
        **{name: make() for name, make in _FILLED.items()},
    },
    name="TestSendIn",
)
TEST_SEND_IN = TestSendIn()


class ImportIn(In):
    """A template of another service."""

    dialect = Choice(DIALECTS, required=True, metadata=told("Which service wrote it.", "postmark"))
    source = Mapped(
        required=True,
        metadata=told(
            "The template as that service's API answers it, or subject, html and text.",
            {"Name": "Receipt", "Subject": "Receipt {{id}}", "HtmlBody": "<p>{{#each lines}}{{text}}{{/each}}</p>"},
        ),
    )
    slug = _slug("Its slug; otherwise made of the alias or the name in the source.", required=False)
    name = _label()
    dry_run = YesNo(metadata=told("Only tell what it would become.", True))


IMPORT_IN = ImportIn()
