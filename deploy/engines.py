"""Both embedded engines as one thing. Several may live in one process; there is no global state."""

import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

from deploy.locator import EngineError
from deploy.postgres import Postgres
from deploy.valkey import Valkey

__all__ = ["EngineError", "Engines"]


class _Engine(Protocol):
    name: str

    @property
    def pid(self) -> int | None: ...
    def alive(self) -> bool: ...
    def start(self) -> None: ...
    def stop(self) -> None: ...


class Engines:
    """PostgreSQL and Valkey under one home folder, on private sockets.

    `postgres=False` or `valkey=False` leaves that engine out (an outside server is used instead).
    """

    def __init__(self, home: Path, *, postgres: bool = True, valkey: bool = True) -> None:
        self.home = home.absolute()
        self.postgres = Postgres(self.home) if postgres else None
        self.valkey = Valkey(self.home) if valkey else None

    @property
    def database_url(self) -> str:
        """`postgresql://postgres@/sendarix?host=<folder>`; empty when PostgreSQL is left out."""
        return self.postgres.url if self.postgres else ""

    @property
    def redis_url(self) -> str:
        """`unix://<socket>?db=0`; empty when Valkey is left out."""
        return self.valkey.url if self.valkey else ""

    @property
    def pids(self) -> dict[str, int]:
        """Name of each running engine and its process id."""
        return {engine.name: pid for engine in self._all() if (pid := engine.pid) is not None}

    def start(self) -> None:
        """Start both, at the same time; adopts what already runs. Raises EngineError."""
        self._each([engine.start for engine in self._all()])

    def stop(self) -> None:
        """Stop PostgreSQL, then Valkey. What does not run is left alone."""
        for engine in self._all():
            engine.stop()

    def discard(self) -> None:
        """Stop both and delete PostgreSQL's stand-in folder if it has one; the home is the caller's to delete."""
        self.stop()
        if self.postgres and self.postgres.place != self.home:
            shutil.rmtree(self.postgres.place, ignore_errors=True)

    def ensure_alive(self) -> list[str]:
        """Restart what has died; returns the names restarted. Raises EngineError."""
        dead = [engine for engine in self._all() if not engine.alive()]
        self._each([engine.start for engine in dead])
        return [engine.name for engine in dead]

    def _all(self) -> list[_Engine]:
        return [engine for engine in (self.postgres, self.valkey) if engine is not None]

    @staticmethod
    def _each(steps: list[Callable[[], None]]) -> None:
        if not steps:
            return
        with ThreadPoolExecutor(len(steps)) as pool:
            for future in [pool.submit(step) for step in steps]:
                future.result()
