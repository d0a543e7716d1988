"""`python -m tests.chaos`, which is `make chaos`: runs with a storm, and prints what held and what did not."""

import argparse
import os
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.chaos import calibration
from tests.chaos.run import GRACEFUL_FAULTS, STANDARD_FAULTS, Plan, perform
from tests.chaos.verdict import AT_LEAST_ONCE, AT_MOST_ONCE


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when every rule held (or, calibrating, when every broken build was caught)."""
    options = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the formation is stopped, too
    if options.calibrate:
        return 0 if calibration.run_all(options.seed) else 1
    if options.graceful:
        options.kills, options.drop, options.fault = 0, 0.0, list(GRACEFUL_FAULTS)
    guarantees = [options.guarantee] if options.guarantee else [AT_LEAST_ONCE, AT_MOST_ONCE]
    return 0 if all([_run(options, guarantee) for guarantee in guarantees]) else 1


def _run(options: argparse.Namespace, guarantee: str) -> bool:
    plan = Plan(
        messages=options.messages,
        kills=options.kills,
        seed=options.seed,
        guarantee=guarantee,
        faults=tuple(options.fault or STANDARD_FAULTS),
        tempfail=options.tempfail,
        drop=options.drop,
        delay=options.delay,
        drain=options.drain,
        webhooks=options.webhooks,
        calibration=options.calibration,
    )
    print(f"seed {plan.seed}: {plan.command}", flush=True)
    with tempfile.TemporaryDirectory(prefix="sdx-chaos-") as folder:
        result = perform(plan, Path(folder))
    print(result.report())
    print("all rules held" if result.verdict.clean else "RULES WERE BROKEN", flush=True)
    return result.verdict.clean


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description="Kill under load, count every mail.")
    parser.add_argument("--messages", type=int, default=2000)
    parser.add_argument("--kills", type=int, default=10, help="SIGKILLs of random processes")
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(2), "big"))
    parser.add_argument("--guarantee", choices=(AT_LEAST_ONCE, AT_MOST_ONCE), help="default: one run of each")
    parser.add_argument(
        "--fault",
        action="append",
        metavar="NAME[:PROCESS][*TIMES]",
        help="flushall, kill:NAME, freeze:NAME or terminate:NAME",
    )
    parser.add_argument("--graceful", action="store_true", help="only a rolling restart with SIGTERM")
    parser.add_argument("--tempfail", type=float, default=20.0, help="percent of mails refused for now")
    parser.add_argument("--drop", type=float, default=1.0, help="percent of mails cut after the final dot")
    parser.add_argument("--delay", type=float, default=0.0, help="seconds the sink takes for each mail")
    parser.add_argument("--drain", type=float, default=240.0, help="seconds until everything must have ended")
    parser.add_argument("--webhooks", action="store_true", help="subscribe an endpoint and count its calls, too")
    parser.add_argument("--calibration", default="", help="a deliberate fault of SENDARIX_CALIBRATION_FAULT")
    parser.add_argument(
        "--calibrate", action="store_true", default=bool(os.environ.get("CALIBRATE")), help="run every broken build"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
