"""The HTML of a template while tags still stand in it: CSS put into its elements, a text part made from it.

A parser of HTML would move or lose the tags, so each is hidden in something that stays where it is, and
put back afterwards. What does not come back as it went in is given up, never guessed. Never here: MJML.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from html.parser import HTMLParser

from css_inline import CSSInliner, InlineError
from inscriptis import get_text
from inscriptis.css_profiles import STRICT_CSS_PROFILE
from inscriptis.model.config import ParserConfig

from common.domain.template_bounds import pieces

_TOKEN = re.compile(r"<!--sdx(\d+)x-->|sdx(\d+)[xy](?:=\"\")?")
_IN_TEXT = re.compile(r"sdx(\d+)y")
_WORD = re.compile(r"\{%[-+]?\s*([a-z]+)")
_OPENERS = ("if", "for", "with", "filter", "autoescape", "set")
_LINK = re.compile(r"\[([^\[\]\n]*)\]\(([^()\s]+)\)")
# A table of a mail is its layout, and a loop over rows has no place between them: rows become blocks.
_ROW = re.compile(r"<(/?)(?:table|caption|thead|tbody|tfoot|tr)\b", re.I)
_CELL = re.compile(r"<(/?)(?:td|th)\b", re.I)
_CELL_END = re.compile(r"</(?:td|th)\s*>", re.I)
_STYLE = re.compile(r"<style\b", re.I)
_RAW_ELEMENTS = ("style", "script", "title", "textarea")
_OPEN = re.compile(r"<([A-Za-z][A-Za-z0-9-]*)")
_BLOCKS_ALONE = re.compile(r"^[ \t]*((?:\{%(?:[^%]|%(?!\}))*%\}[ \t]*)+)\n", re.M)
_OPTIONAL_ENDS = frozenset({"p", "li", "td", "th", "tr", "tbody", "thead", "tfoot", "option", "dd", "dt", "colgroup"})
_ADDED = frozenset({"html", "head", "body", "tbody", "colgroup"})
_INLINER = CSSInliner(load_remote_stylesheets=False, keep_style_tags=True, keep_link_tags=True)


@dataclass(frozen=True, slots=True)
class Hidden:
    """A source with its tags hidden; `styled` are the numbers of those inside a style element."""

    html: str
    tags: tuple[str, ...]
    styled: frozenset[int]

    def restore(self, html: str) -> str:
        """The tags in place of what hides them."""
        return _TOKEN.sub(lambda found: self.tags[int(found[1] or found[2])], html)


class _Place:
    """Where in the HTML a reader of the source stands: text, a tag, a quoted value, a comment, a raw element."""

    def __init__(self) -> None:
        self.name, self.element, self.last = "text", "", ""

    def read(self, text: str) -> None:
        at = 0
        while at < len(text):
            at = getattr(self, f"_{self.name}")(text, at)
        self.last = text[-1:] or self.last

    def _text(self, text: str, at: int) -> int:
        start = text.find("<", at)
        if start < 0:
            return len(text)
        if text.startswith("<!--", start):
            self.name = "comment"
            return start + 4
        opened = _OPEN.match(text, start)
        self.element = opened[1].lower() if opened else ""
        if opened or text.startswith(("</", "<!"), start):
            self.name = "tag"
        return opened.end() if opened else start + 1

    def _tag(self, text: str, at: int) -> int:
        found = re.compile(r"[>\"']").search(text, at)
        if found is None:
            return len(text)
        if found[0] == ">":
            self.name = "raw" if self.element in _RAW_ELEMENTS else "text"
        else:
            self.name = "double" if found[0] == '"' else "single"
        return found.end()

    def _until(self, text: str, at: int, end: str, then: str) -> int:
        found = text.find(end, at)
        if found < 0:
            return len(text)
        self.name = then
        return found + len(end)

    def _double(self, text: str, at: int) -> int:
        return self._until(text, at, '"', "tag")

    def _single(self, text: str, at: int) -> int:
        return self._until(text, at, "'", "tag")

    def _comment(self, text: str, at: int) -> int:
        return self._until(text, at, "-->", "text")

    def _raw(self, text: str, at: int) -> int:
        found = re.compile(rf"</{self.element}", re.I).search(text, at)
        if found is None:
            return len(text)
        self.name, self.element = "tag", ""
        return found.end()


class _Hiding:
    """Goes through a source and hides its tags; a conditional attribute is hidden as a whole."""

    def __init__(self, in_text: str) -> None:
        self._in_text, self._place = in_text, _Place()
        self._found: list[str] = []
        self._tags: list[str] = []
        self._styled: set[int] = set()
        self._depth, self._held = 0, ""

    def take(self, is_tag: bool, piece: str) -> None:
        if self._depth:
            self._hold(is_tag, piece)
        elif not is_tag:
            self._place.read(piece)
            self._found.append(piece)
        elif self._place.name == "tag" and piece.startswith("{%"):
            self._hold(is_tag, piece)
        else:
            self._hide(piece)

    def _hold(self, is_tag: bool, piece: str) -> None:
        self._held += piece
        if is_tag and (word := _WORD.match(piece)):
            self._depth += 1 if word[1] in _OPENERS else -1 if word[1].startswith("end") else 0
        if self._depth <= 0:
            self._depth = 0
            self._hide(self._held)
            self._held = ""

    def _hide(self, piece: str) -> None:
        number, place = len(self._tags), self._place
        self._tags.append(piece)
        if place.name == "raw" and place.element == "style":
            self._styled.add(number)
        if place.name == "text":
            self._found.append(self._in_text.format(number))
        elif place.name == "tag" and (piece.startswith("{%") or place.last.isspace()):
            self._found.append(f' sdx{number}x="" ')
        else:
            self._found.append(f"sdx{number}x")
        place.last = "x"

    def done(self) -> Hidden:
        return Hidden("".join([*self._found, self._held]), tuple(self._tags), frozenset(self._styled))


def hide(source: str, *, in_text: str = "<!--sdx{}x-->") -> Hidden:
    """The source with each tag hidden: in text as `in_text`, in a value as a word, in a tag as an attribute."""
    hiding = _Hiding(in_text)
    for is_tag, piece in pieces(source):
        hiding.take(is_tag, piece)
    return hiding.done()


class _Outline(HTMLParser):
    """The start tags of a document with the names of their attributes, and how many end tags it has."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.starts: list[tuple[str, list[str]]] = []
        self.ends: Counter[str] = Counter()

    def handle_starttag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        if tag not in _ADDED:
            self.starts.append((tag, sorted(name for name, _ in attrs if name != "style")))

    def handle_endtag(self, tag: str) -> None:
        if tag not in _ADDED and tag not in _OPTIONAL_ENDS:
            self.ends[tag] += 1


def _outline(html: str) -> tuple[list[tuple[str, list[str]]], Counter[str]]:
    parser = _Outline()
    parser.feed(html)
    parser.close()
    return parser.starts, parser.ends


def inline_css(source: str) -> str | None:
    """The source with the rules of its style elements put into the elements they are for; the style stays as well.

    None when that cannot be done without changing the document: style that is made by `{% %}`, or an element
    that is opened twice in branches and closed once. Nothing is ever loaded.
    """
    if not _STYLE.search(source):
        return source
    hidden = hide(source)
    if any(hidden.tags[number].startswith("{%") for number in hidden.styled):
        return None
    try:
        done = _INLINER.inline(hidden.html)
    except InlineError:
        return None
    if _outline(hidden.html) != _outline(done) or not _same_tags(hidden, done):
        return None
    if "<tbody" not in hidden.html.lower():  # one would open inside a loop over rows and close outside
        done = done.replace("<tbody>", "").replace("</tbody>", "")
    return hidden.restore(done)


def _same_tags(hidden: Hidden, html: str) -> bool:
    """Whether each hidden tag is there once, and those of text in order; those of styles are copied."""
    found = [each for each in _TOKEN.finditer(html) if int(each[1] or each[2]) not in hidden.styled]
    wanted = [number for number in range(len(hidden.tags)) if number not in hidden.styled]
    in_text = [int(each[1]) for each in found if each[1]]
    return sorted(int(each[1] or each[2]) for each in found) == wanted and in_text == sorted(in_text)


def text_of(source: str) -> str | None:
    """A text part made from the HTML of a template, its tags in place; None when they do not stay in order."""
    hidden = hide(source, in_text="sdx{}y")
    flat = _CELL.sub(r"<\1span", _CELL_END.sub(r"\g<0> ", _ROW.sub(r"<\1div", hidden.html)))

    def link(found: re.Match[str]) -> str:
        same = hidden.restore(found[1]).strip() == hidden.restore(found[2])
        return found[1] if same else f"{found[1]} ({found[2]})"

    plain = _LINK.sub(link, get_text(flat, ParserConfig(display_links=True, css=STRICT_CSS_PROFILE)))
    seen = [int(each) for each in _IN_TEXT.findall(plain)]
    if seen != sorted(set(seen)):
        return None
    lines = [line.rstrip() for line in hidden.restore(plain).strip().splitlines()]
    text = re.sub(r"\n{3,}", "\n\n", "\n".join(lines)) + "\n"
    # A line of blocks alone leaves no line of its own.
    return _BLOCKS_ALONE.sub(r"\1", text)
