"""Webhook tickets: deliveries to dispatch, and endpoints with parked ones to drain. The work is lanes.py."""

from functools import lru_cache
from uuid import UUID

from common.config import current_settings
from common.queueing import tasks
from workers.shell import task
from workers.webhooks.lanes import Lanes
from workers.webhooks.sender import Sender


@lru_cache(maxsize=2)
def _lanes(slow: bool) -> Lanes:
    settings = current_settings()
    return Lanes(settings, Sender(settings), slow=slow)


@task(tasks.DISPATCH_DELIVERIES)
def dispatch_deliveries(ids: list[UUID]) -> None:
    """Post the due deliveries of `ids`."""
    _lanes(False).dispatch(ids)


@task(tasks.DRAIN_WEBHOOKS)
def drain_webhooks(ids: list[UUID]) -> None:
    """Post what is parked for the webhooks `ids`."""
    _lanes(False).drain(ids)


@task(tasks.DRAIN_SLOW_WEBHOOKS)
def drain_slow_webhooks(ids: list[UUID]) -> None:
    """The same on the slow line."""
    _lanes(True).drain(ids)
