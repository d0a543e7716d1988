"""One round of the scheduler: rescue, expire, release, arm, sweep; each in its own transaction."""

from collections.abc import Callable
from typing import Any

import redis
import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from common import clock
from common.config import Settings
from common.domain.ids import encode
from common.queueing import publisher
from common.queueing.queues import DELIVERY, ROUTING
from common.services import (
    alarming,
    canaries,
    domains,
    due,
    jobs,
    resolving,
    retention,
    settling,
    stamping,
    tickets,
    webhook_due,
    webhook_replays,
    webhook_retention,
)
from common.services.lifecycle import Applied

log = structlog.get_logger()

CANARY_SECONDS = 5.0
ALERT_SECONDS = 10.0


class Rounds:
    """Owns what a round needs: settings, the engine and a look at the queues."""

    def __init__(self, settings: Settings, engine: Engine) -> None:
        self._settings, self._engine = settings, engine
        self._redis: redis.Redis | None = None
        self._next_canaries = self._next_alerts = 0.0
        if settings.redis_url:
            self._redis = redis.Redis.from_url(settings.redis_url, socket_timeout=0.5, socket_connect_timeout=0.5)

    def run(self) -> None:
        """Everything that is due now gets a working ticket."""
        if self._settings.calibration_fault == "no_sweeper":
            return
        with self._engine.begin() as connection:
            found, applied = due.rescue(connection, self._settings)
        self._leave(found, applied)
        with self._engine.begin() as connection:
            applied = resolving.lapse(connection)
        self._leave([], applied)
        with self._engine.begin() as connection:
            applied = due.expire(connection)
        self._leave([], applied)
        self._holds()
        self._step(lambda connection: due.release_scheduled(connection))
        self._step(due.arm)
        ages = self._ages()
        self._step(lambda connection: due.sweep(connection, ages))
        with self._engine.begin() as connection:
            retention.purge_sensitive(connection)
        with self._engine.begin() as connection:
            webhook_replays.advance(connection)
        with self._engine.begin() as connection:
            late = webhook_due.sweep(connection)
        webhook_due.leave_due(late)
        with self._engine.begin() as connection:
            webhook_retention.sweep(connection)
        with self._engine.begin() as connection:
            stuck = jobs.sweep(connection)
        jobs.leave(stuck)
        with self._engine.begin() as connection:
            unproved = domains.sweep(connection)
        domains.leave(unproved)
        self._check_canaries()
        self._look_at_alerts()

    def _holds(self) -> None:
        """What was too much for the request that made or released a hold, and what has expired."""
        with self._engine.begin() as connection:
            settling.expire(connection)
            unsettled = settling.unsettled(connection)
        for hold_id in unsettled:
            with self._engine.begin() as connection:
                settling.settle(connection, hold_id)
        self._step(settling.empty)
        self._step(stamping.lapse)

    def _check_canaries(self) -> None:
        if clock.monotonic() < self._next_canaries:
            return
        self._next_canaries = clock.monotonic() + CANARY_SECONDS
        with self._engine.begin() as connection:
            ended = canaries.check(connection)
        for account_id, verdict in ended:
            log.warning("policy_canary_ended", account=encode("acc", account_id), verdict=verdict)

    def _look_at_alerts(self) -> None:
        """In a few statements for all, with little time: mail never waits for them."""
        if clock.monotonic() < self._next_alerts:
            return
        self._next_alerts = clock.monotonic() + ALERT_SECONDS
        try:
            with self._engine.begin() as connection:
                connection.exec_driver_sql("SET LOCAL statement_timeout = '3s'")
                told = alarming.evaluate(connection, self._settings)
        except DBAPIError as error:
            if error.connection_invalidated:
                raise
            log.warning("alerts_not_looked_at", error=type(error).__name__)
            return
        for each in told:
            log.info("alert", what=each)

    def _step(self, verb: Callable[[Any], list[due.Due]]) -> None:
        with self._engine.begin() as connection:
            found = verb(connection)
        self._leave(found, [])

    def _leave(self, found: list[due.Due], applied: list[Applied]) -> None:
        tickets.leave(found)
        tickets.leave_webhooks(applied)

    def _ages(self) -> dict[tuple[str, int], float]:
        """For each queue that can be seen, the seconds since its oldest ticket was left; 0 when it is empty."""
        stages = (("routing", ROUTING), ("delivery", DELIVERY))
        keys = [((stage, tier), name) for stage, names in stages for tier, name in enumerate(names)]
        if self._redis is None:
            return {}
        try:
            pipeline = self._redis.pipeline(transaction=False)
            for _, name in keys:
                pipeline.lindex(name, -1)
            oldest = pipeline.execute()
        except redis.RedisError:
            return {}
        found = {key: publisher.age_of(ticket) for (key, _), ticket in zip(keys, oldest, strict=True)}
        return {key: age for key, age in found.items() if age is not None}
