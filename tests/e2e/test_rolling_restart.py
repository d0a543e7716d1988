"""Every line is restarted in turn under load, as a deployment does: is a single mail lost, doubled or cut?"""

import os
from pathlib import Path

import pytest

from tests.chaos.run import GRACEFUL_FAULTS, Plan, perform

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(280)]

SEED = int(os.environ.get("CHAOS_SEED", "20260419"))


def test_a_rolling_restart_loses_doubles_or_cuts_a_single_mail(tmp_path: Path) -> None:
    plan = Plan(messages=500, kills=0, seed=SEED, faults=GRACEFUL_FAULTS, drop=0.0, drain=120.0)
    result = perform(plan, tmp_path)
    assert result.verdict.clean, result.report()
    figures = result.verdict.figures
    assert figures["duplicates explained"] == figures["attempts unknown"] == 0, result.report()
