"""Webhook workers are killed while their receiver flaps: is an event lost, forged or told under two ids?"""

import os
from pathlib import Path

import pytest

from tests.chaos.run import Plan, perform

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(280)]

SEED = int(os.environ.get("CHAOS_SEED", "20260419"))


def test_killed_webhook_workers_and_a_flapping_receiver_leave_events_untold(tmp_path: Path) -> None:
    """Every event at least once under one id, none that no event tells, every signature right."""
    faults = ("kill:webhooks", "flushall", "kill:webhooks", "kill:webhooks")
    plan = Plan(messages=300, kills=0, seed=SEED, faults=faults, drop=0.0, drain=150.0, webhooks=True)
    result = perform(plan, tmp_path)
    assert result.verdict.clean, result.report()
    assert result.verdict.figures["webhook calls"] >= 900, result.report()
