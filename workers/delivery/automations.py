"""Watching replies for what sets an automation off, and holding a scope to those in force.

Never here: which reply does (domain/automations.py), or SQL.
"""

from collections.abc import Sequence
from uuid import UUID

import structlog

from common import clock
from common.caching import Remembered
from common.config import Settings
from common.db.session import transaction
from common.domain.automations import triggered
from common.domain.outcomes import Outcome
from common.domain.reply_matching import plain
from common.pacing import Paces, Scope
from common.services import automations
from common.services.automations import InForce
from common.services.scopes import slowed, suspending

log = structlog.get_logger()

FRESH_SECONDS = 2.0
HIT_SECONDS = 3600.0


class Automations:
    """Shared by every delivery thread of a process."""

    def __init__(self, settings: Settings, paces: Paces) -> None:
        self._settings, self._paces = settings, paces
        self._in_force: Remembered[str, dict[str, list[InForce]]] = Remembered(seconds=FRESH_SECONDS)

    def watch(self, scope: Scope, outcomes: Sequence[Outcome]) -> bool:
        """Count what these replies speak for; answers whether an automation has begun."""
        begun = False
        for automation, outcome in triggered(outcomes):
            hits = self._paces.hits(f"{scope.key}:{automation.name}", HIT_SECONDS / self._settings.time_scale)
            if hits < automation.hits:
                continue
            with transaction() as connection:
                new = automations.start(
                    connection,
                    automation,
                    scope=scope.key,
                    source_id=UUID(scope.source),
                    place=scope.name,
                    reply=f"{outcome.code} {plain(outcome.reply)}",
                    time_scale=self._settings.time_scale,
                )
            if new:
                log.warning("automation_begun", rule=automation.name, place=scope.name)
                self._in_force.forget()
            begun = begun or new
        return begun

    def hold(self, scope: Scope) -> tuple[Scope, InForce | None]:
        """The scope within what is in force, and what suspends it."""
        found = self._in_force.get("all", self._load).get(scope.key)
        if not found:
            return scope, None
        now = clock.now()
        found = [each for each in found if each.until > now]
        return slowed(scope, found), suspending(found)

    def _load(self) -> dict[str, list[InForce]]:
        with transaction() as connection:
            return automations.in_force(connection)
