"""A small cache with a bounded size and life, for what every request looks up. One per kind of thing."""

import threading
from collections.abc import Callable, Hashable, Iterable, Mapping
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

    def get_many(self, keys: Iterable[Key], load: Callable[[list[Key]], Mapping[Key, Value]]) -> dict[Key, Value]:
        """The remembered values, the others from one `load`; a key that `load` does not answer is left out."""
        wanted = list(dict.fromkeys(keys))
        now = clock.monotonic()
        found = {key: value for key in wanted if (value := self._values.get(key)) is not None and value[0] > now}
        missing = [key for key in wanted if key not in found]
        answers = {key: each[1] for key, each in found.items()}
        if missing:
            loaded = load(missing)
            for key in loaded:
                answers[key] = self.get(key, lambda key=key: loaded[key])  # type: ignore[misc]
        return answers

    def forget(self) -> None:
        with self._lock:
            self._values.clear()
