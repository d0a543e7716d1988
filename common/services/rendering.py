"""Building, comparing and rendering of what strangers wrote, each bounded: in the sandbox where fuel is no bound.

A message's template renders in this process when its source holds nothing that escapes the engine's fuel,
as nearly all do; otherwise in the sandbox. Never here: what a template is (domain/templates.py).
"""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from common.domain.dialects.imports import Imported
from common.domain.errors import FieldError
from common.domain.template_bounds import escapes_fuel
from common.domain.template_building import BuildError, Built, Shared
from common.domain.template_variables import Variable, filled
from common.domain.templates import Parts, Rendered, RenderError, Template, prove, render_parts
from common.services import sandbox

_OVER = "takes too long or too much memory to work on: simplify it"


def build(kind: str, draft: Mapping[str, Any], shared: Mapping[str, Shared]) -> Built:
    """As domain/template_building.build, in the sandbox. Raises BuildError."""
    given = {slug: asdict(each) for slug, each in shared.items()}
    try:
        answer = sandbox.run("build", {"kind": kind, "draft": draft, "shared": given})
    except sandbox.Exceeded as error:
        part = next((name for name in ("mjml", "html", "text", "subject") if draft.get(name)), "html")
        raise BuildError([FieldError(part, "template_error", _OVER)]) from error
    if "errors" in answer:
        raise BuildError([FieldError(*each) for each in answer["errors"]])
    made = answer["built"]
    return Built(
        parts=Parts(**made["parts"]),
        variables=tuple(Variable(**each) for each in made["variables"]),
        locales={tag: Parts(**parts) for tag, parts in made["locales"].items()},
        uses=made["uses"],
        warnings=made["warnings"],
    )


def compare(before: Mapping[str, Any], after: Mapping[str, Any], old: str, new: str) -> dict[str, str]:
    """As domain/template_diffs.compare, in the sandbox; what cannot be compared in time is told as such."""
    try:
        found: dict[str, str] = sandbox.run("compare", {"before": before, "after": after, "old": old, "new": new})[
            "parts"
        ]
        return found
    except sandbox.Exceeded:
        changed = [name for name in before.keys() | after.keys() if before.get(name) != after.get(name)]
        return {name: f"--- {old}\n+++ {new}\n@@ too different to compare in time @@\n" for name in changed}


def read_export(dialect: str, source: Mapping[str, Any]) -> Imported:
    """As domain/dialects/imports.read, in the sandbox. Raises BuildError."""
    try:
        answer = sandbox.run("import", {"dialect": dialect, "source": source})
    except sandbox.Exceeded as error:
        raise BuildError([FieldError("source", "template_error", _OVER)]) from error
    if "errors" in answer:
        raise BuildError([FieldError(*each) for each in answer["errors"]])
    return Imported(**answer["imported"])


def render(
    template: Template, data: Mapping[str, Any], subject: str | None = None, locale: str | None = None
) -> Rendered:
    """The three parts of a message, proved against the declared variables. Raises RenderError."""
    prove(template, data)
    return render_again(template, data, subject, locale)


def render_again(
    template: Template, data: Mapping[str, Any], subject: str | None = None, locale: str | None = None
) -> Rendered:
    """As `render`, of data that was proved when the message was accepted. Raises RenderError."""
    parts, values = template.parts(locale), filled(template.variables, data)
    if not escapes_fuel(parts.subject, parts.html, parts.text):
        return render_parts(parts, values, subject)
    try:
        answer = sandbox.run("render", {"parts": asdict(parts), "data": values, "subject": subject})
    except sandbox.Exceeded as error:
        raise RenderError(f"template {template.slug} {_OVER}") from error
    if "errors" in answer:
        raise RenderError(answer["said"], [FieldError(*each) for each in answer["errors"]])
    return Rendered(**answer["rendered"])
