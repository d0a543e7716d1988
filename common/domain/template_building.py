"""build(...): a draft becomes what a version holds: layout and partials put in, each part proved to compile.

Pure and self-contained: a version needs nothing but its own row. Never here: SQL, rendering (templates.py).
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

from minijinja import Environment, TemplateError

from common.domain.errors import FieldError
from common.domain.template_bounds import MAX_SOURCE, SourceError, check_source, filters_in, pieces, tags
from common.domain.template_html import inline_css, text_of
from common.domain.template_mjml import to_html
from common.domain.template_variables import Variable, declaration_faults, examples, filled, read
from common.domain.templates import Parts, RenderError, compiled, explain, render_parts

KINDS = ("template", "layout", "partial")
PARTS = ("subject", "html", "text")
MAX_DEPTH = 5
_INCLUDE = re.compile(r"\{%[-+]?\s*include\s+(['\"])([a-z0-9][a-z0-9_-]*)\1\s*[-+]?%\}\Z")
_CONTENT = re.compile(r"\{\{[-+]?\s*content\s*(?:\|\s*safe\s*)?[-+]?\}\}\Z")
_EMPTY = Parts("", None, None)
_GLOBALS = frozenset({"range", "dict", "namespace", "debug", "loop"})


class BuildError(ValueError):
    """The draft cannot be published; `errors` names each part and what to change."""

    def __init__(self, errors: Sequence[FieldError]) -> None:
        super().__init__(f"{errors[0].field} {errors[0].message}")
        self.errors = tuple(errors)


@dataclass(frozen=True, slots=True)
class Shared:
    """A published layout or partial, as it is put into a template."""

    slug: str
    kind: str
    version: int
    html: str | None
    text: str | None
    variables: tuple[Variable, ...] = ()


@dataclass(slots=True)
class Built:
    """What a version holds. `uses` names the layouts and partials that went in, with their versions."""

    parts: Parts
    variables: tuple[Variable, ...]
    locales: dict[str, Parts] = field(default_factory=dict)
    uses: list[dict[str, Any]] = field(default_factory=list)
    warnings: list[dict[str, str]] = field(default_factory=list)


def names_used(draft: Mapping[str, Any]) -> set[str]:
    """The layouts and partials that a draft refers to, directly."""
    sources = [draft, *(draft.get("locales") or {}).values()]
    found = {draft["layout"]} if draft.get("layout") else set()
    for each in sources:
        for part in (*PARTS, "mjml"):
            found |= included(each.get(part) or "")
    return found


def included(source: str) -> set[str]:
    """The partials that a source includes. A source that cannot be read includes none."""
    try:
        return {found[2] for start, end in tags(source) if (found := _INCLUDE.match(source[start:end]))}
    except SourceError:
        return set()


def build(kind: str, draft: Mapping[str, Any], shared: Mapping[str, Shared]) -> Built:
    """Everything a version of this draft holds. Raises BuildError with every wrong part."""
    errors: list[FieldError] = []
    assembly = _Assembly(kind, draft.get("layout"), shared, errors)
    variants = {place: assembly.parts(place, given) for place, given in _variants(draft)}
    put_in = assembly.put_in
    if errors:
        raise BuildError(errors)
    variables = _declared(draft, put_in.values(), variants, errors)
    for place, parts in variants.items():
        _prove(kind, place, parts, variables, errors)
    if errors:
        raise BuildError(errors)
    warnings: list[dict[str, str]] = []
    if kind == "template":
        variants = {place: _finished(place, parts, warnings) for place, parts in variants.items()}
        warnings += _advice(variables, variants)
    uses = [{"slug": each.slug, "kind": each.kind, "version": each.version} for each in put_in.values()]
    locales = {place.removeprefix("locales.").lower(): parts for place, parts in variants.items() if place}
    return Built(variants[""], variables, locales, uses, warnings)


def _variants(draft: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The default parts under an empty place, then each locale's. What a variant leaves out is the default's."""
    yield "", {part: draft.get(part) for part in (*PARTS, "mjml")}
    for tag, own in (draft.get("locales") or {}).items():
        body = own if any(own.get(part) for part in ("html", "mjml", "text")) else draft
        subject = own.get("subject") or draft.get("subject")
        yield f"locales.{tag}", {part: body.get(part) for part in ("html", "mjml", "text")} | {"subject": subject}


class _Assembly:
    """Puts layout and partials into sources; remembers what went in, and each partial's own result."""

    def __init__(self, kind: str, layout: str | None, shared: Mapping[str, Shared], errors: list[FieldError]) -> None:
        self._kind, self._shared, self._errors = kind, shared, errors
        self._done: dict[tuple[str, str], str] = {}
        self.put_in: dict[str, Shared] = {}
        self._around = shared.get(layout) if layout else None
        if layout and (self._around is None or self._around.kind != "layout"):
            errors.append(FieldError("layout", "template_not_found", f"no published layout is called {layout}"))
            self._around = None
        if self._around is not None:
            self.put_in[self._around.slug] = self._around

    def parts(self, place: str, given: Mapping[str, Any]) -> Parts:
        """The parts of one variant, put together."""
        dot = f"{place}." if place else ""
        if self._kind == "template" and not given["subject"]:
            self._errors.append(FieldError(f"{dot}subject", "required", "is required to publish"))
        if given["mjml"]:
            given = self._from_mjml(dot, given)
        elif not given["html"] and not given["text"]:
            said = "is required to publish: html, or text, or both"
            self._errors.append(FieldError(f"{dot}html", "required", said))
        found: dict[str, str | None] = {}
        for part in PARTS:
            try:
                found[part] = None if given[part] is None else self._whole(given[part], part)
            except SourceError as error:
                self._errors.append(FieldError(f"{dot}{part}", "template_error", str(error)))
                found[part] = None
        return Parts(found["subject"] or "", found["html"], found["text"])

    def _from_mjml(self, dot: str, given: Mapping[str, Any]) -> dict[str, Any]:
        found = {**given, "html": None}
        if given["html"]:
            self._errors.append(FieldError(f"{dot}mjml", "conflict", "cannot stand beside html: use one of them"))
        elif self._around is not None:
            self._errors.append(FieldError(f"{dot}mjml", "conflict", "is a whole document: leave the layout out"))
        else:
            try:
                found["html"] = to_html(self._filled(given["mjml"], "html", ()))
            except SourceError as error:
                self._errors.append(FieldError(f"{dot}mjml", "template_error", str(error)))
        return found

    def _whole(self, source: str, part: str) -> str:
        layout = getattr(self._around, part, None) if part != "subject" else None
        if layout is not None:
            parts = pieces(layout)
            source = "".join(source if is_tag and _CONTENT.match(piece) else piece for is_tag, piece in parts)
        return self._filled(source, part, ())

    def _filled(self, source: str, part: str, inside: tuple[str, ...]) -> str:
        """The source with every `{% include "x" %}` replaced. Raises SourceError."""
        found, size = [], 0
        for is_tag, piece in pieces(source):
            name = _INCLUDE.match(piece) if is_tag else None
            found.append(self._partial(name[2], part, inside) if name is not None else piece)
            size += len(found[-1])
            if size > MAX_SOURCE:
                raise SourceError(f"is over {MAX_SOURCE // 1024} KiB with its layout and partials: shorten it")
        return "".join(found)

    def _partial(self, name: str, part: str, inside: tuple[str, ...]) -> str:
        if name in inside:
            raise SourceError(f"includes {name}, which includes itself")
        if len(inside) >= MAX_DEPTH:
            raise SourceError(f"includes partials more than {MAX_DEPTH} deep")
        found = self._shared.get(name)
        if found is None or found.kind != "partial":
            raise SourceError(f"includes {name}, and no published partial is called that")
        self.put_in[name] = found
        source = found.html if part == "html" else found.text
        if source is None:
            raise SourceError(f"includes {name}, which has no {'html' if part == 'html' else 'text'}")
        key = (name, part)
        if key not in self._done:
            self._done[key] = self._filled(source, part, (*inside, name))
        return self._done[key]


def _declared(
    draft: Mapping[str, Any], put_in: Any, variants: Mapping[str, Parts], errors: list[FieldError]
) -> tuple[Variable, ...]:
    """The template's variables with those of its layout and partials; without any, whatever the parts use."""
    own = read(draft.get("variables") or ())
    errors += declaration_faults(own)
    names = {each.name for each in own}
    for each in put_in:
        own += tuple(variable for variable in each.variables if variable.name not in names)
        names |= {variable.name for variable in each.variables}
    if draft.get("variables") is not None:
        return own
    used = set().union(*(_used(source) for parts in variants.values() for _, source in _sources(parts)))
    return own + tuple(Variable(name) for name in sorted(used - names - {"content"}))


def _sources(parts: Parts) -> Iterator[tuple[str, str]]:
    for part in PARTS:
        source = getattr(parts, part)
        if source is not None:
            yield part, source


def _used(source: str) -> set[str]:
    try:
        check_source(source)
        return Environment().undeclared_variables_in_str(source) - _GLOBALS
    except (SourceError, TemplateError):
        return set()  # said by _prove


def _prove(kind: str, place: str, parts: Parts, variables: Sequence[Variable], errors: list[FieldError]) -> None:
    """Every part compiles, and uses nothing that is not declared."""
    dot = f"{place}." if place else ""
    names = {each.name for each in variables} | ({"content"} if kind == "layout" else set())
    for part, source in _sources(parts):
        try:
            compiled(replace(_EMPTY, **{part: source}))
        except SourceError as error:
            errors.append(FieldError(f"{dot}{part}", "template_error", str(error)))
            continue
        except TemplateError as error:
            errors.append(FieldError(f"{dot}{part}", "template_error", explain(error)))
            continue
        unknown = sorted(name for name in filters_in(source) if not _is_filter(name))
        if unknown:
            errors.append(FieldError(f"{dot}{part}", "template_error", f"uses a filter {unknown[0]}, which is unknown"))
        missing = sorted(_used(source) - names)
        if missing:
            listed = ", ".join(missing[:5])
            errors.append(FieldError(f"{dot}{part}", "template_error", f"uses {listed}: declare it in `variables`"))


@lru_cache(maxsize=1024)
def _is_filter(name: str) -> bool:
    try:
        Environment().eval_expr(f"0|{name}")
    except TemplateError as error:
        return error.kind != "UnknownFilter"
    return True


def _finished(place: str, parts: Parts, warnings: list[dict[str, str]]) -> Parts:
    """The parts with CSS in their elements, and with a text part."""
    named = f" of {place}" if place else ""
    html, text = parts.html, parts.text
    if html is not None:
        inlined = inline_css(html)
        if inlined is None or len(inlined.encode()) > MAX_SOURCE or not _compiles(inlined, "html"):
            said = "was not put into its elements, because tags open or close elements in branches, or make the style"
            warnings.append({"code": "css_not_inlined", "message": f"The CSS{named} {said}."})
        else:
            html = inlined
    if text is None and html is not None:
        text = text_of(html)
        if text is None or not _compiles(text, "text"):
            text = None
            said = "There is no text part, and none could be made from the HTML"
            warnings.append({"code": "no_text", "message": f"{said}{named}."})
    return Parts(parts.subject, html, text)


def _compiles(source: str, part: str) -> bool:
    try:
        compiled(replace(_EMPTY, **{part: source}))
    except (SourceError, TemplateError):
        return False
    return True


def _advice(variables: Sequence[Variable], variants: Mapping[str, Parts]) -> list[dict[str, str]]:
    """What is allowed and seldom meant."""
    found = []
    used = set().union(*(_used(source) for each in variants.values() for _, source in _sources(each)))
    for each in variables:
        if each.name not in used:
            found.append({"code": "unused_variable", "message": f"{each.name} is declared and nowhere used."})
    data = filled(variables, examples(variables))
    for place, parts in variants.items():
        try:
            render_parts(parts, data)
        except RenderError as error:
            said = f"With the examples of its variables {place or 'the template'} {error}."
            found.append({"code": "example_fails", "message": said})
    return found
