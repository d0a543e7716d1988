"""What changed between two sources of a template, part by part, as unified text. Never here: SQL."""

import difflib
from collections.abc import Mapping
from typing import Any

import orjson

MOST_LINES = 2_000
"""Of a part that is compared line by line; a longer one is told as replaced."""


def compare(before: Mapping[str, Any], after: Mapping[str, Any], old: str, new: str) -> dict[str, str]:
    """The unified diff of each part that differs, by name; a locale's part is `locales.ja.html`."""
    olds, news = _parts(before), _parts(after)
    found = {}
    for name in sorted(olds.keys() | news.keys()):
        if olds.get(name) != news.get(name):
            found[name] = _unified(olds.get(name, ""), news.get(name, ""), f"{name} ({old})", f"{name} ({new})")
    return found


def _parts(source: Mapping[str, Any]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in source.items():
        if name == "locales":
            found |= {f"locales.{tag}.{part}": text for tag, own in value.items() for part, text in _parts(own).items()}
        elif value is not None:
            public = {"sender": "from", "tier": "priority"}.get(name, name)
            found[public] = value if isinstance(value, str) else _written(value)
    return found


def _written(value: Any) -> str:
    return orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS).decode()


def _unified(before: str, after: str, old: str, new: str) -> str:
    olds, news = before.splitlines(), after.splitlines()
    if len(olds) > MOST_LINES or len(news) > MOST_LINES:
        return f"--- {old}\n+++ {new}\n@@ -1,{len(olds)} +1,{len(news)} @@ too long to compare line by line\n"
    lines = difflib.unified_diff(olds, news, old, new, lineterm="")
    return "".join(f"{line}\n" for line in lines)
