"""The reference and the error pages as Markdown, for machines and for copying: `<address>.md`, /llms.txt.

Never here: guides, which are Markdown already.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from api.docs.fields import Row
from api.docs.reference import Group, Operation
from api.docs.samples import pretty
from api.openapi import parts
from api.problems import FIELD_CODES, PROBLEMS, Problem


def example_of(problem: Problem) -> str:
    """The body of an answer with this code."""
    return pretty(parts.problem(problem.code))


def overview(groups: Iterable[Group]) -> str:
    """Every request as one table."""
    lines = ["# All requests", "", "| request | scope | what it does |", "| --- | --- | --- |"]
    for group in groups:
        for each in group.operations:
            link = f"[`{each.method} {each.path}`](/docs/reference/{group.name}#{each.name})"
            lines.append(f"| {link} | {each.scope or 'none'} | {_cell(each.summary)} |")
    return "\n".join(lines) + "\n"


def group(told: Group) -> str:
    """A group with every operation in full."""
    return "\n".join(
        [f"# {told.title}", "", told.sentence, *(line for each in told.operations for line in _lines(each))]
    )


def _lines(told: Operation) -> Iterator[str]:
    yield from ("", f"## {told.method} {told.path}", "", told.description, "")
    yield f"Scope: `{told.scope}`" if told.scope else "No key needed."
    if told.parameters:
        yield from ("", "Parameters:", "", *(f"- in {place}: {_row(row)}" for place, row in told.parameters))
    if told.body:
        yield from ("", "Body:", "", *(f"- {_row(row)}" for row in told.body))
    if told.body_sentence:
        yield from ("", f"Body: {told.body_sentence}")
    for each in told.requests:
        yield from ("", "```sh", each.languages["curl"], "```")
    for answer in told.answers:
        yield from ("", f"Answer {answer.status}: {answer.sentence}")
        if answer.example:
            yield from ("", "```json", answer.example, "```")
    yield from ("", "Errors: " + ", ".join(f"{PROBLEMS[code].status} `{code}`" for code in told.codes))


def _row(row: Row) -> str:
    needed = ", required" if row.required else ""
    limits = f"; {row.limits}" if row.limits else ""
    return f"`{row.name}` ({row.kind}{needed}{limits}): {row.sentence}".rstrip(": ")


def errors() -> str:
    """Every code as one table, and the codes of fields."""
    lines = ["# Errors", "", "| status | code | what happened | what to do |", "| --- | --- | --- | --- |"]
    lines += [f"| {each.status} | `{each.code}` | {each.sentence} | {each.advice} |" for each in PROBLEMS.values()]
    lines += ["", "## Field codes", "", "| code | meaning |", "| --- | --- |"]
    lines += [f"| `{code}` | {sentence} |" for code, sentence in FIELD_CODES.items()]
    return "\n".join(lines) + "\n"


def error(problem: Problem) -> str:
    """One code: cause, fix, example."""
    again = "The same request may work later." if problem.retryable else "The same request fails again."
    lines = [
        f"# {problem.status} {problem.code}",
        "",
        f"Cause: {problem.sentence}",
        "",
        f"Fix: {problem.advice}",
        "",
        again,
    ]
    return "\n".join([*lines, "", "```json", example_of(problem), "```", ""])


def index(pages: Iterable[Any], introduction: str) -> str:
    """/llms.txt: where each page is, in the form that llmstxt.org describes."""
    lines, section = ["# Sendarix", "", f"> {introduction}"], ""
    for page in pages:
        if page.section != section:
            section = page.section
            lines += ["", f"## {section}", ""]
        lines.append(f"- [{page.title}](/docs/{page.address}.md): {page.summary}")
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
