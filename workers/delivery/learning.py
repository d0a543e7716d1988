"""What delivering shows, for routing to go by: how paths do, and whose servers take a domain's mail.

Counted in memory and written every few seconds, so that a mail costs no query. Never here: what counts
(domain/path_health.py).
"""

import atexit
import threading
from collections.abc import Sequence
from uuid import UUID

import structlog
from sqlalchemy.exc import SQLAlchemyError

from common.caching import Remembered
from common.config import Settings
from common.db.session import transaction
from common.domain.outcomes import Outcome
from common.domain.path_health import Marks, marks_of
from common.services import path_health

log = structlog.get_logger()

FLUSH_SECONDS = 2.0
MOST_PATHS = 10_000
AGAIN_SECONDS = 3600.0

Path = tuple[UUID, str]


class Learning:
    """Shared by every delivery thread of a process."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._marks: dict[Path, Marks] = {}
        self._places: dict[str, tuple[str | None, Sequence[str]]] = {}
        self._told: Remembered[str, bool] = Remembered(seconds=AGAIN_SECONDS, size=65_536)
        self._timer: threading.Timer | None = None
        self._lock = threading.Lock()
        atexit.register(self.flush)

    def mark(self, source_id: UUID, place: str, outcomes: Sequence[Outcome]) -> None:
        """Count what a batch says of its path."""
        marks = marks_of(outcomes)
        if marks == Marks():
            return
        with self._lock:
            if (source_id, place) in self._marks or len(self._marks) < MOST_PATHS:
                before = self._marks.get((source_id, place), Marks())
                self._marks[source_id, place] = _after(before, marks)
            self._soon()

    def place(self, domain: str, provider: str | None, hosts: Sequence[str]) -> None:
        """Keep whose servers a domain's mail goes to, once an hour."""

        def note() -> bool:
            with self._lock:
                self._places[domain] = (provider, sorted(hosts))
                self._soon()
            return True

        self._told.get(domain, note)

    def _soon(self) -> None:
        if self._timer is None:
            self._timer = threading.Timer(FLUSH_SECONDS, self.flush)
            self._timer.daemon = True
            self._timer.start()

    def flush(self) -> None:
        """Write down what was learnt since the last time; what cannot be written is forgotten."""
        with self._lock:
            self._timer = None
            marks, self._marks = self._marks, {}
            places, self._places = self._places, {}
        if not marks and not places:
            return
        try:
            with transaction() as connection:
                path_health.add(connection, marks, time_scale=self._settings.time_scale)
                path_health.learn_places(connection, places)
        except SQLAlchemyError as error:
            log.warning("path_health_not_written", error=type(error).__name__)


def _after(before: Marks, marks: Marks) -> Marks:
    failures = marks.failures if marks.good else before.failures + marks.failures
    return Marks(
        before.good + marks.good,
        before.bad + marks.bad,
        before.blocked + marks.blocked,
        failures,
        before.timed + marks.timed,
        before.ms + marks.ms,
    )
