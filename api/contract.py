"""What a route takes and answers, attached to its view as data: the OpenAPI document is built from it.

It costs a request nothing: no wrapper, no check. Never here: reading requests (query.py, body.py) or the document.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from marshmallow import Schema

View = TypeVar("View", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter: its name, a sentence, and what it takes as JSON Schema of one value.

    `id_of` is the prefix of the ids that a variable of the path takes. `keyed` makes it a family: `name[key]=value`.
    """

    name: str
    sentence: str
    schema: Mapping[str, Any] = field(default_factory=lambda: {"type": "string"})
    repeatable: bool = False
    required: bool = False
    id_of: str = ""
    keyed: bool = False


@dataclass(frozen=True, slots=True)
class Media:
    """A body that is not JSON (text/csv, text/plain, …), and what it is in one sentence."""

    type: str
    sentence: str


Shape = type[Schema] | Media | tuple[type[Schema], Media] | None
Taken = type[Schema] | Media | tuple[Media, ...] | None


@dataclass(frozen=True, slots=True)
class Contract:
    """`answers` maps each status of success to its shape, None for an empty body; a pair is JSON, or else a medium."""

    answers: Mapping[int, Shape]
    takes: Taken = None
    query: tuple[Parameter, ...] = ()
    errors: tuple[str, ...] = ()
    path: Mapping[str, Parameter] = field(default_factory=dict)


def contract(
    *,
    answers: Mapping[int, Shape],
    takes: Taken = None,
    query: tuple[Parameter, ...] = (),
    errors: tuple[str, ...] = (),
    path: Mapping[str, Parameter] | None = None,
) -> Callable[[View], View]:
    """Attach the contract of a view, under `@scope` or `@public`.

    `errors` names the codes (problems.py) of this route alone. What every route shares is added by the
    document: 401, 403 and 429 with a scope, 400, 413, 415 and 422 with a body, 400 with a query, 404 with
    an id in the path, 500 and 503 always. `path` describes a variable of the path that is not a plain id.
    """

    def attach(view: View) -> View:
        view.contract = Contract(answers, takes, query, errors, path or {})  # type: ignore[attr-defined]
        return view

    return attach
