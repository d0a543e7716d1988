"""Rendering: MiniJinja, strict, with fuel, JSON values only. The same call at accept and at delivery.

Bounds: fuel per part, which the engine charges by the size of what it touches; size of source and output.
What the source itself may not hold is refused in template_bounds.py. Never here: building a version from
a draft (template_building.py).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from minijinja import Environment, TemplateError

from common.domain.errors import FieldError
from common.domain.template_bounds import SourceError, check_source
from common.domain.template_variables import Variable, faults

FUEL = 50_000
MAX_OUTPUT = 10 * 1024 * 1024
_LOOKED_AT = re.compile(r"`([A-Za-z_][A-Za-z0-9_.]*)` is undefined")


class RenderError(ValueError):
    """The template does not render with this data; the text says why, `errors` where."""

    def __init__(self, text: str, errors: Sequence[FieldError] = ()) -> None:
        super().__init__(text)
        self.errors = tuple(errors) or (FieldError("template_data", "template_error", text),)


@dataclass(frozen=True, slots=True)
class Parts:
    """What is rendered: each part is a template of its own."""

    subject: str
    html: str | None
    text: str | None


@dataclass(frozen=True, slots=True)
class Template:
    """One pinned version of a template. `locales` holds the parts of its variants by lower-case tag."""

    id: str
    slug: str
    version: int
    sender: str | None
    subject: str
    html: str | None
    text: str | None
    variables: tuple[Variable, ...]
    tier: str | None
    locales: Mapping[str, Parts] = field(default_factory=dict)

    def parts(self, locale: str | None) -> Parts:
        """The parts for a locale: ja-JP, else ja, else the default ones."""
        if locale and self.locales:
            steps = locale.lower().replace("_", "-").split("-")
            for length in range(len(steps), 0, -1):
                found = self.locales.get("-".join(steps[:length]))
                if found is not None:
                    return found
        return Parts(self.subject, self.html, self.text)


@dataclass(frozen=True, slots=True)
class Rendered:
    subject: str
    html: str | None
    text: str | None


@lru_cache(maxsize=512)
def compiled(parts: Parts) -> Environment:
    """The engine with these parts in it. Raises SourceError, TemplateError."""
    engine = Environment(
        undefined_behavior="strict", auto_escape_callback=lambda name: name == "html", fuel=FUEL, pycompat=True
    )
    for name in ("subject", "html", "text"):
        source = getattr(parts, name)
        if source is not None:
            check_source(source)
            engine.add_template(name, source)
    return engine


def prove(template: Template, data: Mapping[str, Any]) -> None:
    """Refuse data that does not fit the declared variables. Raises RenderError with every fault."""
    wrong = faults(template.variables, data, template.slug)
    if wrong:
        raise RenderError(f"{wrong[0].field} {wrong[0].message}", wrong)


def render_parts(parts: Parts, data: Mapping[str, Any], subject: str | None = None) -> Rendered:
    """The three parts, of data that is complete. Raises RenderError. `subject` replaces the template's own."""
    try:
        engine = compiled(parts)
        done = {
            name: engine.render_template(name, **data)
            for name in ("subject", "html", "text")
            if getattr(parts, name) is not None and (name != "subject" or subject is None)
        }
    except SourceError as error:
        raise RenderError(str(error)) from error
    except TemplateError as error:
        raise RenderError(f"does not render: {explain(error)}", _undefined(error, data)) from error
    if any(len(part) > MAX_OUTPUT for part in done.values()):
        raise RenderError("renders to more than 10 MiB: send less data")
    one_line = " ".join(done["subject"].split()) if subject is None else subject
    return Rendered(one_line, done.get("html"), done.get("text"))


def explain(error: TemplateError) -> str:
    """What went wrong, in which part and line, in one line."""
    said = " ".join((error.message or str(error)).split())
    place = f"(in {error.name}:{error.line})"
    if error.name and error.line and said.endswith(place):
        return f"{said.removesuffix(place).strip()[:250]} ({error.name}, line {error.line})"
    return said[:300]


def _undefined(error: TemplateError, data: Mapping[str, Any]) -> tuple[FieldError, ...]:
    """The place in the data that the template looked at in vain, when it is one."""
    found = _LOOKED_AT.search(error.detail or "")
    if found is None or found[1].partition(".")[0] not in data:
        return ()
    return (FieldError(f"template_data.{found[1][:80]}", "required", f"is needed by the template: {explain(error)}"),)
