"""Ten random kills, a FLUSHALL and a dead PostgreSQL under load: is any mail lost, doubled or untold?

That these checks can fail is shown by `make chaos CALIBRATE=1`: five broken builds, each caught.
"""

import os
from pathlib import Path

import pytest

from tests.chaos.run import GRACEFUL_FAULTS, Plan, perform
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


def test_killed_webhook_workers_and_a_flapping_receiver_leave_events_untold(tmp_path: Path) -> None:
    """Every event at least once under one id, none that no event tells, every signature right."""
    faults = ("kill:webhooks", "flushall", "kill:webhooks", "kill:webhooks")
    plan = Plan(messages=300, kills=0, seed=SEED, faults=faults, drop=0.0, drain=150.0, webhooks=True)
    result = perform(plan, tmp_path)
    assert result.verdict.clean, result.report()
    assert result.verdict.figures["webhook calls"] >= 900, result.report()


def test_a_rolling_restart_loses_doubles_or_cuts_a_single_mail(tmp_path: Path) -> None:
    plan = Plan(messages=500, kills=0, seed=SEED, faults=GRACEFUL_FAULTS, drop=0.0, drain=120.0)
    result = perform(plan, tmp_path)
    assert result.verdict.clean, result.report()
    figures = result.verdict.figures
    assert figures["duplicates explained"] == figures["attempts unknown"] == 0, result.report()
