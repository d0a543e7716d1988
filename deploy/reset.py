"""`make reset`: delete the local data, after a typed confirmation, never while it is in use."""

import argparse
import shutil
import sys
from pathlib import Path

from common.config import read_settings
from deploy.engines import Engines
from deploy.identity import POINTER
from deploy.local import home_of
from deploy.lock import HomeLock, lock_holder

_WORD = "delete"
_OURS = ("pg", "valkey", "logs", "run", "secrets", "quickstart.json", POINTER)


def reset(home: Path) -> list[Path]:
    """Stop engines without an owner, delete what we made in `home`; returns what was deleted."""
    engines = Engines(home)
    engines.stop()
    assert engines.postgres is not None
    place = engines.postgres.place
    doomed = [home / name for name in _OURS] + list(home.glob("postgresql-*"))
    if place != home:
        doomed.append(place)
    deleted = [path for path in doomed if path.exists()]
    for path in deleted:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    return deleted


def main() -> int:
    """Exit code 0 when the data is gone, 1 when refused."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--force", action="store_true", help="do not ask")
    options = parser.parse_args()
    home = home_of(read_settings())
    if not home.is_dir():
        print(f"Nothing to delete: {home} does not exist.")
        return 0
    lock = HomeLock(home)
    if not lock.take(url=""):
        pid = (lock_holder(home) or {}).get("pid", "unknown")
        print(f"Sendarix runs on {home} (pid {pid}). Stop it first.", file=sys.stderr)
        return 1
    try:
        if not options.force:
            print(f"This deletes every message, key and log under {home}. Type {_WORD} to go on: ", end="", flush=True)
            if sys.stdin.readline().strip() != _WORD:
                print("Nothing was deleted.")
                return 1
        for path in reset(home):
            print(f"deleted {path}")
    finally:
        lock.release()
    return 0


if __name__ == "__main__":
    sys.exit(main())
