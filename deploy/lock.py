"""One supervisor per home: the lock, and what the holder tells others about itself."""

import fcntl
import json
import os
from pathlib import Path
from typing import Any

from deploy.identity import make_folder


class HomeLock:
    """An exclusive lock on a home folder. It ends with the process, however that ends."""

    def __init__(self, home: Path) -> None:
        self._path = home / "run" / "supervisor.lock"
        self._descriptor: int | None = None

    def take(self, **facts: Any) -> bool:
        """Hold the lock and write `facts` and the pid for others; False when somebody else holds it."""
        make_folder(self._path.parent.parent, 0o700)
        make_folder(self._path.parent, 0o700)
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            return False
        self._descriptor = descriptor
        self.tell(**facts)
        return True

    def tell(self, **facts: Any) -> None:
        """Replace what others read."""
        assert self._descriptor is not None
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, json.dumps({"pid": os.getpid(), **facts}).encode(), 0)

    def release(self) -> None:
        if self._descriptor is not None:
            os.ftruncate(self._descriptor, 0)
            os.close(self._descriptor)
            self._descriptor = None


def lock_holder(home: Path) -> dict[str, Any] | None:
    """What the running supervisor of this home wrote, or None when none runs."""
    path = home / "run" / "supervisor.lock"
    if not path.exists():
        return None
    with path.open() as record:
        try:
            fcntl.flock(record, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            text = record.read()
            return dict(json.loads(text)) if text else {}
    return None
