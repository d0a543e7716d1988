"""Rendering: MiniJinja, strict, with fuel, JSON values only. The same call at accept and at delivery.

Bounds: fuel per part, size of source and output, and no `*` or `**` (the one operator whose result
escapes the fuel limit).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from minijinja import Environment, TemplateError

FUEL = 50_000
MAX_SOURCE = 256 * 1024
MAX_OUTPUT = 10 * 1024 * 1024
_OPENING = re.compile(r"\{#|\{\{|\{%")
_RAW = re.compile(r"\{%[-+]?\s*raw\s*[-+]?%\}")
_END_RAW = re.compile(r"\{%[-+]?\s*endraw\s*[-+]?%\}")
_PIECE = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|.", re.S)


class RenderError(ValueError):
    """The template does not render with this data; the text says why. `variable` names what is missing."""

    def __init__(self, text: str, variable: str | None = None) -> None:
        super().__init__(text)
        self.variable = variable


@dataclass(frozen=True, slots=True)
class Template:
    """One pinned version of a template."""

    id: str
    slug: str
    version: int
    sender: str | None
    subject: str
    html: str | None
    text: str | None
    variables: tuple[tuple[str, bool], ...]
    tier: str | None


@dataclass(frozen=True, slots=True)
class Rendered:
    subject: str
    html: str | None
    text: str | None


def check_source(source: str) -> None:
    """Refuse what could not be bounded. Raises RenderError."""
    if len(source.encode()) > MAX_SOURCE:
        raise RenderError(f"is over {MAX_SOURCE // 1024} KiB: shorten it")
    at = 0
    while (opening := _OPENING.search(source, at)) is not None:
        if opening[0] == "{#":
            at = source.find("#}", opening.end())
        elif (raw := _RAW.match(source, opening.start())) is not None:
            end = _END_RAW.search(source, raw.end())
            at = end.end() if end is not None else -1
        else:
            at = _end_of_tag(source, opening.end(), "}}" if opening[0] == "{{" else "%}")
        if at < 0:
            return  # never closed: the parser says so


def _end_of_tag(source: str, start: int, closing: str) -> int:
    """Where the tag ends, read as the engine does: past strings and nested brackets. Raises RenderError on `*`."""
    depth = 0
    for piece in _PIECE.finditer(source, start):
        if depth == 0 and source.startswith(closing, piece.start()):
            return piece.start() + len(closing)
        if piece[0] == "*":
            raise RenderError("uses `*` inside a tag, which is not offered: compute it before sending")
        if piece[0] in ("{", "[", "("):
            depth += 1
        elif piece[0] in ("}", "]", ")"):
            depth = max(0, depth - 1)
    return -1


@lru_cache(maxsize=512)
def _environment(parts: tuple[tuple[str, str], ...]) -> Environment:
    for _, source in parts:
        check_source(source)
    return Environment(
        templates=dict(parts),
        undefined_behavior="strict",
        auto_escape_callback=lambda name: name == "html",
        fuel=FUEL,
    )


def render(template: Template, data: Mapping[str, Any], subject: str | None = None) -> Rendered:
    """The three parts of a message. Raises RenderError. `subject` replaces the template's own."""
    missing = [name for name, required in template.variables if required and name not in data]
    if missing:
        raise RenderError(f"is required by template {template.slug}", missing[0])
    parts = [("subject", template.subject if subject is None else "")]
    parts += [("html", template.html)] if template.html is not None else []
    parts += [("text", template.text)] if template.text is not None else []
    optional = {name: None for name, required in template.variables if not required}
    try:
        environment = _environment(tuple(parts))
        done = {name: environment.render_template(name, **{**optional, **data}) for name, _ in parts}
    except TemplateError as error:
        raise RenderError(f"does not render: {_first_line(error)}") from error
    if any(len(part) > MAX_OUTPUT for part in done.values()):
        raise RenderError("renders to more than 10 MiB: send less data")
    one_line = " ".join(done["subject"].split()) if subject is None else subject
    return Rendered(one_line, done.get("html"), done.get("text"))


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:200]
