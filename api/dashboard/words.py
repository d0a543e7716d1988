"""The words of the dashboard: English stands in the templates, every other language in a table by it (ja.json).

tests/unit/api/test_dashboard_words.py holds every table to the templates. Never here: who reads which language.
"""

from pathlib import Path

import orjson

LANGUAGES = {"en": "English", "ja": "日本語"}
TABLES: dict[str, dict[str, str]] = {
    language: orjson.loads((Path(__file__).parent / f"{language}.json").read_bytes())
    for language in LANGUAGES
    if language != "en"
}


def speak(language: str, text: str, **given: object) -> str:
    """`text` in a language; English where its table lacks it. `{name}` is filled from `given`."""
    found = TABLES.get(language, {}).get(text, text)
    return found.format(**given) if given else found


def noted(text: str) -> str:
    """A text of Python code that is spoken later: marked, so that the test finds it."""
    return text
