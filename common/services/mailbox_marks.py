"""bounce, complain: what a caught mail's recipient would have sent back, said by hand in the inbox.

It changes the message that the mail was made from, as late bounces and complaints from outside do, and only when that
message is the caller's own. Never here: the mails themselves (mailbox.py).
"""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from common.db.session import rows
from common.domain.errors import Conflict, NotFound
from common.domain.ids import decode
from common.domain.principals import Principal
from common.services import feedback, lifecycle, mailbox, messages
from common.services.lifecycle import Applied, Change

_DELIVERED = """
SELECT id, status FROM messages WHERE id = %s AND account_id = %s AND environment = %s FOR UPDATE
"""


def bounce(connection: Connection, principal: Principal, mail_id: UUID) -> tuple[dict[str, Any], list[Applied]]:
    """Its message is bounced for good and the address suppressed (T14). Raises as `complain`."""
    told = {
        "late": True,
        "marked": True,
        "smtp": {"enhanced": "5.1.1", "reply": "550 5.1.1 Marked as bounced in the inbox."},
        "bounce": {"type": "hard", "reason": "invalid_recipient"},
    }

    def mark(connection: Connection, message_id: UUID) -> list[Applied]:
        change = Change(message_id, "bounce_late", data=told, cause="invalid_recipient", suppress_reason="hard_bounce")
        return lifecycle.apply(connection, [change])

    return _mark(connection, principal, mail_id, mark)


def complain(connection: Connection, principal: Principal, mail_id: UUID) -> tuple[dict[str, Any], list[Applied]]:
    """Its message is complained about and the address suppressed (T15). Answers the message.

    Raises NotFound for a mail that is gone or is of no message of the caller's, Conflict unless it is delivered.
    """

    def mark(connection: Connection, message_id: UUID) -> list[Applied]:
        return feedback.complain(connection, [message_id], data={"marked": True})

    return _mark(connection, principal, mail_id, mark)


def _mark(
    connection: Connection, principal: Principal, mail_id: UUID, act: Callable[[Connection, UUID], list[Applied]]
) -> tuple[dict[str, Any], list[Applied]]:
    mail = mailbox.get(connection, mail_id)
    if mail is None:
        raise NotFound("There is no mail with this id.")
    message_id = decode("msg", mail["message_id"] or "")
    found = rows(connection, _DELIVERED, message_id, principal.account_id, principal.environment) if message_id else []
    if not found:
        raise NotFound("This mail was not made from a message of this account and environment.")
    if found[0].status != "delivered":
        raise Conflict(
            f"Its message is {found[0].status}: only a delivered one can bounce or be complained about.",
            extra={"message_status": found[0].status},
        )
    applied = act(connection, found[0].id)
    return messages.get(connection, principal, found[0].id), applied
