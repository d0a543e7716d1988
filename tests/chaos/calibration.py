"""Calibration: builds that are broken on purpose, each with the aimed storm that must expose it.

A harness that passes everything proves nothing. Never here: the faults themselves; they are one
line each in the product, behind SENDARIX_CALIBRATION_FAULT.
"""

import tempfile
from dataclasses import replace
from pathlib import Path

from tests.chaos.run import Plan, Result, perform
from tests.chaos.verdict import AT_MOST_ONCE

_SMALL = Plan(messages=200, kills=0, faults=(), tempfail=0.0, drop=0.0, drain=25.0, delay=0.05)

AIMED: dict[str, tuple[Plan, frozenset[str]]] = {
    "no_sweeper": (replace(_SMALL, faults=("flushall", "kill:delivery")), frozenset({"R2"})),
    "commit_after_send": (replace(_SMALL, faults=("kill:delivery",) * 3), frozenset({"R5"})),
    # One message a window, so that what a frozen worker holds was not called unknown but given to others.
    "no_fencing": (
        replace(_SMALL, faults=("freeze:delivery",) * 2, guarantee=AT_MOST_ONCE, drain=45.0),
        frozenset({"R5"}),
    ),
    "cache_only_idempotency": (replace(_SMALL, faults=("kill:web",) * 2), frozenset({"R4", "R10"})),
    "early_ack": (replace(_SMALL, faults=("kill:delivery",) * 2, tempfail=10.0), frozenset({"R3"})),
}
"""Fault to its storm and the rules of which at least one must break."""


def catch(fault: str, seed: int) -> tuple[bool, Result]:
    """Run the broken build; whether an expected rule broke, and the run."""
    plan, expected = AIMED[fault]
    with tempfile.TemporaryDirectory(prefix="sdx-calibration-") as folder:
        result = perform(replace(plan, seed=seed, calibration=fault), Path(folder))
    return bool(result.verdict.rules() & expected), result


def run_all(seed: int) -> bool:
    """Every broken build and, as a control, the sound one under all aimed storms; prints a line for each."""
    held = True
    for fault, (plan, expected) in AIMED.items():
        caught, result = catch(fault, seed)
        broken = ", ".join(sorted(result.verdict.rules())) or "nothing"
        wanted = " or ".join(sorted(expected))
        print(f"{fault}: {'caught' if caught else 'NOT CAUGHT'}: broke {broken}, expected {wanted}", flush=True)
        with tempfile.TemporaryDirectory(prefix="sdx-control-") as folder:
            sound = perform(replace(plan, seed=seed, drain=90.0), Path(folder))
        print(f"  control: {'clean' if sound.verdict.clean else sound.report()}", flush=True)
        held = held and caught and sound.verdict.clean
    return held
