"""deliver_messages(ids): claim, converse with no transaction open, record.

A ticket is one path's work. Never here: what a reply means (domain/replies.py) or when to try
again (domain/retry.py).
"""

from collections.abc import Sequence
from uuid import UUID

from common import clock
from common.config import current_settings
from common.db.session import transaction
from common.queueing import tasks
from common.services import delivery
from common.services.delivery import Claimed
from workers.delivery.leases import Leases
from workers.delivery.rounds import Round
from workers.delivery.targets import Targets
from workers.shell import OWNER, task

_leases = Leases(current_settings())
_targets = Targets(current_settings())


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
        for group in _by_path(claimed):
            Round(settings, _leases, _targets, group).run()
    finally:
        _leases.drop(each.id for each in claimed)


def _by_path(claimed: Sequence[Claimed]) -> list[list[Claimed]]:
    groups: dict[str, list[Claimed]] = {}
    for each in claimed:
        groups.setdefault(each.row.path or "", []).append(each)
    return list(groups.values())
