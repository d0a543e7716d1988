"""`python -m tests.bench`, which is `make bench`: takes every figure in one run and prints them as a table."""

import argparse
import os
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from tests.bench.figures import show, write_json
from tests.bench.machine import busy_seconds, cpu_seconds
from tests.bench.measures import FULL, SHORT, Measures
from tests.bench.stand import Stand, TimedOut
from tests.chaos.formation import ROOT

RESULT = ROOT / "build" / "bench.json"


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when every figure could be taken (whether or not its target is met), 1 when one could not."""
    options = _parser().parse_args(arguments)
    console = Console()
    began, notes = time.monotonic(), [_surroundings()]
    busy, own = busy_seconds(), cpu_seconds(os.getpid())
    signal.signal(signal.SIGTERM, _interrupt)
    bar = Progress(
        SpinnerColumn(), TextColumn("{task.description:45}"), BarColumn(), TimeElapsedColumn(), console=console
    )
    with tempfile.TemporaryDirectory(prefix="sdx-bench-") as folder, bar:
        task = bar.add_task("starting the formation", total=None)
        with Stand(Path(folder)) as stand:
            measures = Measures(stand, FULL if options.full else SHORT, lambda text: bar.update(task, description=text))
            bar.update(task, total=len(measures.steps), completed=0)
            complete = _take(measures, options.only, bar, task)
            others = busy_seconds() - busy - (cpu_seconds(os.getpid()) - own)
            notes.append(_disturbance(others, time.monotonic() - began))
            bar.update(task, description="stopping the formation")
    notes += [*measures.notes, f"the run took {time.monotonic() - began:.0f} s"]
    show(measures.figures, console)
    for note in notes:
        console.print(f"- {note}", markup=False, highlight=False)
    if options.json:
        write_json(measures.figures, notes, options.json)
        console.print(f"- written to {options.json}", markup=False, highlight=False)
    return 0 if complete else 1


def _take(measures: Measures, only: str, bar: Progress, task: object) -> bool:
    """Every step; one that fails is noted and the others go on."""
    complete = True
    for description, step in measures.steps:
        bar.update(task, description=description)  # type: ignore[arg-type]
        if not only or step.__name__ in only.split(","):
            if measures.seconds_left <= 1.0:
                complete = False
                measures.notes.append(f"NOT MEASURED, {description}: the time of the run was up")
                continue
            try:
                step()
            except (TimedOut, RuntimeError, OSError, ValueError) as error:
                complete = False
                measures.notes.append(f"NOT MEASURED, {description}: {error}")
        bar.advance(task)  # type: ignore[arg-type]
    return complete


def _surroundings() -> str:
    load = os.getloadavg()[0]
    return f"{os.cpu_count()} cores, Python {sys.version.split()[0]}, load average before the run {load:.1f}"


def _disturbance(others: float, seconds: float) -> str:
    share = max(0.0, others) / (seconds * (os.cpu_count() or 1))
    warning = ": measure again on a quiet machine" if share > 0.1 else ""
    return f"other processes used {share:.0%} of the processors during the run{warning}"


def _interrupt(*_: object) -> None:
    """SIGTERM ends the run as Ctrl-C does: everything that was started is stopped."""
    raise KeyboardInterrupt


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="Measure throughput and latency.")
    parser.add_argument("--full", action="store_true", help="the long form: a queue of 100,000, 50,000 end to end")
    where = f"also write every figure, to {RESULT.relative_to(ROOT)} unless named"
    parser.add_argument("--json", nargs="?", type=Path, const=RESULT, metavar="PATH", help=where)
    parser.add_argument("--only", default="", metavar="STEP[,STEP]", help="otp_idle, accepts, end_to_end and so on")
    return parser


if __name__ == "__main__":
    sys.exit(main())
