"""`make reset` takes nothing without the word, nothing that is in use, and leaves nothing when it is meant."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.engines import Engines
from deploy.lock import HomeLock

ROOT = Path(__file__).parents[2]


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """A home with data in it, its engines still running without an owner."""
    os.chmod(tmp_path, 0o755)
    home = tmp_path / "home"
    engines = Engines(home)
    engines.start()
    (home / "quickstart.json").write_text("{}")
    (home / "own.txt").write_text("the user's")
    yield home
    engines.stop()


def run_reset(home: Path, typed: str = "", *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "deploy.reset", *options],
        cwd=ROOT,
        env=os.environ | {"SENDARIX_HOME": str(home)},
        input=typed,
        capture_output=True,
        text=True,
        check=False,
    )


def test_reset_deletes_all_that_is_ours_and_only_when_it_may(home: Path) -> None:
    assert run_reset(home, "yes\n").returncode == 1
    assert (home / "quickstart.json").exists()

    lock = HomeLock(home)
    assert lock.take(url="")
    refused = run_reset(home, "", "--force")
    lock.release()
    assert refused.returncode == 1
    assert "Stop it first" in refused.stderr

    place = Engines(home).postgres.place  # type: ignore[union-attr]
    done = run_reset(home, "delete\n")
    assert done.returncode == 0, done.stderr
    assert [each.name for each in home.iterdir() if each.name != "lock"] == ["own.txt"]
    assert place == home or not place.exists()
    assert run_reset(home, "", "--force").returncode == 0
