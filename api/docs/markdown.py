"""Markdown to HTML: headings get anchors, links between pages lead to their addresses.

Never here: which pages exist.
"""

import posixpath
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup

_COMMENT = re.compile(r"<!--.*?-->\n*", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Part:
    """What stands under one heading: its text, for the search and for the list of contents."""

    anchor: str
    title: str
    level: int
    text: str


@dataclass(frozen=True, slots=True)
class Rendered:
    html: Markup
    parts: tuple[Part, ...]


def _table_open(*_: Any) -> str:
    return '<div class="scroll"><table>\n'


def _table_close(*_: Any) -> str:
    return "</table></div>\n"


@lru_cache(maxsize=1)
def _reader() -> MarkdownIt:
    reader = MarkdownIt("commonmark", {"html": False}).enable("table")
    reader.renderer.rules |= {"table_open": _table_open, "table_close": _table_close}  # type: ignore[attr-defined]
    return reader


def inline(text: str) -> Markup:
    """A sentence with `code` and links."""
    return Markup(_reader().renderInline(text))  # noqa: S704 -- HTML is off in the reader


def block(text: str) -> Markup:
    """Paragraphs."""
    return Markup(_reader().render(text))  # noqa: S704


def render(source: str, name: str) -> Rendered:
    """A whole page. `name` is its address behind /docs/: links in it are relative to that."""
    tokens = _reader().parse(_COMMENT.sub("", source))
    parts = tuple(_parts(tokens))
    for token in _every(tokens):
        if token.type == "link_open":
            token.attrs["href"] = _address(str(token.attrs["href"]), name)
    return Rendered(Markup(_reader().renderer.render(tokens, _reader().options, {})), parts)  # noqa: S704


def _parts(tokens: list[Token]) -> Iterator[Part]:
    """Give every heading its anchor, and tell what stands under it."""
    anchors: set[str] = set()
    starts = [place for place, token in enumerate(tokens) if token.type == "heading_open"]
    for start, end in zip(starts, [*starts[1:], len(tokens)], strict=True):
        title = plain(tokens[start + 1])
        anchor = _anchor(title, anchors)
        tokens[start].attrs["id"] = anchor
        text = " ".join(plain(each) for each in tokens[start + 2 : end])
        yield Part(anchor, title, int(tokens[start].tag[1:]), " ".join(text.split()))


def _anchor(title: str, taken: set[str]) -> str:
    base = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-") or "part"
    anchor, number = base, 2
    while anchor in taken:
        anchor, number = f"{base}-{number}", number + 1
    taken.add(anchor)
    return anchor


def plain(token: Token) -> str:
    """The words of a token without marks."""
    if token.children:
        return "".join(" " if each.type == "softbreak" else each.content for each in token.children)
    return token.content


def _every(tokens: Sequence[Token]) -> Iterator[Token]:
    for token in tokens:
        yield token
        yield from _every(token.children or ())


def _address(target: str, name: str) -> str:
    path, mark, anchor = target.partition("#")
    if not path.endswith(".md") or "://" in path or path.startswith("/"):
        return target
    inside = posixpath.normpath(posixpath.join(posixpath.dirname(name), path))
    return f"/docs/{inside.removesuffix('.md')}{mark}{anchor}"
