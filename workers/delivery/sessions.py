"""Idle connections, kept for the next mails to the same place. Bounded in age, idleness, use and number.

Never here: which target a mail goes to, or what a reply means.
"""

import threading
from collections import deque

from common.clock import monotonic
from workers.delivery.smtp import Connection, Target, connect

IDLE_SECONDS = 5.0
AGE_SECONDS = 300.0
MOST_MAILS = 1000
MOST_IDLE = 20
MOST_IDLE_IN_ALL = 200


class Sessions:
    """Thread-safe. A key never mixes targets of different demands.

    A connection that nobody takes again is closed after `idle_seconds`, by a timer that runs only while
    some are idle: direct mail meets thousands of hosts once, and each would keep a socket for ever.
    """

    def __init__(self, idle_seconds: float = IDLE_SECONDS, most_mails: int = MOST_MAILS) -> None:
        self._idle_seconds, self._most_mails = idle_seconds, most_mails
        self._idle: dict[Target, deque[tuple[float, Connection]]] = {}
        self._count = 0
        self._timer: threading.Timer | None = None
        self._lock = threading.Lock()

    def take(self, target: Target) -> Connection:
        """An idle connection to this target, or a new one. Raises ConnectFailed."""
        while (found := self._pop(target)) is not None:
            since, connection = found
            if monotonic() - since < self._idle_seconds and not self._worn(connection):
                return connection
            connection.quit()
        return connect(target)

    def give_back(self, target: Target, connection: Connection) -> None:
        """Keep it for the next, unless it is worn out."""
        if connection.usable and not self._worn(connection):
            with self._lock:
                waiting = self._idle.setdefault(target, deque())
                if len(waiting) < MOST_IDLE and self._count < MOST_IDLE_IN_ALL:
                    waiting.append((monotonic(), connection))
                    self._count += 1
                    self._watch()
                    return
        connection.quit()

    def close_all(self) -> None:
        """Close what is idle; what is taken stays its taker's."""
        with self._lock:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            gone = self._older_than(float("inf"))
        for connection in gone:
            connection.quit()

    def _worn(self, connection: Connection) -> bool:
        return connection.sent_count >= self._most_mails or monotonic() - connection.opened_at > AGE_SECONDS

    def _pop(self, target: Target) -> tuple[float, Connection] | None:
        with self._lock:
            waiting = self._idle.get(target)
            if not waiting:
                return None
            self._count -= 1
            return waiting.pop()

    def _watch(self) -> None:
        if self._timer is None and self._count:
            self._timer = threading.Timer(self._idle_seconds, self._sweep)
            self._timer.daemon = True
            self._timer.start()

    def _sweep(self) -> None:
        with self._lock:
            self._timer = None
            gone = self._older_than(monotonic() - self._idle_seconds)
            self._watch()
        for connection in gone:
            connection.quit()

    def _older_than(self, moment: float) -> list[Connection]:
        """Take out what was given back before `moment`; targets without any are forgotten. Under the lock."""
        gone = []
        for target, waiting in list(self._idle.items()):
            while waiting and waiting[0][0] <= moment:
                gone.append(waiting.popleft()[1])
            if not waiting:
                del self._idle[target]
        self._count -= len(gone)
        return gone
