"""What could go wrong with the supervisor, seen with a made-up Procfile."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from deploy.daemon import running
from deploy.supervisor import Formation, read_procfile, sweep_leftovers

_PARENT = "import subprocess,time; subprocess.Popen(['sleep','600']); time.sleep(600)"
_PROCFILE = f"""\
# a comment: never a process
release: exit 7
steady: sleep 600
parent: {sys.executable} -c "{_PARENT}"
"""


def wait_until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition never came true"
        time.sleep(0.02)


@pytest.fixture
def procfile(tmp_path: Path) -> Path:
    path = tmp_path / "Procfile"
    path.write_text(_PROCFILE)
    return path


@pytest.fixture
def formation(procfile: Path, tmp_path: Path) -> Iterator[Formation]:
    made = Formation(procfile, tmp_path / "home", os.environ)
    made.start()
    wait_until(lambda: len(made.pids) == 2)
    yield made
    made.stop(drain=5)


def _group(pid: int) -> list[psutil.Process]:
    leader = psutil.Process(pid)
    return [leader, *leader.children(recursive=True)]


def _recorded(home: Path) -> dict[str, int]:
    try:
        return dict(json.loads((home / "run" / "processes.json").read_text()))
    except FileNotFoundError:
        return {}


def test_release_and_comments_never_run(procfile: Path) -> None:
    assert list(read_procfile(procfile)) == ["steady", "parent"]


def test_what_dies_is_back_at_once_and_its_children_do_not_linger(formation: Formation, tmp_path: Path) -> None:
    old = formation.pids["parent"]
    wait_until(lambda: len(_group(old)) == 2)
    family = _group(old)
    began = time.monotonic()
    os.kill(old, signal.SIGKILL)
    wait_until(lambda: formation.pids.get("parent", old) != old)
    assert time.monotonic() - began < 2
    wait_until(lambda: not any(running(process) for process in family))
    wait_until(lambda: _recorded(tmp_path / "home") == formation.pids)


def test_a_process_that_cannot_run_is_retried_slower_and_slower(tmp_path: Path) -> None:
    (tmp_path / "Procfile").write_text("broken: sh -c 'exit 3'\n")
    said: list[str] = []
    formation = Formation(
        tmp_path / "Procfile", tmp_path / "home", os.environ, say=lambda name, text: said.append(f"{name} {text}")
    )
    formation.start()
    wait_until(lambda: len(said) >= 3)
    formation.stop()
    assert said[0] == "broken died (exit code 3); restarting"
    assert len(said) < 10


def test_stop_leaves_no_process(formation: Formation) -> None:
    wait_until(lambda: len(_group(formation.pids["parent"])) == 2)
    everything = [process for pid in formation.pids.values() for process in _group(pid)]
    formation.stop(drain=5)
    assert not [process for process in everything if running(process)]
    assert formation.pids == {}


def test_a_process_that_ignores_sigterm_is_killed_after_the_drain(tmp_path: Path) -> None:
    (tmp_path / "Procfile").write_text("deaf: sh -c 'trap \"\" TERM; touch deaf; while :; do sleep 1; done'\n")
    formation = Formation(tmp_path / "Procfile", tmp_path / "home", os.environ)
    formation.start()
    wait_until((tmp_path / "deaf").exists)
    pid = formation.pids["deaf"]
    formation.stop(drain=0.3)
    assert not psutil.pid_exists(pid)


_SUPERVISE = """
import os, sys, threading
from pathlib import Path
from deploy.daemon import running
from deploy.supervisor import Formation
formation = Formation(Path(sys.argv[1]), Path(sys.argv[2]), os.environ)
formation.start()
threading.Event().wait()
"""


def test_a_killed_supervisor_leaves_no_process(procfile: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    supervisor = subprocess.Popen([sys.executable, "-c", _SUPERVISE, str(procfile), str(home)])
    try:
        wait_until(lambda: len(_recorded(home)) == 2)
        pids = _recorded(home)
        wait_until(lambda: len(_group(pids["parent"])) == 2)
        everything = [process for pid in pids.values() for process in _group(pid)]
    finally:
        supervisor.kill()
        supervisor.wait()
    wait_until(lambda: not any(running(process) for process in everything))


def test_what_an_earlier_supervisor_left_is_swept(tmp_path: Path) -> None:
    left = subprocess.Popen(["sleep", "600"], env={**os.environ, "SUPERVISED_HOME": str(tmp_path)})
    other = subprocess.Popen(["sleep", "600"], env={**os.environ, "SUPERVISED_HOME": f"{tmp_path}-other"})
    try:
        assert sweep_leftovers(tmp_path) == 1
        assert not psutil.pid_exists(left.pid)
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


@pytest.mark.skipif(not Path("/proc/self/autogroup").exists(), reason="this kernel does not group sessions")
def test_a_line_under_nice_gives_way_only_within_its_own_session(procfile: Path, tmp_path: Path) -> None:
    procfile.write_text("patient: nice -n 5 sleep 600\nurgent: sleep 600\n")
    formation = Formation(procfile, tmp_path / "home", os.environ)
    formation.start()
    try:
        wait_until(lambda: len(formation.pids) == 2)
        values = {name: Path(f"/proc/{pid}/autogroup").read_text().split()[-1] for name, pid in formation.pids.items()}
        assert values == {"patient": "5", "urgent": "0"}
    finally:
        formation.stop(drain=5)
