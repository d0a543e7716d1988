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


@task(tasks.DISPATCH_DELIVERIES)
def dispatch_deliveries(ids: list[UUID]) -> None:
    """Post the due deliveries of `ids`, each recorded as soon as its answer is there."""
    with transaction() as connection:
        postings = webhooks.claim(connection, ids)
    for posting in postings:
        answered = _sender.post(
            posting.url,
            posting.secret,
            posting.webhook_id,
            posting.public_id,
            posting.body,
            int(clock.now().timestamp()),
        )
        posted = webhooks.Posted(answered.ok, answered.status, answered.error, answered.response, answered.retry_after)
        with transaction() as connection:
            webhooks.record(connection, current_settings(), [(posting, posted)])
