"""Every page of the documentation by its address, built once per process: guides, reference, errors.

Never here: HTTP (routes.py) or how a page looks (templates/docs).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from flask import Flask

from api.docs import guides, reference, texts
from api.openapi.document import document
from api.problems import FIELD_CODES, PROBLEMS, Problem

SECTIONS = ("Guides", "Reference", "Errors", "Operating", "How it is built")


@dataclass(frozen=True, slots=True)
class Page:
    """`address` is the path behind /docs/. `text` is the whole page as Markdown; `parts` are what a search finds in it:
    (anchor, title, text, more words to find it by). `hidden` keeps it out of the navigation."""

    address: str
    section: str
    title: str
    summary: str
    template: str
    text: str
    parts: tuple[tuple[str, str, str, str], ...] = ()
    values: Mapping[str, Any] = field(default_factory=dict)
    hidden: bool = False


@lru_cache(maxsize=4)
def library(app: Flask) -> dict[str, Page]:
    """Every page of this application by address, in the order of the navigation."""
    found = reference.read(document(app))
    pages = [*_guides(), *_reference(found), *_errors(found)]
    pages.sort(key=lambda page: SECTIONS.index(page.section))
    return {page.address: page for page in pages}


def _guides() -> list[Page]:
    return [
        Page(
            each.name,
            each.group,
            each.title,
            each.summary,
            "docs/guide.html",
            each.source,
            tuple((part.anchor, part.title, part.text, "") for part in each.parts),
            {"guide": each},
        )
        for each in guides.read()
    ]


def _reference(groups: list[reference.Group]) -> list[Page]:
    overview = Page(
        "reference",
        "Reference",
        "All requests",
        "Every request of the API on one page.",
        "docs/overview.html",
        texts.overview(groups),
        values={"groups": groups},
    )
    return [overview, *(_group(each) for each in groups)]


def _group(group: reference.Group) -> Page:
    return Page(
        f"reference/{group.name}",
        "Reference",
        group.title,
        group.sentence,
        "docs/group.html",
        texts.group(group),
        tuple((each.name, f"{each.method} {each.path}", each.description, each.words) for each in group.operations),
        {"group": group},
    )


def _errors(groups: list[reference.Group]) -> list[Page]:
    overview = Page(
        "errors",
        "Errors",
        "Errors",
        "Every code that an answer can carry, what it means and what to do.",
        "docs/errors.html",
        texts.errors(),
        tuple((f"field-{code}", f"Field code {code}", sentence, "") for code, sentence in FIELD_CODES.items()),
        {"problems": list(PROBLEMS.values()), "field_codes": FIELD_CODES},
    )
    return [overview, *(_error(each, groups) for each in PROBLEMS.values())]


def _error(problem: Problem, groups: list[reference.Group]) -> Page:
    raised = [each for group in groups for each in group.operations if problem.code in each.codes]
    return Page(
        f"errors/{problem.code}",
        "Errors",
        problem.code,
        problem.sentence,
        "docs/error.html",
        texts.error(problem),
        (("", f"{problem.status} {problem.code}", f"{problem.title} {problem.sentence} {problem.advice}", ""),),
        {
            "problem": problem,
            "example": texts.example_of(problem),
            "operations": raised,
            "field_codes": FIELD_CODES,
        },
        hidden=True,
    )
