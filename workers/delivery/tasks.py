"""deliver_messages(ids): claim, converse with no transaction open, record.

A ticket is one path's work. Never here: what a reply means (domain/replies.py) or when to try
again (domain/retry.py).
"""

from collections.abc import Sequence
from uuid import UUID

from common import clock
from common.config import current_settings
from common.db.session import transaction
from common.pacing import Paces, Scope
from common.queueing import tasks
from common.services import delivery
from common.services.delivery import Claimed
from workers.delivery.automations import Automations
from workers.delivery.leases import Leases
from workers.delivery.paced import PacedWork, by_path
from workers.delivery.rounds import Round
from workers.delivery.slots import Slots
from workers.delivery.targets import Targets
from workers.shell import OWNER, task

_leases = Leases(current_settings())
_targets = Targets(current_settings())
_paces = Paces(current_settings(), OWNER.hex)
_slots = Slots()
_automations = Automations(current_settings(), _paces)


@task(tasks.DELIVER_MESSAGES)
def deliver_messages(ids: list[UUID]) -> None:
    """Send the due ones of `ids` over as few connections as their path allows."""
    settings = current_settings()
    since = clock.monotonic()
    with transaction() as connection:
        claimed = delivery.claim(connection, ids, OWNER, settings.lease_seconds)
    if not claimed:
        return
    _leases.hold((each.id for each in claimed), since)
    try:
        for scope, group in _by_scope(claimed):
            if scope is None:
                Round(settings, _leases, _targets, group).run()
            else:
                PacedWork(settings, _leases, _targets, _paces, _slots, _automations, scope).run(group)
    finally:
        _leases.drop(each.id for each in claimed)


def _by_scope(claimed: Sequence[Claimed]) -> list[tuple[Scope | None, list[Claimed]]]:
    """Groups that go over one connection: those of a path, and those of paths that are paced together."""
    groups: dict[str, tuple[Scope | None, list[Claimed]]] = {}
    for path in by_path(claimed):
        scope = _targets.scope_of(path[0])
        key = scope.key if scope is not None else path[0].row.path or ""
        groups.setdefault(key, (scope, []))[1].extend(path)
    return list(groups.values())
