"""Every line of the delivery checklist (delivery.md 3.2) is a test that bears its number."""

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
_NUMBERED = re.compile(r"def test_(\d\d)_")
FOUND = {int(each) for path in TESTS.rglob("test_*.py") for each in _NUMBERED.findall(path.read_text())}


@pytest.mark.parametrize("line", range(1, 44))
def test_a_line_of_the_checklist_is_no_test(line: int) -> None:
    assert line in FOUND, f"write a test named test_{line:02}_… of what line {line} forbids"
