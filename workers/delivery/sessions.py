"""Idle connections, kept for the next mails to the same place. Bounded in age, idleness, use and number.

Never here: which target a mail goes to, or what a reply means.
"""

import threading
from collections import deque
from collections.abc import Hashable

from common.clock import monotonic
from workers.delivery.smtp import Connection, Target, TlsMemory, connect

IDLE_SECONDS = 5.0
"""Of a relay; a mailbox provider says itself (common/domain/providers.py). Also how often idle ones are looked at."""

AGE_SECONDS = 300.0
MOST_IDLE = 20
MOST_IDLE_IN_ALL = 200


class Sessions:
    """Thread-safe. Only connections with equal `Target.reuse_key` are shared.

    A connection that nobody takes again is closed after its target's `idle_seconds`, by a timer that runs only
    while some are idle: direct mail meets thousands of hosts once, and each would keep a socket for ever.
    """

    def __init__(self, memory: TlsMemory | None = None, *, look_seconds: float = IDLE_SECONDS) -> None:
        self._look_seconds, self._memory = look_seconds, memory
        self._idle: dict[Hashable, deque[tuple[float, Connection]]] = {}
        self._count = 0
        self._timer: threading.Timer | None = None
        self._lock = threading.Lock()

    def take(self, target: Target) -> Connection:
        """An idle connection to this target, or a new one. Raises ConnectFailed."""
        return self.take_idle(target) or connect(target, memory=self._memory)

    def take_idle(self, target: Target) -> Connection | None:
        """An idle connection to this target, or None."""
        while (found := self._pop(target.reuse_key)) is not None:
            until, connection = found
            if monotonic() < until and not _worn(connection):
                connection.session.target = target
                return connection
            connection.quit()
        return None

    def give_back(self, connection: Connection) -> None:
        """Keep it for the next, unless it is worn out."""
        if connection.usable and not _worn(connection):
            with self._lock:
                waiting = self._idle.setdefault(connection.asked_for, deque())
                if len(waiting) < MOST_IDLE and self._count < MOST_IDLE_IN_ALL:
                    waiting.append((monotonic() + connection.target.idle_seconds, connection))
                    self._count += 1
                    self._watch()
                    return
        connection.quit()

    def close_one(self, source: str, place: str) -> None:
        """Close an idle connection of a source to a site or provider, if there is one."""
        with self._lock:
            leading = [each for each in self._idle.values() if each and _leads(each[0][1], source, place)]
            connection = leading[0].pop()[1] if leading else None
            self._count -= connection is not None
        if connection is not None:
            connection.quit()

    def close_all(self) -> None:
        """Close what is idle; what is taken stays its taker's."""
        with self._lock:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            gone = self._over_at(float("inf"))
        for connection in gone:
            connection.quit()

    def _pop(self, key: Hashable) -> tuple[float, Connection] | None:
        with self._lock:
            waiting = self._idle.get(key)
            if not waiting:
                return None
            self._count -= 1
            return waiting.pop()

    def _watch(self) -> None:
        if self._timer is None and self._count:
            self._timer = threading.Timer(self._look_seconds, self._sweep)
            self._timer.daemon = True
            self._timer.start()

    def _sweep(self) -> None:
        with self._lock:
            self._timer = None
            gone = self._over_at(monotonic())
            self._watch()
        for connection in gone:
            connection.quit()

    def _over_at(self, moment: float) -> list[Connection]:
        """Take out what may not idle beyond `moment`; keys without any are forgotten. Under the lock."""
        gone = []
        for key, waiting in list(self._idle.items()):
            while waiting and waiting[0][0] <= moment:
                gone.append(waiting.popleft()[1])
            if not waiting:
                del self._idle[key]
        self._count -= len(gone)
        return gone


def _leads(connection: Connection, source: str, place: str) -> bool:
    target = connection.target
    return target.key == source and place in (target.provider, target.site)


def _worn(connection: Connection) -> bool:
    """Time bounds reuse more than counts do: a low count alone sends most connections to the slowest host."""
    return connection.session.exhausted or monotonic() - connection.opened_at > AGE_SECONDS
