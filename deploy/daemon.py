"""One engine process: start, adopt, watch, stop. Knows nothing about which engine it is."""

import signal
import subprocess
import time

import psutil  # type: ignore[import-untyped]


class Daemon:
    """A process that outlives a killed supervisor and can be adopted by the next one."""

    def __init__(self) -> None:
        self._child: subprocess.Popen[bytes] | None = None
        self._adopted: psutil.Process | None = None

    @property
    def pid(self) -> int | None:
        """The process id, or None when it does not run."""
        if not self.alive():
            return None
        return self._child.pid if self._child else self._adopted.pid if self._adopted else None

    def alive(self) -> bool:
        if self._child:
            return self._child.poll() is None
        return self._adopted is not None and running(self._adopted)

    def hold(self, child: subprocess.Popen[bytes]) -> None:
        self._child, self._adopted = child, None

    def adopt(self, process: psutil.Process) -> None:
        self._child, self._adopted = None, process

    def stop(self, *steps: tuple[signal.Signals, float]) -> None:
        """Send each signal and wait its seconds, until the process has ended; SIGKILL comes last."""
        for number, seconds in (*steps, (signal.SIGKILL, 10.0)):
            pid = self.pid
            if pid is None:
                break
            try:
                psutil.Process(pid).send_signal(number)
            except psutil.NoSuchProcess:
                break
            deadline = time.monotonic() + seconds
            while self.alive() and time.monotonic() < deadline:
                time.sleep(0.01)
        self._child = self._adopted = None


def running(process: psutil.Process) -> bool:
    """Whether it is the same process as when first seen, and not a zombie."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
