"""docs/lifecycle.md draws the code: every arrow is on the page, and the page has no other."""

import re
from pathlib import Path

from common.domain.lifecycle import TRANSITIONS

PAGE = (Path(__file__).parents[2] / "docs" / "lifecycle.md").read_text()


def test_the_table_lists_a_transition_that_the_code_does_not_have() -> None:
    assert _table() == {
        name: (
            arrow.number,
            ", ".join(arrow.origins) or "–",
            arrow.to,
            f"`{arrow.event}`" if arrow.event else "–",
            "yes" if arrow.leased else "no",
            arrow.who,
        )
        for name, arrow in TRANSITIONS.items()
    }, "docs/lifecycle.md: make the rows of 'Every transition' say what TRANSITIONS in common/domain/lifecycle.py says"


def test_the_diagram_draws_an_arrow_that_the_code_does_not_have() -> None:
    code = {(origin, arrow.to, name) for name, arrow in TRANSITIONS.items() for origin in arrow.origins or ("[*]",)}
    drawn = set(re.findall(r"^ {4}(\S+) --> (\S+): (\S+)$", PAGE, re.MULTILINE))
    assert not code - drawn, f"docs/lifecycle.md: draw these arrows: {sorted(code - drawn)}"
    assert not drawn - code, f"docs/lifecycle.md: no transition does this, remove the arrows: {sorted(drawn - code)}"


def _table() -> dict[str, tuple[str, ...]]:
    lines = [line for line in PAGE.splitlines() if re.match(r"\| `\w+` \| T\d", line)]
    found = {}
    for line in lines:
        name, *cells = [cell.strip() for cell in line.strip("|").split("|")]
        found[name.strip("`")] = tuple(cells)
    return found
