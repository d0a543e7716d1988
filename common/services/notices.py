"""notify(...): mail of our own to the person who answers for an account, when something of it needs one.

It is a message like any other, written in the caller's transaction, so what it tells of and the mail are committed
together. Never here: when somebody is told (webhook_records.py), or a shape of mail that customers could ask for.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import Connection

from common import clock
from common.config import Settings
from common.db.session import rows
from common.domain.errors import DomainError
from common.domain.ids import encode, new_id
from common.domain.principals import Principal
from common.services import composing, writing
from common.services.composing import Draft

log = structlog.get_logger()

TAG = "sendarix-notice"
NOBODY = UUID(int=0)
"""In place of the key that a request would have come with."""


@dataclass(frozen=True, slots=True)
class Notice:
    """What an account's contact, or `to`, is told: a subject of one line, a text, and as metadata what it is about."""

    account_id: UUID
    subject: str
    text: str
    about: dict[str, str]
    to: str | None = None


_ACCOUNTS = """
SELECT id, contact_address, default_sender FROM accounts WHERE id = ANY(%s::uuid[]) AND paused_at IS NULL
"""


def notify(connection: Connection, settings: Settings, notices: Sequence[Notice]) -> list[UUID]:
    """Write one live message per notice; answers their ids.

    An account without a sender it may use or that is suspended is told nothing, nor is a notice for nobody: it never
    stops what it tells of. The sweep finds the messages; no ticket is left before the commit.
    """
    if not notices:
        return []
    found = {row.id: row for row in rows(connection, _ACCOUNTS, list({each.account_id for each in notices}))}
    drafts = [_draft(settings, found[each.account_id], each) for each in notices if each.account_id in found]
    made = [each for each in drafts if each is not None]
    if made:
        writing.write(connection, settings, made)
    return [draft.id for draft in made]


def _draft(settings: Settings, account: Any, notice: Notice) -> Draft | None:
    address = notice.to or account.contact_address
    if address is None:
        return None
    fields = {
        "recipient": {"email": address, "name": None},
        "subject": notice.subject,
        "text": notice.text,
        "tags": [TAG],
        "metadata": notice.about,
    }
    try:
        request_id = encode("req", new_id())
        principal = account_itself(account.id, "live", account.default_sender)
        draft = composing.compose(settings, principal, fields, None, request_id, clock.now())
    except DomainError as error:
        log.warning("notice_not_sent", account_id=encode("acc", account.id), why=str(error), about=notice.about)
        return None
    draft.row["key_id"] = None
    return draft


def account_itself(account_id: UUID, environment: str, default_sender: str | None = None) -> Principal:
    """The account without a key. Its mail is of the live environment: a test key's mail reaches nobody."""
    return Principal(
        key_id=NOBODY,
        account_id=account_id,
        environment=environment,
        scopes=frozenset({"messages:send"}),
        sender_domains=None,
        templates=None,
        cidrs=None,
        default_sender=default_sender,
        requests_per_minute=0,
        require_idempotency=False,
        paused=False,
        expires_at=None,
    )
