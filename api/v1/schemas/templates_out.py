"""The shapes of templates, their versions, comparisons and previews as they are shown."""

from marshmallow import fields

from api.v1.schemas import out
from api.v1.schemas.out import told
from common.domain.template_building import KINDS
from common.domain.template_variables import TYPES


class VariableOut(out.Out):
    """A declared variable."""

    name = out.text("As the source calls it.", "code")
    type = out.text(f"{', '.join(TYPES)}.", "string")
    required = out.flag("Whether data without it is refused.")
    default = fields.Raw(required=True, allow_none=True, metadata=told("What takes its place when it is absent."))
    example = fields.Raw(required=True, allow_none=True, metadata=told("What previews show.", "847291"))
    description = out.text("What it is.", "The one-time code")


DraftOut = out.Out.from_dict(
    {
        "from": out.text("The sender of messages that name none.", "Example <hello@example.com>", null=True),
        "subject": out.text("The subject, as a template.", "Your code: {{ code }}", null=True),
        "html": out.text("The HTML part, as a template.", "<p>{{ code }}</p>", null=True),
        "mjml": out.text("MJML in place of html.", null=True),
        "text": out.text("The text part, as a template.", "{{ code }}", null=True),
        "layout": out.text("The layout around it.", "main", null=True),
        "variables": out.listed(VariableOut, "What template_data may hold.", null=True),
        "locales": out.mapped("Variants by language tag.", {}),
        "priority": out.text("The tier of messages that name none.", "critical", null=True),
    },
    name="DraftOut",
)


class TemplateSummaryOut(out.Out):
    """A template, without what is written in it."""

    id = out.ident("tpl", "Its id.")
    slug = out.text("What messages call it by.", "otp-code")
    name = out.text("A name for people.", "One-time code")
    kind = out.text(f"{', '.join(KINDS)}.", "template")
    published_version = out.whole("The version in use; null before the first.", 3, null=True)
    latest_version = out.whole("The newest version.", 3, null=True)
    has_changes = out.flag("Whether the draft differs from the version in use.")
    created_at = out.moment("When it was made.")
    updated_at = out.moment("When its draft or the version in use last changed.")


class TemplateOut(TemplateSummaryOut):
    """A template with its draft."""

    draft = out.nested(DraftOut, "What the next version will hold.")


class TemplateWarningOut(out.Out):
    """What is allowed and seldom meant."""

    code = out.text("What it is about.", "unused_variable")
    message = out.text("What to look at.", "name is declared and nowhere used.")


class UseOut(out.Out):
    """A layout or partial that went into a version."""

    slug = out.text("Its slug.", "main")
    kind = out.text("layout or partial.", "layout")
    version = out.whole("Its version at that time.", 2)


class TemplateVersionSummaryOut(out.Out):
    """A version, without its content. It never changes."""

    template_id = out.ident("tpl", "Its template.")
    slug = out.text("The slug of its template.", "otp-code")
    version = out.whole("Its number.", 3)
    is_published = out.flag("Whether it is the one in use.")
    note = out.text("Why it was published.", "New wording for legal", null=True)
    uses = out.listed(UseOut, "The layouts and partials that went in.")
    warnings = out.listed(TemplateWarningOut, "What is allowed and seldom meant.")
    published_by = out.ident("key", "The key that published it.", null=True)
    published_at = out.moment("When it was first published.")


class BuiltOut(out.Out):
    """What is rendered: put together with layout and partials."""

    subject = out.text("The subject, as a template.", "Your code: {{ code }}")
    html = out.text("The HTML part, as a template.", "<p>{{ code }}</p>", null=True)
    text = out.text("The text part, as a template.", "{{ code }}", null=True)
    variables = out.listed(VariableOut, "What template_data may hold.")
    locales = out.mapped("The parts of each variant, by language tag.", {})


class TemplateVersionOut(TemplateVersionSummaryOut):
    """A version with what was written and what is rendered."""

    source = out.nested(DraftOut, "What was written.")
    built = out.nested(BuiltOut, "What is rendered.")


TemplateDiffOut = out.Out.from_dict(
    {
        "from": out.whole("The version before.", 2),
        "to": out.whole("The version after; null for the draft.", 3, null=True),
        "changed": out.listed(out.text("The name of a part.", "html"), "What differs."),
        "parts": out.mapped("The unified diff of each part that differs.", {"html": "--- html (version 2)\n…"}),
    },
    name="TemplateDiffOut",
)


class PreviewOut(out.Out):
    """A template filled with data."""

    template_id = out.ident("tpl", "The template.")
    slug = out.text("Its slug.", "otp-code")
    version = out.whole("Which version; null for the draft.", 3, null=True)
    subject = out.text("The subject.", "Your code: 847291")
    html = out.text("The HTML part.", "<p>847291</p>", null=True)
    text = out.text("The text part.", "847291", null=True)
    template_data = out.mapped("What it was filled with.", {"code": "847291"})
    warnings = out.listed(TemplateWarningOut, "What is allowed and seldom meant.")


class RemarkOut(out.Out):
    """One place that an import changed or lost."""

    code = out.text("lost, guessed, renamed, changed, missing or unpublishable.", "lost")
    part = out.text("Where: subject, html, text or layout.", "html")
    line = out.whole("The line of the source.", 12, null=True)
    source = out.text("What stands there.", "{{formatDate ts}}", null=True)
    message = out.text("What became of it.", "{{formatDate ts}} has no counterpart: it is taken out.")


class ImportOut(out.Out):
    """A template of another service in our dialect, and what was lost."""

    template = out.nested(TemplateOut, "The template that was made; null for a dry run.", null=True)
    slug = out.text("Its slug.", "receipt")
    kind = out.text("template or layout.", "template")
    draft = out.nested(DraftOut, "What became of it.")
    report = out.listed(RemarkOut, "What was changed, guessed or lost, in the order of the source.")
