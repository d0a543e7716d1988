"""The declared variables of a template: what data must hold, what is filled in, and what is wrong in plain words.

Never here: rendering (templates.py).
"""

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from common.domain.errors import FieldError

TYPES = ("any", "string", "number", "integer", "boolean", "list", "object", "url")
NAME = r"[A-Za-z_][A-Za-z0-9_]{0,63}"
LINKS = ("http://", "https://", "mailto:", "tel:")
"""How a `url` may begin. Nothing that runs, such as `javascript:`."""


@dataclass(frozen=True, slots=True)
class Variable:
    """One declared variable. `default` takes the place of a value that is absent or null."""

    name: str
    required: bool = True
    type: str = "any"
    default: Any = None
    example: Any = None
    description: str = ""


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _whole(value: Any) -> bool:
    return _number(value) and (isinstance(value, int) or value.is_integer())


def _link(value: Any) -> bool:
    return isinstance(value, str) and value.strip().lower().startswith(LINKS)


_KINDS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "any": (lambda _: True, ""),
    # A number in the place of a text is written as it is: `"code": 847291`.
    "string": (lambda value: isinstance(value, str) or _number(value), "must be a string"),
    "number": (_number, "must be a number"),
    "integer": (_whole, "must be a whole number"),
    "boolean": (lambda value: isinstance(value, bool), "must be true or false"),
    "list": (lambda value: isinstance(value, list), "must be a list"),
    "object": (lambda value: isinstance(value, Mapping), "must be an object"),
    "url": (_link, f"must be a URL that begins with {', '.join(LINKS)}"),
}


def faults(variables: Sequence[Variable], data: Mapping[str, Any], slug: str) -> list[FieldError]:
    """Everything that is wrong with `data`, by name: `template_data.x`. Empty when it fits."""
    found = []
    for each in variables:
        value = data.get(each.name)
        if value is not None:
            fits, message = _KINDS[each.type]
            if not fits(value):
                code = "invalid_format" if each.type == "url" and isinstance(value, str) else "invalid_type"
                found.append(FieldError(f"template_data.{each.name}", code, message))
        elif each.required and each.default is None:
            found.append(FieldError(f"template_data.{each.name}", "required", f"is required by template {slug}"))
    known = [each.name for each in variables]
    unknown = (each for each in data if each not in known)
    for name in islice(unknown, 100):  # each costs a search, and nobody reads more
        found.append(FieldError(f"template_data.{name[:80]}", "unknown_field", _unknown(name, known, slug)))
    return found


def _unknown(name: str, known: Sequence[str], slug: str) -> str:
    near = difflib.get_close_matches(name[:80], known, n=1, cutoff=0.6)
    return f"is not a variable of template {slug}" + (f"; did you mean {near[0]}?" if near else "")


def filled(variables: Sequence[Variable], data: Mapping[str, Any]) -> dict[str, Any]:
    """The data with the defaults; what is optional and absent is none, so that `{% if x %}` asks for it."""
    found = dict(data)
    for each in variables:
        if found.get(each.name) is None:
            found[each.name] = each.default
    return found


def examples(variables: Sequence[Variable]) -> dict[str, Any]:
    """Data to show the template with: the example of each variable, its default, or something of its type."""
    return {each.name: _shown(each) for each in variables if each.required or _shown(each) is not None}


def _shown(each: Variable) -> Any:
    if each.example is not None:
        return each.example
    if each.default is not None or not each.required:
        return each.default
    plain: dict[str, Any] = {
        "number": 1, "integer": 1, "boolean": True, "list": [], "object": {}, "url": "https://example.com/",
    }  # fmt: skip
    return plain.get(each.type, each.name)


def read(given: Sequence[Mapping[str, Any]]) -> tuple[Variable, ...]:
    """Variables as they are stored; what is not said has its default."""
    return tuple(Variable(**{name: value for name, value in each.items() if value is not None}) for each in given)


def declaration_faults(variables: Sequence[Variable]) -> list[FieldError]:
    """What is wrong with declarations: a name given twice, a default or example of another type."""
    found, seen = [], set()
    for index, each in enumerate(variables):
        place = f"variables.{index}"
        if each.name in seen:
            found.append(FieldError(f"{place}.name", "duplicate", f"{each.name} is declared twice"))
        seen.add(each.name)
        fits, message = _KINDS[each.type]
        for field, value in (("default", each.default), ("example", each.example)):
            if value is not None and not fits(value):
                found.append(FieldError(f"{place}.{field}", "invalid_type", message))
    return found
