"""receive(connection, mails): what returned mails change, in one transaction with keeping them.

A mail changes a message only when an address or a report in it carries a token that we wrote for that message
(threats.md B8); everything else is kept and counted, and changes nothing. Never here: reading mail
(domain/inbound), sockets.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from common import clock
from common.db.session import as_json, rows
from common.domain.categories import CATEGORIES
from common.domain.errors import Unavailable
from common.domain.ids import encode, new_id
from common.domain.inbound.reports import Report, classify
from common.domain.lifecycle import LIVE
from common.domain.principals import Principal
from common.domain.return_paths import BOUNCE, UNSUBSCRIBE, read_local_part
from common.domain.suppressions import ALL
from common.services import events, feedback, lifecycle, messages, strikes
from common.services.lifecycle import Applied, Change

LIFE = timedelta(days=7)
"""So long after delivery a message's token is believed."""
KEEP = timedelta(days=30)
_TOKEN = re.compile(rb"(?<![A-Za-z0-9])[bBuU][A-Za-z2-7]{39}(?=@)")
_MOST_TOKENS = 20


@dataclass(frozen=True, slots=True)
class Returned:
    """One mail for one of our addresses. `token` is what its local part says: kind and message, or None."""

    sender: str
    recipient: str
    token: tuple[str, UUID] | None
    raw: bytes


@dataclass(frozen=True, slots=True)
class _Message:
    id: UUID
    account_id: UUID
    environment: str
    status: str
    recipient: str
    stream: str | None
    believed: bool


def receive(connection: Connection, secret: bytes, mails: Sequence[Returned]) -> list[Applied]:
    """Keep each mail and let it have its effect. Answers what moved.

    Raises Unavailable for a bounce that overtook the outcome of its own delivery: its sender tries again.
    """
    reports = [classify(each.raw) for each in mails]
    tokens = [each.token or _inner_token(secret, report, each.raw) for each, report in zip(mails, reports, strict=True)]
    known = _messages(connection, [token[1] for token in tokens if token])
    applied: list[Applied] = []
    kept = []
    for mail, report, token in zip(mails, reports, tokens, strict=True):
        message = known.get(token[1]) if token else None
        effect = "none"
        if token and message and message.believed:
            if report.kind == "bounce" and message.status in LIVE:
                raise Unavailable("The outcome of this delivery is still being written.")
            effect, moved = _act(connection, token[0], message, report)
            applied += moved
        kept.append(_row(mail, report, message, effect))
    _keep(connection, kept)
    return applied


def _inner_token(secret: bytes, report: Report, raw: bytes) -> tuple[str, UUID] | None:
    """A report that came to another address of ours still quotes the mail, and with it the return path."""
    if report.kind not in ("bounce", "complaint", "delay"):
        return None
    for found in _TOKEN.findall(raw)[:_MOST_TOKENS]:
        token = read_local_part(secret, found.decode())
        if token is not None:
            return token
    return None


def _messages(connection: Connection, ids: Sequence[UUID]) -> dict[UUID, _Message]:
    if not ids:
        return {}
    found = rows(
        connection,
        "SELECT id, account_id, environment, status, recipient, stream, coalesce(delivered_at, created_at) AS since"
        " FROM messages WHERE id = ANY(%s)",
        list(ids),
    )
    young = clock.now() - LIFE
    return {
        row.id: _Message(
            row.id, row.account_id, row.environment, row.status, row.recipient, row.stream, row.since > young
        )
        for row in found
    }


def _act(connection: Connection, purpose: str, message: _Message, report: Report) -> tuple[str, list[Applied]]:
    """What one believed mail does. A mail to an unsubscribe address is a wish to leave, whatever it says."""
    machine = report.kind in ("bounce", "delay", "auto_reply")
    if report.kind == "unsubscribe" or (purpose == UNSUBSCRIBE and not machine and report.kind != "complaint"):
        scope = f"stream:{message.stream}" if message.stream else ALL
        done = feedback.unsubscribe_once(connection, message.id, scope, source="mail")
        return ("unsubscribed" if done else "none"), []
    if report.kind == "complaint":
        applied = feedback.complain(connection, [message.id], data={"source": "feedback_report"})
        return ("complained" if applied else "none"), applied
    if purpose != BOUNCE or report.kind not in ("bounce", "delay") or not report.recipients:
        return "none", []
    about = next((r for r in report.recipients if r.recipient.lower() == message.recipient.lower()), None)
    about = about or report.recipients[0]
    told = {"late": True, "smtp": {"enhanced": about.status, "reply": about.diagnostic[:500]}}
    if report.kind == "delay":
        events.tell(connection, [(message.id, "message.deferred", told | {"reason": about.category})])
        return "deferred", []
    change = Change(
        message.id,
        "bounce_late",
        data=told | {"bounce": {"type": "hard" if about.hard else "soft", "reason": about.category}},
        cause=about.category,
        suppress_reason="hard_bounce" if about.suppress else None,
        suppress_days=CATEGORIES[about.category].suppress_days if about.suppress else 0,
    )
    applied = lifecycle.apply(connection, [change])
    strikes.strike(connection, [(each.message_id, about.category) for each in applied])
    return ("bounced" if applied else "none"), applied


def _row(mail: Returned, report: Report, message: _Message | None, effect: str) -> dict[str, Any]:
    return {
        "id": new_id(),
        "account_id": message and message.account_id,
        "environment": message and message.environment,
        "message_id": message and message.id,
        "sender": mail.sender.replace("\x00", "")[:320],
        "recipient": mail.recipient.replace("\x00", "")[:320],
        "kind": report.kind,
        "effect": effect,
        "size": len(mail.raw),
        "categories": sorted({each.category for each in report.recipients}),
        "source": mail.raw.hex(),
    }


_KEEP = """
INSERT INTO inbound_mails (id, account_id, environment, message_id, sender, recipient, kind, effect, size, categories,
                           source)
SELECT id, account_id, environment, message_id, sender, recipient, kind, effect, size, categories, decode(source, 'hex')
  FROM json_to_recordset(%s) AS x(id uuid, account_id uuid, environment text, message_id uuid, sender text,
       recipient text, kind text, effect text, size integer, categories text[], source text)
"""


def _keep(connection: Connection, kept: Sequence[dict[str, Any]]) -> None:
    rows(connection, f"{_KEEP} RETURNING id", as_json(list(kept)))


def of_message(connection: Connection, principal: Principal, message_id: UUID) -> list[dict[str, Any]]:
    """What came back about one message, oldest first, without the mails themselves. Raises NotFound."""
    messages.get(connection, principal, message_id)
    found = rows(
        connection,
        "SELECT id, received_at, sender, kind, effect, categories, size FROM inbound_mails WHERE message_id = %s"
        " ORDER BY received_at, id",
        message_id,
    )
    return [
        {
            "id": encode("inb", row.id),
            "received_at": clock.rfc3339(row.received_at),
            "sender": row.sender,
            "kind": row.kind,
            "effect": row.effect,
            "categories": list(row.categories),
            "size": row.size,
        }
        for row in found
    ]


def prune(connection: Connection, most: int = 5_000) -> int:
    """Remove mails that were kept long enough; answers how many."""
    return len(
        rows(
            connection,
            "DELETE FROM inbound_mails WHERE id IN (SELECT id FROM inbound_mails WHERE received_at < %s"
            " ORDER BY received_at LIMIT %s) RETURNING id",
            clock.now() - KEEP,
            most,
        )
    )
