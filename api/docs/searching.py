"""The search over the documentation: every word must be found; titles count more than texts. Never here: HTML."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from flask import Flask

from api.docs.library import Page, library

MOST = 20
LONGEST_QUERY = 100
_WORD = re.compile(r"[a-z0-9_@./-]+")
_AROUND = 70
_WEIGHTS = {"Operating": 0.6, "How it is built": 0.4}
"""What few look for comes behind what many do."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A place: `name` and `text` are lower case, for matching; `words` are what stands there."""

    address: str
    title: str
    page: str
    words: str
    name: str
    text: str
    weight: float


@dataclass(frozen=True, slots=True)
class Hit:
    address: str
    title: str
    page: str
    excerpt: str


@lru_cache(maxsize=4)
def entries(app: Flask) -> list[Entry]:
    """Every place that can be found."""
    return [entry for page in library(app).values() for entry in _entries(page)]


def _entries(page: Page) -> Iterable[Entry]:
    for anchor, title, text, more in page.parts:
        address = f"/docs/{page.address}" + (f"#{anchor}" if anchor else "")
        yield Entry(
            address,
            title,
            page.title,
            text,
            f"{title} {page.title}".lower(),
            f"{text} {more}".lower(),
            _WEIGHTS.get(page.section, 1.0),
        )


def search(app: Flask, query: str) -> list[Hit]:
    """The best places for a query, best first; none for an empty one."""
    words = _WORD.findall(query[:LONGEST_QUERY].lower())
    if not words:
        return []
    scored = [(_score(entry, words), place, entry) for place, entry in enumerate(entries(app))]
    best = sorted(((-score, place, entry) for score, place, entry in scored if score), key=lambda each: each[:2])
    return [Hit(each.address, each.title, each.page, _excerpt(each, words)) for _, _, each in best[:MOST]]


def _score(entry: Entry, words: list[str]) -> float:
    total = 20 if entry.title.lower() == " ".join(words) else 0
    for word in words:
        score = 8 * _weight(entry.name, word) + min(entry.text.count(word), 3) + _weight(entry.text, word)
        if not score:
            return 0
        total += score
    return total * entry.weight


def _weight(text: str, word: str) -> int:
    """3 for a whole word, 2 for the beginning of one, 1 for a part of one, 0 where it is missing."""
    place = text.find(word)
    if place < 0:
        return 0
    starts = re.search(rf"(?<![a-z0-9_]){re.escape(word)}", text)
    if starts is None:
        return 1
    after = text[starts.end() : starts.end() + 1]
    return 2 if after.isalnum() or after == "_" else 3


def _excerpt(entry: Entry, words: list[str]) -> str:
    place = max(0, min((at for at in (entry.text.find(word) for word in words) if at >= 0), default=0) - _AROUND)
    text = entry.words[place : place + 3 * _AROUND]
    text = text.replace("`", "")
    return ("… " if place else "") + text + (" …" if place + 3 * _AROUND < len(entry.words) else "")
