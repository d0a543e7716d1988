"""The Markdown pages of the folder docs/, each with its group in the navigation. Never here: their looks."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from api.docs import markdown

FOLDER = Path(__file__).resolve().parents[2] / "docs"
_FIRST = ("quickstart", "retries", "command-line", "api", "senders", "templates", "webhooks", "events", "lifecycle")
_BUILT, _OPERATING = "How it is built", "Operating"
_GROUPS = {
    "architecture": _BUILT,
    "queueing": _BUILT,
    "howto": _BUILT,
    "decisions": _BUILT,
    "configuration": _OPERATING,
    "alerts": _OPERATING,
    "flower": _OPERATING,
    "metrics": _OPERATING,
    "monitoring": _OPERATING,
    "runbooks": _OPERATING,
}
"""A page or a folder that is for others than those who call the API."""


@dataclass(frozen=True, slots=True)
class Guide:
    name: str
    group: str
    title: str
    summary: str
    source: str
    html: Markup
    parts: tuple[markdown.Part, ...]


def read() -> list[Guide]:
    """Every guide: the first ones in their order, the others by name. None where the folder is missing."""
    return sorted(_found(), key=lambda each: (_place(each.name), "/" in each.name, each.name))


def _found() -> Iterator[Guide]:
    for path in FOLDER.rglob("*.md"):
        name = path.relative_to(FOLDER).as_posix().removesuffix(".md")
        source = path.read_text("utf-8")
        page = markdown.render(source, name)
        head = page.parts[0]
        group = _GROUPS.get(name.partition("/")[0], "Guides")
        summary = head.text.partition(". ")[0].rstrip(".:") + "."
        yield Guide(name, group, head.title, summary, source, page.html, page.parts)


def _place(name: str) -> int:
    return _FIRST.index(name) if name in _FIRST else len(_FIRST)
