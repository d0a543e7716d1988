"""The closed list of field codes holds every one that the code uses, and docs/api.md has its generated parts."""

import re
from collections.abc import Iterator
from pathlib import Path

from api.problems import FIELD_CODES
from deploy.api_page import BLOCKS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "api.md").read_text()
_USES = re.compile(r'(?:FieldError\([^,()]+,\s*|wrong\(|Note\(|refuse\([^,()]+,\s*)"([a-z_]+)"')


def _used_codes() -> Iterator[str]:
    for room in ("api", "common"):
        for path in (ROOT / room).rglob("*.py"):
            yield from _USES.findall(path.read_text())


def test_a_field_code_is_outside_the_closed_list() -> None:
    missing = set(_used_codes()) - FIELD_CODES.keys()
    assert not missing, f"use a code of FIELD_CODES in api/problems.py instead of {sorted(missing)}"


def test_a_generated_part_was_taken_out_of_the_page() -> None:
    for name in BLOCKS:
        assert PAGE.count(f"<!-- {name}: written by `make docs` -->") == 1, f"docs/api.md: put the marks of {name} back"
