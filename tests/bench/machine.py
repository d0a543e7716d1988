"""CPU seconds and memory of processes, and stopping them for a while, by pid. Never here: figures."""

import os
import signal
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

STAGES = {
    "web": "accept (web)",
    "routing": "routing",
    "delivery": "delivery",
    "critical": "delivery",
    "retry": "retry",
    "webhooks": "webhooks",
    "webhooks-slow": "webhooks",
    "scheduler": "scheduler",
    "postgres": "PostgreSQL",
    "valkey": "Valkey",
}


def family(pid: int) -> list[psutil.Process]:
    """A process and everything below it; empty when it has gone."""
    with suppress(psutil.Error):
        top = psutil.Process(pid)
        return [top, *top.children(recursive=True)]
    return []


def cpu_seconds(pid: int) -> float:
    """User and system time of a process and everything below it, ended children included."""
    total = 0.0
    for process in family(pid):
        with suppress(psutil.Error):
            times = process.cpu_times()
            total += times.user + times.system + times.children_user + times.children_system
    return total


def cpu_by_stage(pids: Mapping[str, int]) -> dict[str, float]:
    """Seconds so far, summed by stage; processes without a stage are left out."""
    found: dict[str, float] = {}
    for name, pid in pids.items():
        if name in STAGES:
            found[STAGES[name]] = found.get(STAGES[name], 0.0) + cpu_seconds(pid)
    return found


def pss_bytes(pids: Iterable[int]) -> int:
    """Proportional memory: what the processes and everything below them would give back."""
    seen = {process.pid for pid in pids for process in family(pid)}
    total = 0
    for pid in seen:
        with suppress(OSError):
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1]) * 1024
    return total


def busy_seconds() -> float:
    """CPU seconds the whole machine has spent on anything since it started."""
    times = psutil.cpu_times()
    return float(times.user + times.nice + times.system + times.irq + times.softirq)


@contextmanager
def paused(pids: Iterable[int]) -> Iterator[None]:
    """Stop processes with SIGSTOP and let them go on afterwards, so that a queue can gather."""
    stopped = list(pids)
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in stopped:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
