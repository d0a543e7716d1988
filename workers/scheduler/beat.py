"""LeaderScheduler: Celery beat that works only while it holds a PostgreSQL advisory lock.

Arming, sweeping and rescuing run inside it, not as tasks, so they work when queues are full. Two
or more may run; the others stand by and take over within a second. Never here: what is due.
"""

from typing import Any

import structlog
from celery.beat import Scheduler
from sqlalchemy import Connection, text
from sqlalchemy.exc import SQLAlchemyError

from common.config import current_settings
from common.db.session import make_engine
from workers.scheduler.rounds import Rounds

log = structlog.get_logger()

LEADER_LOCK = 0x53444C44


class LeaderScheduler(Scheduler):
    """A static, in-memory timetable plus one round of the sweep each tick."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self._settings = current_settings()
        self._engine = make_engine(pool_size=2, max_overflow=0)
        self._leading: Connection | None = None
        self._rounds = Rounds(self._settings, self._engine)
        super().__init__(*arguments, **options)

    def tick(self, *arguments: Any, **options: Any) -> float:
        """One round if leading; answers the seconds until the next."""
        try:
            if self._lead():
                super().tick(*arguments, **options)
                self._rounds.run()
        except SQLAlchemyError as error:
            log.warning("scheduler_waits_for_database", error=type(error).__name__)
            self._resign()
        except Exception:
            log.exception("scheduler_round_failed")
        return self._settings.sweep_seconds

    def _lead(self) -> bool:
        if self._leading is None:
            connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
            if not connection.scalar(text("SELECT pg_try_advisory_lock(:key)"), {"key": LEADER_LOCK}):
                connection.close()
                return False
            self._leading = connection
            log.info("scheduler_leads")
        self._leading.execute(text("SELECT 1"))
        return True

    def _resign(self) -> None:
        if self._leading is not None:
            self._leading.invalidate()
            self._leading.close()
            self._leading = None

    def close(self) -> None:
        self._resign()
        super().close()
