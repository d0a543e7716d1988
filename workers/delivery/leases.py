"""The leases of this process: who holds what until when, and the thread that renews them.

`may_finish` is the last check before a final dot (lifecycle 3.3): a process that was frozen past
its lease finds its own clock ahead and sends nothing. Never here: SMTP.
"""

import threading
from collections.abc import Iterable, Mapping
from uuid import UUID

import structlog
from sqlalchemy.exc import SQLAlchemyError

from common import clock
from common.config import Settings
from common.db.session import transaction
from common.services import delivery
from workers.shell import OWNER

log = structlog.get_logger()

SAFETY_SECONDS = 2.0


class Leases:
    """Deadlines by message on the monotonic clock of this process."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._deadlines: dict[UUID, float] = {}
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def hold(self, ids: Iterable[UUID], since: float) -> None:
        """These are ours; `since` is the monotonic time before the statement that took them."""
        self.hold_for(dict.fromkeys(ids, self._settings.lease_seconds), since)

    def hold_for(self, seconds: Mapping[UUID, float], since: float) -> None:
        """The same for leases that have so many seconds left."""
        with self._lock:
            for each, left in seconds.items():
                self._deadlines[each] = since + left - SAFETY_SECONDS
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="leases", daemon=True)
                self._thread.start()

    def drop(self, ids: Iterable[UUID]) -> None:
        with self._lock:
            for each in ids:
                self._deadlines.pop(each, None)

    def may_finish(self, message_id: UUID) -> bool:
        """Whether the lease surely lasts for the final dot of this message."""
        if self._settings.calibration_fault == "no_fencing":
            return True
        return clock.monotonic() < self._deadlines.get(message_id, 0.0)

    def renew(self) -> None:
        """One statement for every lease of this process."""
        if not self._deadlines:
            return
        since = clock.monotonic()
        with transaction() as connection:
            kept = delivery.renew(connection, OWNER, self._settings.lease_seconds)
        deadline = since + self._settings.lease_seconds - SAFETY_SECONDS
        with self._lock:
            for each in kept & self._deadlines.keys():
                self._deadlines[each] = deadline

    def _run(self) -> None:
        tick = threading.Event()
        while not tick.wait(self._settings.renew_seconds):
            try:
                self.renew()
            except SQLAlchemyError as error:
                log.warning("leases_not_renewed", error=type(error).__name__)
