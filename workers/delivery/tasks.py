"""deliver_messages(ids): claim, converse with no transaction open, record.
test_sources(ids): see whether ways out work.

A ticket is one path's work. Never here: what a reply means (domain/replies.py) or when to try
again (domain/retry.py).
"""

from collections import deque
from collections.abc import Sequence
from uuid import UUID

from common import clock
from common.config import current_settings
from common.db.session import transaction
from common.pacing import Paces, Scope
from common.queueing import tasks
from common.services import delivery, source_tests, sources
from common.services.delivery import Claimed
from common.services.turns import Turns
from workers.delivery.automations import Automations
from workers.delivery.leases import Leases
from workers.delivery.paced import PacedWork, by_path
from workers.delivery.probes import Probed, probe
from workers.delivery.rounds import Round
from workers.delivery.slots import Slots
from workers.delivery.targets import Targets
from workers.delivery.ways import Ways
from workers.shell import OWNER, task

_leases = Leases(current_settings())
_targets = Targets(current_settings())
_paces = Paces(current_settings(), OWNER.hex)
_slots = Slots()
_turns = Turns("delivery")
_automations = Automations(current_settings(), _paces)
_ways = Ways(current_settings())


@task(tasks.DELIVER_MESSAGES)
def deliver_messages(ids: list[UUID]) -> None:
    """Send the due ones of `ids` over as few connections as their path allows; another account's before, in turn."""
    with transaction() as connection:
        others = _turns.others_first(connection, ids)
    if others:
        _deliver(others)
    _deliver(ids)


def _deliver(ids: Sequence[UUID]) -> None:
    settings = current_settings()
    since = clock.monotonic()
    with transaction() as connection:
        claimed = delivery.claim(connection, ids, OWNER, settings.lease_seconds)
    if not claimed:
        return
    _leases.hold((each.id for each in claimed), since)
    groups = deque(_by_scope(claimed))
    try:
        while groups:
            scope, group = groups[0]
            if scope is None:
                Round(settings, _leases, _targets, group).run()
                _leases.drop(each.id for each in group)
            else:
                PacedWork(settings, _leases, _targets, _paces, _slots, _automations, scope).run(group)
            groups.popleft()
    finally:
        _leases.drop(each.id for _, group in groups for each in group)


def _by_scope(claimed: Sequence[Claimed]) -> list[tuple[Scope | None, list[Claimed]]]:
    """Groups that go over one connection: those of a path, and those of paths that are paced together."""
    groups: dict[str, tuple[Scope | None, list[Claimed]]] = {}
    for path in by_path(claimed):
        scope = _targets.scope_of(path[0])
        key = scope.key if scope is not None else f"{path[0].row.source_id} {path[0].row.path}"
        groups.setdefault(key, (scope, []))[1].extend(path)
    return list(groups.values())


@task(tasks.TEST_SOURCES)
def test_sources(ids: list[UUID]) -> None:
    """Open a session by each source as mail would, and write down what came of it."""
    settings = current_settings()
    with transaction() as connection:
        asked = source_tests.claim(connection, ids)
        ways = {each.id: sources.get(connection, settings, each.source_id, enabled=False) for each in asked}
    for each in asked:
        way = ways[each.id]
        found = probe(_ways, way, each.recipient_domain) if way else Probed(False, {})
        with transaction() as connection:
            source_tests.end(connection, each.id, passed=found.passed, report=found.report)
