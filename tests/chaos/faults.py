"""The storm: which fault strikes when, from a seed, and how it strikes.

Progress, not time, triggers a fault, so that a slow machine meets the same storm. The supervisor
itself is never killed. Never here: what must hold afterwards.
"""

import os
import random
import signal
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

import psutil  # type: ignore[import-untyped]
import redis

from tests.chaos.formation import House

PATIENCE_SECONDS = 4.0
"""How long the next fault waits for progress; a standstill must not end the storm."""

PROCESSES = (
    "delivery",
    "delivery",
    "delivery",
    "web",
    "routing",
    "retry",
    "scheduler",
    "critical",
    "webhooks",
)
"""Targets of `kill`; delivery three times, because there a death can cost or double mail."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One blow: `name` is a word of `BLOWS`, `target` a process of the formation, `at` a share of the mails."""

    at: float
    name: str
    target: str = ""

    def __str__(self) -> str:
        return f"{self.name} {self.target}".strip()


def plan_faults(seed: int, kills: int, extra: Sequence[str]) -> list[Fault]:
    """`kills` SIGKILLs of random processes and each of `extra` (`kill:web*3` is three), in order of their moment."""
    chance = random.Random(f"faults {seed}")
    faults = [Fault(chance.uniform(0.03, 0.9), "kill", chance.choice(PROCESSES)) for _ in range(kills)]
    for word in extra:
        what, _, times = word.partition("*")
        faults += [Fault(chance.uniform(0.1, 0.8), *what.split(":", 1)) for _ in range(int(times or 1))]
    return sorted(faults, key=lambda fault: fault.at)


class Storm:
    """Strikes in a thread while `progress` (0 to 1) grows; `struck` tells what was done and when."""

    def __init__(
        self, house: House, seed: int, faults: Sequence[Fault], progress: Callable[[], float], *, pause: float
    ) -> None:
        self._house, self._faults, self._progress, self._pause = house, faults, progress, pause
        self._chance = random.Random(f"storm {seed}")
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="storm", daemon=True)
        self._began = time.monotonic()
        self.struck: list[str] = []

    def __enter__(self) -> "Storm":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(60)

    def wait(self, seconds: float) -> bool:
        """Until every fault has struck; False when some did not."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _run(self) -> None:
        for fault in self._faults:
            deadline = time.monotonic() + PATIENCE_SECONDS
            while self._progress() < fault.at and time.monotonic() < deadline and not self._stop.is_set():
                self._stop.wait(0.03)
            if self._stop.is_set():
                return
            self._strike(fault)

    def _strike(self, fault: Fault) -> None:
        done = BLOWS[fault.name](self, fault.target)
        self.struck.append(f"{time.monotonic() - self._began:6.2f} s  {fault}{'' if done else ' (not running)'}")

    def _pid(self, target: str) -> int | None:
        """The pid of a running process by name; waits a little for one that is being restarted."""
        deadline = time.monotonic() + 5.0
        while time.monotonic() < deadline:
            pid = self._house.pids().get(target)
            if pid is not None and psutil.pid_exists(pid):
                return pid
            time.sleep(0.05)
        return None

    def kill(self, target: str) -> bool:
        """SIGKILL one process; of the web server sometimes only one of its workers."""
        pid = self._pid(target)
        if pid is None:
            return False
        with suppress(ProcessLookupError, psutil.Error):
            children = psutil.Process(pid).children() if target == "web" else []
            if children and self._chance.random() < 0.5:
                pid = self._chance.choice(children).pid
            os.kill(pid, signal.SIGKILL)
            return True
        return False

    def freeze(self, target: str) -> bool:
        """SIGSTOP for longer than a lease, then SIGCONT."""
        pid = self._pid(target)
        if pid is None:
            return False
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
            self._stop.wait(self._pause)
            os.kill(pid, signal.SIGCONT)
            return True
        return False

    def flush(self, _: str) -> bool:
        """FLUSHALL: every ticket is gone."""
        with suppress(redis.RedisError):
            client = redis.Redis.from_url(self._house.redis_url, socket_timeout=5)
            client.flushall()
            client.close()
            return True
        return False

    def terminate(self, target: str) -> bool:
        """SIGTERM, as a rolling restart does."""
        pid = self._pid(target)
        if pid is None:
            return False
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
            return True
        return False


BLOWS: dict[str, Callable[[Storm, str], bool]] = {
    "kill": Storm.kill,
    "freeze": Storm.freeze,
    "flushall": Storm.flush,
    "terminate": Storm.terminate,
}
