"""`make run` in a folder of its own, as a child: engines, Procfile processes, keys and pids.

Stops everything at the end and can tell whether a process was left. Never here: faults.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import psutil  # type: ignore[import-untyped]

from deploy.lock import lock_holder

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 150.0
_OWN = "SENDARIX_"


class House:
    """One running formation; a context manager. `settings` are names without SENDARIX_, in lower case."""

    def __init__(self, settings: Mapping[str, object] | None = None) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="sdx-house-")
        os.chmod(self._folder.name, 0o755)
        self.home = Path(self._folder.name) / "home"
        given = {f"{_OWN}{name.upper()}": str(value) for name, value in (settings or {}).items()}
        ports = {f"{_OWN}{name}_PORT": "0" for name in ("API", "MAILBOX", "SMTP", "INBOUND")}
        inherited = {name: text for name, text in os.environ.items() if not name.startswith(_OWN)}
        self._environ = inherited | ports | given | {f"{_OWN}HOME": str(self.home)}
        self.facts: dict[str, Any] = {}
        self._child: subprocess.Popen[bytes] | None = None
        self._console: IO[bytes] | None = None

    def __enter__(self) -> "House":
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self) -> None:
        """Blocks until quickstart.json is there. Raises RuntimeError with the console's text."""
        console = Path(self._folder.name) / "console.log"
        self._console = console.open("ab")
        self._child = subprocess.Popen(
            [sys.executable, "-m", "deploy.local"],
            cwd=ROOT,
            env=self._environ,
            stdin=subprocess.DEVNULL,
            stdout=self._console,
            stderr=self._console,
            start_new_session=True,
        )
        ready = self.home / "quickstart.json"
        deadline = time.monotonic() + START_SECONDS
        while not ready.exists():
            if self._child.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the formation does not start:\n{console.read_text()[-4000:]}")
            time.sleep(0.05)
        self.facts = json.loads(ready.read_text())

    def stop(self, seconds: float = 60.0) -> None:
        """SIGTERM to the supervisor, as Ctrl-C would; waits for it."""
        if self._child is not None and self._child.poll() is None:
            self._child.send_signal(signal.SIGTERM)
            try:
                self._child.wait(seconds)
            except subprocess.TimeoutExpired:
                self._child.kill()
                self._child.wait(10)

    def close(self) -> None:
        """Stop, and remove the folder."""
        self.stop()
        if self._console is not None:
            self._console.close()
        self._folder.cleanup()

    @property
    def database_url(self) -> str:
        return str(self._addresses()["database_url"])

    @property
    def redis_url(self) -> str:
        return str(self._addresses()["redis_url"])

    def _addresses(self) -> dict[str, Any]:
        return lock_holder(self.home) or {}

    def pids(self) -> dict[str, int]:
        """Name to pid of everything the supervisor keeps alive, the engines included."""
        record = self.home / "run" / "processes.json"
        found: dict[str, int] = json.loads(record.read_text())
        return found

    def family(self) -> dict[int, str]:
        """Every living process of this house: pid to command line. Empty after a clean stop."""
        found = {}
        for process in psutil.process_iter():
            try:
                ours = process.environ().get(f"{_OWN}HOME") == str(self.home)
                named = any(str(self.home) in part for part in process.cmdline())
                if (ours or named) and process.status() != psutil.STATUS_ZOMBIE:
                    found[process.pid] = " ".join(process.cmdline())[:200]
            except psutil.Error:
                continue
        return found
