"""Every text of the dashboard is in every language, with the same variables, and no table holds what nobody says."""

import re
from pathlib import Path
from string import Formatter

import pytest

import api
from api.dashboard.stories import SENTENCES
from api.dashboard.words import TABLES
from common.domain.lifecycle import STATUSES
from common.domain.roles import ROLES
from common.domain.tiers import TIERS

ROOT = Path(api.__file__).parent
_SPOKEN = re.compile(r'\bt\("((?:[^"\\]|\\.)*)"(?! ~)')
_NOTED = re.compile(r'\bn\(\s*"((?:[^"\\]|\\.)*)"')
WAITS = ("hold", "delivery", "pace", "time", "retry", "routing")


def _texts() -> set[str]:
    found: set[str] = set()
    for path in (ROOT / "templates" / "dashboard").glob("*.html"):
        found.update(_SPOKEN.findall(path.read_text()))
    for path in (ROOT / "dashboard").glob("*.py"):
        found.update(_NOTED.findall(path.read_text()))
    return found | {*STATUSES, *ROLES, *TIERS, *SENTENCES.values()} | {f"Waits for: {each}" for each in WAITS}


def _variables(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}


@pytest.mark.parametrize("language", TABLES)
def test_a_text_is_not_translated(language: str) -> None:
    missing = sorted(_texts() - TABLES[language].keys())
    assert not missing, f"add to api/dashboard/{language}.json: {missing}"
    assert len(_texts()) > 200


@pytest.mark.parametrize("language", TABLES)
def test_a_translation_loses_a_variable(language: str) -> None:
    wrong = [text for text, told in TABLES[language].items() if _variables(text) != _variables(told) or not told]
    assert not wrong
