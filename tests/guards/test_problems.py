"""Every code that the code can answer is listed in api/problems.py, with its status."""

import re
from pathlib import Path

import pytest

from api import create_app, errors
from api.problems import FIELD_CODES, PROBLEMS
from common.config import read_settings
from common.domain import errors as domain_errors

ROOT = Path(__file__).parents[2]
SOURCES = "\n".join(path.read_text() for room in ("api", "common") for path in sorted((ROOT / room).rglob("*.py")))
_RAISED = re.compile(
    r'(?:InvalidRequest|Unauthenticated|Forbidden|NotFound|Conflict|Unavailable|problem)\((?:[^()]|\([^()]*\))*?\bcode="([a-z_]+)"'
)
_KINDS = [
    each
    for each in vars(domain_errors).values()
    if isinstance(each, type) and issubclass(each, domain_errors.DomainError)
]


def test_a_raised_code_is_not_listed() -> None:
    found = set(_RAISED.findall(SOURCES)) | {each.code for each in _KINDS}
    assert len(found) > 20, "the search finds no codes any more"
    missing = found - PROBLEMS.keys()
    assert not missing, f"list {sorted(missing)} in api/problems.py with a sentence and what to do"


def test_a_contract_names_an_unknown_code() -> None:
    app = create_app(read_settings({}))
    for name, view in app.view_functions.items():
        unknown = set(getattr(getattr(view, "contract", None), "errors", ())) - PROBLEMS.keys()
        assert not unknown, f"{name} names {sorted(unknown)}: list it in api/problems.py"


@pytest.mark.parametrize("kind", _KINDS, ids=lambda kind: kind.__name__)
def test_a_kind_of_error_has_another_status_in_the_list(kind: type[domain_errors.DomainError]) -> None:
    assert (PROBLEMS[kind.code].status, PROBLEMS[kind.code].retryable) == (
        kind.status,
        kind.retryable or kind.status == 500,
    )


def test_the_framework_uses_a_code_of_another_status() -> None:
    for status, code in errors._FRAMEWORK.items():
        assert PROBLEMS[code].status == status


@pytest.mark.parametrize("code", PROBLEMS)
def test_a_problem_does_not_say_what_to_do(code: str) -> None:
    kind = PROBLEMS[code]
    assert re.fullmatch(r"[a-z_]+", code) and 400 <= kind.status < 600
    assert kind.sentence.endswith(".") and kind.advice.endswith(".")


def test_a_field_code_has_no_sentence() -> None:
    assert all(text.endswith(".") for text in FIELD_CODES.values())
