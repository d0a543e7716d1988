"""dispatch_deliveries(ids): claim, post with no transaction open, record."""

from uuid import UUID

from common import clock
from common.config import current_settings
from common.db.session import transaction
from common.queueing import tasks
from common.services import webhooks
from workers.shell import task
from workers.webhooks.sender import Sender

_sender = Sender(current_settings().egress_allow)


FEW = 1
"""Deliveries claimed together: their posts, of up to 15 s each, must end within the lease of 20 s."""


@task(tasks.DISPATCH_DELIVERIES)
def dispatch_deliveries(ids: list[UUID]) -> None:
    """Post the due deliveries of `ids`, each recorded as soon as its answer is there."""
    for start in range(0, len(ids), FEW):
        with transaction() as connection:
            postings = webhooks.claim(connection, ids[start : start + FEW])
        for posting in postings:
            posted = _post(posting)
            with transaction() as connection:
                webhooks.record(connection, current_settings(), [(posting, posted)])


def _post(posting: webhooks.Posting) -> webhooks.Posted:
    timestamp = int(clock.now().timestamp())
    answered = _sender.post(posting.url, posting.secret, posting.webhook_id, posting.public_id, posting.body, timestamp)
    return webhooks.Posted(answered.ok, answered.status, answered.error, answered.response, answered.retry_after)
