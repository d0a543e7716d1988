"""The built-in mailbox as JSON: what the quickstart account sent, newest first.

Only that account's keys see it: every other account's keys find nothing at this address.
"""

from collections.abc import Callable
from typing import Any

from flask import Blueprint, Response, g

from api import query
from api.answers import json_answer
from api.auth import scope
from api.contract import contract
from api.lists import answer_list
from api.v1.schemas.mailbox import MailOut, MailWholeOut
from api.v1.schemas.messages_out import MessageOut
from api.v1.schemas.out import page_of
from common.db.session import transaction
from common.domain.errors import NotFound
from common.services import mailbox, mailbox_marks, tickets
from common.services.lifecycle import Applied
from common.services.quickstart import QUICKSTART_ACCOUNT

blueprint = Blueprint("mailbox", __name__, url_prefix="/v1/mailbox/messages")

LISTED = (query.address_parameter("recipient", "Only mail to this address."), *query.PAGED)


@blueprint.get("")
@scope("messages:read")
@contract(answers={200: page_of(MailOut)}, query=LISTED, errors=("invalid_cursor",))
def list_mail() -> Response:
    """Captured mail, newest first; `recipient` picks one address."""
    _only_quickstart()
    query.only(*LISTED)
    return answer_list(mailbox.find, recipient=query.address_key("recipient"))


@blueprint.get("/<mail_id>")
@scope("messages:read")
@contract(answers={200: MailWholeOut})
def read_mail(mail_id: str) -> Response:
    """One captured mail with text, html, headers and source."""
    _only_quickstart()
    query.only()
    which = query.path_id("mbx", mail_id)
    with transaction() as connection:
        found = mailbox.get(connection, which)
    if found is None:
        raise NotFound("There is no mail with this id.")
    return json_answer(found)


@blueprint.post("/<mail_id>/bounce")
@scope("messages:send", idempotent=False)
@contract(answers={200: MessageOut}, errors=("conflict",))
def mark_mail_bounced(mail_id: str) -> Response:
    """As if the mail had come back: its message is bounced, the address suppressed, webhooks are told."""
    return _mark(mail_id, mailbox_marks.bounce)


@blueprint.post("/<mail_id>/complain")
@scope("messages:send", idempotent=False)
@contract(answers={200: MessageOut}, errors=("conflict",))
def mark_mail_complained(mail_id: str) -> Response:
    """As if its recipient had reported it as spam: its message is complained about, the address suppressed."""
    return _mark(mail_id, mailbox_marks.complain)


def _mark(mail_id: str, mark: Callable[..., tuple[dict[str, Any], list[Applied]]]) -> Response:
    _only_quickstart()
    query.only()
    which = query.path_id("mbx", mail_id)
    with transaction() as connection:
        found, applied = mark(connection, g.principal, which)
    tickets.leave_webhooks(applied)
    return json_answer(found)


def _only_quickstart() -> None:
    if g.principal.account_id != QUICKSTART_ACCOUNT:
        raise NotFound("The built-in mailbox belongs to the quickstart account.")
