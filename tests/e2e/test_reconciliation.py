"""Ten random kills, a FLUSHALL and a dead PostgreSQL under load: is any mail lost, doubled or untold?

That these checks can fail is shown by `make chaos CALIBRATE=1`: five broken builds, each caught.
"""

import os
from pathlib import Path

import pytest

from tests.chaos.run import Plan, perform
from tests.chaos.verdict import AT_LEAST_ONCE

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(280)]

SEED = int(os.environ.get("CHAOS_SEED", "20260419"))


def test_a_storm_loses_doubles_or_leaves_untold(tmp_path: Path) -> None:
    """`make chaos` runs more of them, under both guarantees."""
    faults = ("flushall", "kill:postgres")
    plan = Plan(messages=2000, kills=10, seed=SEED, guarantee=AT_LEAST_ONCE, faults=faults, drain=200.0)
    result = perform(plan, tmp_path)
    assert result.verdict.clean, result.report()
    assert len(result.struck) == 12, result.report()
