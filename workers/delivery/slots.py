"""What this process holds of each paced scope: threads at work, and leases that idle connections keep. Only counts."""

import threading

from common import clock
from workers.shell import threads


class Slots:
    """What this process holds of each scope: threads at work, and leases that idle connections keep."""

    def __init__(self) -> None:
        self._busy: dict[str, int] = {}
        self._idle: dict[str, list[tuple[float, str]]] = {}
        self._lock = threading.Lock()

    def enter(self, key: str, most: int) -> int:
        """Join those at work; answers 0, or how many there are when that is too many."""
        with self._lock:
            busy = self._busy.get(key, 0)
            if busy >= most:
                return busy
            self._busy[key] = busy + 1
            return 0

    def leave(self, key: str) -> None:
        with self._lock:
            self._busy[key] -= 1
            if not self._busy[key]:
                del self._busy[key]

    @property
    def all_busy(self) -> bool:
        """Whether every thread of this process is at paced work."""
        with self._lock:
            return sum(self._busy.values()) >= threads()

    def keep(self, key: str, lease: str, seconds: float) -> None:
        """A lease that an idle connection keeps for so long."""
        with self._lock:
            self._idle.setdefault(key, []).append((clock.monotonic() + seconds, lease))

    def idle(self, key: str) -> str | None:
        """A lease whose connection idles."""
        with self._lock:
            waiting = self._idle.get(key, [])
            while waiting:
                until, lease = waiting.pop()
                if until > clock.monotonic():
                    return lease
            self._idle.pop(key, None)
            return None
