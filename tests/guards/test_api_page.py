"""docs/api.md names every route, and its closed list holds every field code that the code uses."""

import re
from collections.abc import Iterator
from pathlib import Path

from api import create_app
from common.config import read_settings

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "api.md").read_text()
_USES = re.compile(r'(?:FieldError\([^,()]+,\s*|wrong\(|Note\(|refuse\([^,()]+,\s*)"([a-z_]+)"')


def _used_codes() -> Iterator[str]:
    for room in ("api", "common"):
        for path in (ROOT / room).rglob("*.py"):
            yield from _USES.findall(path.read_text())


def test_a_field_code_is_outside_the_closed_list() -> None:
    listed = PAGE.partition("The `code` of a field is one of:")[2].partition("\n\n")[0]
    missing = set(_used_codes()) - set(re.findall(r"`([a-z_]+)`", listed))
    assert not missing, f"use a code of the closed list in docs/api.md instead of {sorted(missing)}"


def test_a_route_is_not_documented() -> None:
    app = create_app(read_settings({}))
    for rule in app.url_map.iter_rules():
        if not rule.rule.startswith(("/v1", "/healthz", "/readyz")):
            continue
        base = rule.rule.partition("/<")[0]
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
            assert f"`{method} {base}" in PAGE, f"docs/api.md: add `{method} {rule.rule}` to the table of requests"
