"""A small cache with a bounded size and life, for what every request looks up. One per kind of thing."""

import threading
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from common import clock

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class Remembered(Generic[Key, Value]):
    """Values by key, each for `seconds`; at most `size` of them (the oldest go first)."""

    def __init__(self, seconds: float = 5.0, size: int = 4096) -> None:
        self._seconds, self._size = seconds, size
        self._values: dict[Key, tuple[float, Value]] = {}
        self._lock = threading.Lock()

    def get(self, key: Key, load: Callable[[], Value]) -> Value:
        """The remembered value, or `load()`; an exception is not remembered."""
        found = self._values.get(key)
        if found is not None and found[0] > clock.monotonic():
            return found[1]
        value = load()
        with self._lock:
            self._values.pop(key, None)
            while len(self._values) >= self._size:
                self._values.pop(next(iter(self._values)))
            self._values[key] = (clock.monotonic() + self._seconds, value)
        return value

    def forget(self) -> None:
        with self._lock:
            self._values.clear()
