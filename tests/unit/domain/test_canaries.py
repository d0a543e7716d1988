"""When a canary has proved itself or has done harm."""

import pytest

from common.domain.canaries import Counts, Guardrails, judge

RAILS = Guardrails(deferrals=0.05, bounces=0.02, least_messages=50)


@pytest.mark.parametrize(
    ("canary", "base", "over", "verdict"),
    [
        (Counts(49, 49, 49), Counts(1000), True, "go_on"),
        (Counts(50, 3, 0), Counts(1000), False, "roll_back"),
        (Counts(50, 2, 0), Counts(1000), False, "go_on"),
        (Counts(50, 2, 0), Counts(1000), True, "promote"),
        (Counts(100, 34, 0), Counts(1000, 300), True, "promote"),
        (Counts(100, 0, 3), Counts(1000), True, "roll_back"),
        (Counts(100, 0, 3), Counts(), True, "roll_back"),
        (Counts(100, 0, 4), Counts(100, 0, 3), False, "go_on"),
    ],
)
def test_a_verdict_is_wrong(canary: Counts, base: Counts, over: bool, verdict: str) -> None:
    assert judge(canary, base, RAILS, over=over)[0] == verdict
