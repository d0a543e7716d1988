"""The parts of docs/api.md that the code holds: every request, every code of an error, every code of a field.

Never here: the prose between them, which is written in the page.
"""

import re
from collections.abc import Callable
from pathlib import Path

from api import create_app
from api.docs import reference
from api.openapi.document import document
from api.problems import FIELD_CODES, PROBLEMS
from common.config import read_settings

_BLOCK = re.compile(r"(<!-- (\w+): written by `make docs` -->\n).*?(<!-- end -->)", re.DOTALL)


def refresh(page: Path) -> str:
    """The page with its generated blocks written anew."""
    return _BLOCK.sub(lambda found: f"{found[1]}{BLOCKS[found[2]]()}{found[3]}", page.read_text())


def requests() -> str:
    """A table of every request."""
    lines = ["| request | scope | answers |", "| --- | --- | --- |"]
    for group in reference.read(document(create_app(read_settings({})))):
        for each in group.operations:
            statuses = " or ".join(answer.status for answer in each.answers)
            scope = f"`{each.scope}`" if each.scope else "public"
            summary = each.summary if each.summary.startswith(statuses) else f"{statuses}: {each.summary}"
            lines.append(f"| `{each.method} {each.path}` | {scope} | {_cell(summary)} |")
    return "\n".join(lines) + "\n"


def errors() -> str:
    """A table of every code that an answer can carry."""
    lines = ["| status | code | what happened | what to do |", "| --- | --- | --- | --- |"]
    lines += [
        f"| {each.status} | `{each.code}`{', retryable' if each.retryable else ''} | {_cell(each.sentence)} | "
        f"{_cell(each.advice)} |"
        for each in PROBLEMS.values()
    ]
    return "\n".join(lines) + "\n"


def fields() -> str:
    """A table of every code that an entry of `errors` can carry."""
    lines = ["| code | meaning |", "| --- | --- |"]
    return "\n".join([*lines, *(f"| `{code}` | {_cell(text)} |" for code, text in FIELD_CODES.items())]) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


BLOCKS: dict[str, Callable[[], str]] = {"requests": requests, "errors": errors, "fields": fields}
