"""Idle connections, kept for the next mails to the same place. Bounded in age, idleness and use."""

import threading
from collections import deque

from common.clock import monotonic
from workers.delivery.smtp import Connection, Target, connect

IDLE_SECONDS = 5.0
AGE_SECONDS = 300.0
MOST_MAILS = 1000
MOST_IDLE = 20


class Sessions:
    """Thread-safe. A key never mixes targets of different demands."""

    def __init__(self) -> None:
        self._idle: dict[Target, deque[tuple[float, Connection]]] = {}
        self._lock = threading.Lock()

    def take(self, target: Target) -> Connection:
        """An idle connection to this target, or a new one. Raises ConnectFailed."""
        while (found := self._pop(target)) is not None:
            since, connection = found
            if monotonic() - since < IDLE_SECONDS:
                return connection
            connection.quit()
        return connect(target)

    def give_back(self, target: Target, connection: Connection) -> None:
        """Keep it for the next, unless it is worn out."""
        worn = connection.sent_count >= MOST_MAILS or monotonic() - connection.opened_at > AGE_SECONDS
        with self._lock:
            waiting = self._idle.setdefault(target, deque())
            if connection.usable and not worn and len(waiting) < MOST_IDLE:
                waiting.append((monotonic(), connection))
                return
        connection.quit()

    def close_all(self) -> None:
        with self._lock:
            everything = [connection for waiting in self._idle.values() for _, connection in waiting]
            self._idle.clear()
        for connection in everything:
            connection.quit()

    def _pop(self, target: Target) -> tuple[float, Connection] | None:
        with self._lock:
            waiting = self._idle.get(target)
            return waiting.pop() if waiting else None
