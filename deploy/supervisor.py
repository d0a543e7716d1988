"""Formation: starts every Procfile line, restarts what dies, stops all. Knows no product word.

Each process leads its own session, so a Ctrl-C in the terminal reaches only the supervisor, and each gets
SIGTERM on its own pid, so that nothing below it is cut in the middle of its work.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import psutil  # type: ignore[import-untyped]

from deploy.engines import EngineError, Engines
from deploy.identity import make_folder
from deploy.logs import LogWatch, rotate_log
from deploy.priority import give_way

MARK = "SUPERVISED_HOME"
DRAIN_SECONDS = 30.0
_TICK = 0.1
_STABLE_SECONDS = 30.0
_BACKOFF = (0.0, 0.5, 1.0, 2.0, 4.0)

Say = Callable[[str, str], None]


def read_procfile(path: Path) -> dict[str, str]:
    """Process name to command, without `release` (it runs once, before the others)."""
    lines = {}
    for line in path.read_text().splitlines():
        name, colon, command = line.partition(":")
        if colon and not name.lstrip().startswith("#") and name.strip() != "release":
            lines[name.strip()] = command.strip()
    return lines


def sweep_leftovers(home: Path) -> int:
    """End the processes an earlier supervisor of this home left behind; returns how many there were."""
    left = [process for process in psutil.process_iter() if _belongs(process, home)]
    for process in left:
        with suppress(psutil.Error):
            process.terminate()
    _, stubborn = psutil.wait_procs(left, timeout=10)
    for process in stubborn:
        with suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(stubborn, timeout=5)
    return len(left)


def _belongs(process: psutil.Process, home: Path) -> bool:
    try:
        return bool(process.environ().get(MARK) == str(home))
    except (psutil.Error, OSError):
        return False


class _Line:
    """One Procfile line and the process that runs it now."""

    def __init__(self, name: str, command: str, log: Path) -> None:
        self.name, self.command, self.log = name, command, log
        self.child: subprocess.Popen[bytes] | None = None
        self.deaths = 0
        self.started = 0.0
        self.due = 0.0
        self.watch = LogWatch(log)

    def start(self, environ: Mapping[str, str], root: Path) -> int:
        rotate_log(self.log)
        self.watch = LogWatch(self.log)
        with self.log.open("ab") as log:
            self.child = subprocess.Popen(
                ["/bin/sh", "-c", f"exec {self.command}"],
                cwd=root,
                env=dict(environ),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.started = time.monotonic()
        give_way(self.child.pid, self.command)
        return self.child.pid

    def bury(self) -> str:
        """Forget a dead process, end what it left in its group; returns how it ended."""
        assert self.child is not None
        code, pid = self.child.returncode, self.child.pid
        _kill_group(pid)
        self.child = None
        if time.monotonic() - self.started > _STABLE_SECONDS:
            self.deaths = 0
        self.due = time.monotonic() + _BACKOFF[min(self.deaths, len(_BACKOFF) - 1)]
        self.deaths += 1
        return f"signal {-code}" if code < 0 else f"exit code {code}"


def _kill_group(pid: int) -> None:
    with suppress(OSError):
        os.killpg(pid, signal.SIGKILL)


class _Guardian:
    """The pipe to the process that cleans up when this one is killed."""

    def __init__(self) -> None:
        self._child: subprocess.Popen[str] | None = None

    def keep(self, pids: list[int]) -> None:
        """Start it if it does not run, and tell it about these processes."""
        if self._child is None or self._child.poll() is not None:
            self._child = subprocess.Popen(
                [sys.executable, "-I", "-S", str(Path(__file__).with_name("guardian.py"))],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
                text=True,
            )
            for pid in pids:
                self.tell("+", pid)

    def tell(self, sign: str, pid: int) -> None:
        if self._child and self._child.stdin:
            with suppress(OSError):
                self._child.stdin.write(f"{sign}{pid}\n")
                self._child.stdin.flush()

    def close(self) -> None:
        if self._child and self._child.stdin:
            with suppress(OSError):
                self._child.stdin.close()
            self._child.wait()
        self._child = None


class Formation:
    """All processes of a Procfile, and the engines if given, kept alive until `stop`.

    `environ` is the whole environment of the processes; `say(name, text)` receives each line for the console.
    """

    def __init__(
        self,
        procfile: Path,
        home: Path,
        environ: Mapping[str, str],
        *,
        engines: Engines | None = None,
        say: Say = lambda _name, _text: None,
    ) -> None:
        self._root = procfile.absolute().parent
        self._home = home.absolute()
        self._record = self._home / "run" / "processes.json"
        self._environ = {**environ, MARK: str(self._home)}
        self._engines, self._say = engines, say
        logs = self._home / "logs"
        self._lines = [_Line(name, command, logs / f"{name}.log") for name, command in read_procfile(procfile).items()]
        self._guardian = _Guardian()
        self._stopping, self._hurry = threading.Event(), threading.Event()
        self._threads: list[threading.Thread] = []
        self._recorded: dict[str, int] = {}
        self._recording = threading.Lock()

    @property
    def pids(self) -> dict[str, int]:
        """Name to pid of everything that runs, the engines included."""
        pids = dict(self._engines.pids) if self._engines else {}
        return pids | {line.name: line.child.pid for line in self._lines if line.child}

    def start(self) -> None:
        """Start the watch; processes come up in its first round. The engines must run already."""
        make_folder(self._record.parent, 0o711)
        self._stopping.clear()
        self._threads = [threading.Thread(target=self._watch_lines, name="lines", daemon=True)]
        if self._engines:
            self._threads.append(threading.Thread(target=self._watch_engines, name="engines", daemon=True))
        for thread in self._threads:
            thread.start()

    def stop(self, drain: float = DRAIN_SECONDS) -> None:
        """SIGTERM to each process, up to `drain` seconds, SIGKILL to the groups; then the engines."""
        self._stopping.set()
        for thread in self._threads:
            thread.join()
        children = {line.name: line.child for line in self._lines if line.child}
        for child in children.values():
            with suppress(OSError):
                child.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + drain
        while time.monotonic() < deadline and not self._hurry.is_set():
            if all(child.poll() is not None for child in children.values()):
                break
            time.sleep(0.02)
        for name, child in children.items():
            if child.poll() is None:
                self._say(name, "did not stop in time; killed")
            _kill_group(child.pid)
            child.wait()
            self._guardian.tell("-", child.pid)
        for line in self._lines:
            line.child = None
        self._guardian.close()
        if self._engines:
            self._engines.stop()
        self._record.unlink(missing_ok=True)

    def hurry(self) -> None:
        """End a running `stop` without waiting for the rest of the drain."""
        self._hurry.set()

    def _watch_lines(self) -> None:
        while not self._stopping.is_set():
            self._guardian.keep([line.child.pid for line in self._lines if line.child])
            for line in self._lines:
                self._mind(line)
            self._write_record()
            self._stopping.wait(_TICK)

    def _mind(self, line: _Line) -> None:
        if line.child and line.child.poll() is not None:
            pid = line.child.pid
            how = line.bury()
            self._guardian.tell("-", pid)
            self._say(line.name, f"died ({how}); restarting")
        if line.child is None and time.monotonic() >= line.due and not self._stopping.is_set():
            self._guardian.tell("+", line.start(self._environ, self._root))
        for text in line.watch.trouble():
            self._say(line.name, text)

    def _watch_engines(self) -> None:
        assert self._engines is not None
        while not self._stopping.wait(_TICK):
            try:
                for name in self._engines.ensure_alive():
                    self._say(name, "had died; it runs again")
            except (EngineError, OSError) as error:
                self._say("engines", str(error))
                self._stopping.wait(1.0)

    def _write_record(self) -> None:
        with self._recording:
            pids = self.pids
            if pids != self._recorded:
                draft = self._record.with_suffix(".draft")
                draft.write_text(json.dumps(pids, indent=2) + "\n")
                draft.replace(self._record)
                self._recorded = pids
