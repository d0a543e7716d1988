"""What a template source may not hold, because the engine's fuel would not bound it. Read tag by tag, as it does.

Never here: rendering (templates.py).
"""

import re
from collections.abc import Iterator
from functools import lru_cache

MAX_SOURCE = 256 * 1024
MAX_TAG = 2_000
"""Characters of a tag: an expression nests in the engine's stack as deep as it is long."""
MAX_ELIFS = 200
"""In one source, for the same reason."""
_OPENING = re.compile(r"\{#|\{\{|\{%")
_RAW = re.compile(r"\{%[-+]?\s*raw\s*[-+]?%\}")
_END_RAW = re.compile(r"\{%[-+]?\s*endraw\s*[-+]?%\}")
_STRING = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"", re.S)
_FILTER = re.compile(r"\|\s*([A-Za-z_][A-Za-z0-9_]*)|(?:\{%[-+]?|^)\s*filter\s+([A-Za-z_][A-Za-z0-9_]*)")
_ELIF = re.compile(r"\{%[-+]?\s*elif\b")
# A name or a subscript that is called, but no keyword before a bracket, and no filter with arguments.
_CALL = re.compile(
    r"(?<![|\w.])\s*(?!(?:if|elif|in|and|or|not|is|else)\b)[A-Za-z_][\w.]*\s*\(|[\])]\s*\(|\.\s*\w+\s*\("
)
_LITERAL = re.compile(r"(?:^|[=(,|:~+\-<>!\[{]|\b(?:in|if|elif|else|or|and|not|is))\s*[\[{]\s*[^\s\]}]")
_PIECE = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|.", re.S)


class SourceError(ValueError):
    """The source cannot be bounded; the text says what to change."""


def filters_in(source: str) -> set[str]:
    """The names of the filters that a source uses. Raises SourceError."""
    found: set[str] = set()
    for start, end in _code(source):
        found |= set(_filters_of(_STRING.sub("''", source[start:end])))
    return found


def check_source(source: str) -> None:
    """Refuse what could not be bounded. Raises SourceError."""
    if len(source.encode()) > MAX_SOURCE:
        raise SourceError(f"is over {MAX_SOURCE // 1024} KiB: shorten it")
    elifs = 0
    for start, end in _code(source):
        if end - start > MAX_TAG:
            raise SourceError(f"has a tag of over {MAX_TAG} characters: split it")
        elifs += bool(_ELIF.match(source, start))
    if elifs > MAX_ELIFS:
        raise SourceError(f"has more than {MAX_ELIFS} elif: choose before sending")


@lru_cache(maxsize=1024)
def escapes_fuel(*sources: str | None) -> bool:
    """Whether anything in the sources is not surely bounded by fuel: the engine charges after the work is done.

    What surely is: plain values, operators, blocks, and the filters of _BOUNDED. What may not be: a call, which
    may build a value out of copies of itself, a list or an object made of variables, and filters that read all of
    one for a single unit of fuel.
    """
    return any(_escapes(source) for source in sources if source is not None)


def _escapes(source: str) -> bool:
    try:
        for start, end in _code(source):
            tag = _STRING.sub("''", source[start:end])[2:-2].strip("-+ ")
            if any(name not in _BOUNDED for name in _filters_of(tag)):
                return True
            if _CALL.search(tag.replace("range(", "").replace("loop.cycle(", "")) or _LITERAL.search(tag):
                return True
    except SourceError:
        pass  # check_source says so
    return False


_BOUNDED = frozenset(
    ("abs", "bool", "capitalize", "count", "d", "default", "e", "escape", "first", "float", "format", "indent", "int")
    + ("join", "last", "length", "lower", "replace", "round", "safe", "string", "title", "trim", "truncate", "upper")
    + ("urlencode",)
)


def _filters_of(tag: str) -> list[str]:
    return [name for pair in _FILTER.findall(tag) for name in pair if name]


def _code(source: str) -> Iterator[tuple[int, int]]:
    """Where each `{{ }}` and `{% %}` stands that is run: no comment, nothing raw."""
    return (
        (start, end)
        for start, end in tags(source)
        if not source.startswith("{#", start) and not _RAW.match(source, start)
    )


def tags(source: str) -> Iterator[tuple[int, int]]:
    """Where each `{{ }}`, `{% %}` and `{# #}` begins and ends; what is raw is text. Raises SourceError."""
    at = 0
    while (opening := _OPENING.search(source, at)) is not None:
        if opening[0] == "{#":
            end = source.find("#}", opening.end())
            at = end + 2 if end >= 0 else -1
        elif (raw := _RAW.match(source, opening.start())) is not None:
            closing = _END_RAW.search(source, raw.end())
            at = closing.end() if closing is not None else -1
        else:
            at = _end_of_tag(source, opening.end(), "}}" if opening[0] == "{{" else "%}")
        if at < 0:
            return  # never closed: the parser says so
        yield opening.start(), at


def pieces(source: str) -> Iterator[tuple[bool, str]]:
    """The source in pieces: (whether it is a tag, text)."""
    at = 0
    for start, end in tags(source):
        if start > at:
            yield False, source[at:start]
        yield True, source[start:end]
        at = end
    yield False, source[at:]


def _end_of_tag(source: str, start: int, closing: str) -> int:
    """Where the tag ends, read as the engine does: past strings and nested brackets. Raises SourceError on `*`."""
    depth = 0
    for piece in _PIECE.finditer(source, start):
        if depth == 0 and source.startswith(closing, piece.start()):
            return piece.start() + len(closing)
        if piece[0] == "*":
            raise SourceError("uses `*` inside a tag, which is not offered: compute it before sending")
        if piece[0] in ("{", "[", "("):
            depth += 1
        elif piece[0] in ("}", "]", ")"):
            depth = max(0, depth - 1)
    return -1
