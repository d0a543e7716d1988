"""What could go wrong with the embedded engines: paths, crashes, leftovers."""

import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest
import redis

from deploy.daemon import running
from deploy.engines import Engines


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "a home with spaces"


@pytest.fixture
def engines(home: Path) -> Iterator[Engines]:
    pair = Engines(home)
    pair.start()
    yield pair
    pair.discard()


def _rows(engines: Engines) -> list[tuple[int]]:
    with psycopg.connect(engines.database_url) as connection:
        return connection.execute("SELECT n FROM kept ORDER BY n").fetchall()


def _write(engines: Engines) -> None:
    with psycopg.connect(engines.database_url) as connection:
        connection.execute("CREATE TABLE kept (n int)")
        connection.execute("INSERT INTO kept VALUES (1), (2)")


def test_what_was_committed_survives_kill_9_and_a_second_start(home: Path, engines: Engines) -> None:
    _write(engines)
    store = redis.Redis.from_url(engines.redis_url)
    store.set("kept", "yes")
    for pid in engines.pids.values():
        os.kill(pid, signal.SIGKILL)
    while engines.pids:
        time.sleep(0.01)
    assert sorted(engines.ensure_alive()) == ["postgres", "valkey"]
    assert _rows(engines) == [(1,), (2,)]
    engines.stop()
    engines.start()
    assert _rows(engines) == [(1,), (2,)]
    assert redis.Redis.from_url(engines.redis_url).get("kept") == b"yes"


def test_stop_leaves_no_process(engines: Engines) -> None:
    started = [psutil.Process(pid) for pid in engines.pids.values()]
    started += [child for process in started for child in process.children(recursive=True)]
    assert len(started) > 2
    engines.stop()
    assert not [process for process in started if running(process)]
    assert engines.pids == {}


def test_a_second_owner_adopts_instead_of_starting_again(home: Path, engines: Engines) -> None:
    other = Engines(home)
    other.start()
    assert other.pids == engines.pids
    assert other.ensure_alive() == []


def test_a_pid_file_that_names_a_stranger_does_not_block_the_start(home: Path, engines: Engines) -> None:
    _write(engines)
    assert engines.postgres is not None
    data = engines.postgres.data
    record = (data / "postmaster.pid").read_text()
    engines.stop()
    stranger = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        lines = [str(stranger.pid), *record.splitlines()[1:]]
        (data / "postmaster.pid").write_text("\n".join(lines) + "\n")
        engines.start()
        assert _rows(engines) == [(1,), (2,)]
        assert stranger.poll() is None
    finally:
        stranger.communicate(b"\n")


def test_nothing_listens_on_tcp_and_the_sockets_are_private(engines: Engines) -> None:
    for pid in engines.pids.values():
        assert psutil.Process(pid).net_connections("inet") == []
    folder = Path(engines.redis_url.removeprefix("unix://").partition("?")[0]).parent
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_commits_wait_for_the_disk(engines: Engines) -> None:
    with psycopg.connect(engines.database_url) as connection:
        for name, wanted in {"fsync": "on", "synchronous_commit": "on", "jit": "off"}.items():
            row = connection.execute("SELECT current_setting(%s)", [name]).fetchone()
            assert row == (wanted,)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root must drop its rights")
def test_root_runs_only_postgres_as_somebody_else(engines: Engines) -> None:
    pids = engines.pids
    assert psutil.Process(pids["postgres"]).uids().real != 0
    assert psutil.Process(pids["valkey"]).uids().real == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root needs another place")
def test_a_home_behind_a_closed_folder_keeps_its_data_and_the_folder_stays_closed(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    first = Engines(closed / "home")
    try:
        first.start()
        _write(first)
        first.stop()
        second = Engines(closed / "home")
        second.start()
        assert _rows(second) == [(1,), (2,)]
        second.stop()
        assert stat.S_IMODE(closed.stat().st_mode) == 0o700
    finally:
        first.discard()
    assert first.postgres is not None
    assert not first.postgres.place.exists()
