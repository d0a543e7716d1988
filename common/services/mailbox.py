"""store, find, get: what the built-in mailbox has caught. Never here: SMTP."""

import email
import email.policy
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email.header import decode_header, make_header
from email.message import EmailMessage
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from common import clock
from common.db.keyset import Page, Turn, read_page_by_id
from common.db.session import rows, run
from common.domain import mail_facts
from common.domain.ids import decode, encode


@dataclass(frozen=True, slots=True)
class Caught:
    """One mail for one recipient, as it came over the wire."""

    id: UUID
    sender: str
    recipient: str
    received_at: datetime
    source: bytes


_STORE = """
INSERT INTO mailbox_messages (id, sender, recipient, recipient_key, subject, received_at, size, source)
SELECT * FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::text[], %s::text[], %s::timestamptz[], %s::integer[],
                     %s::bytea[])
ON CONFLICT (id) DO NOTHING
"""
_SUBJECT = re.compile(rb"(?im)^Subject:[ \t]*((?:[^\r\n]|\r\n[ \t])*)")
_MOST_SUBJECT = 998


def store(connection: Connection, mails: Sequence[Caught]) -> None:
    """Keep mails, all or none."""
    columns = (
        [mail.id for mail in mails],
        [mail.sender for mail in mails],
        [mail.recipient for mail in mails],
        [mail.recipient.lower() for mail in mails],
        [_subject(mail.source) for mail in mails],
        [mail.received_at for mail in mails],
        [len(mail.source) for mail in mails],
        [mail.source for mail in mails],
    )
    connection.exec_driver_sql(_STORE, columns)


def prune(connection: Connection, keep: int) -> int:
    """Drop all but the newest `keep` mails; answers how many went."""
    sql = (
        "DELETE FROM mailbox_messages WHERE id <= (SELECT id FROM mailbox_messages ORDER BY id DESC OFFSET %s LIMIT 1)"
    )
    return run(connection, sql, keep)


_LIST = """
SELECT id, sender, recipient, subject, received_at, size FROM mailbox_messages
 WHERE (%s::text IS NULL OR recipient_key = %s)
"""


def find(connection: Connection, *, recipient: str | None = None, limit: int = 50, turn: Turn | None = None) -> Page:
    """Newest first, of everybody or of one address."""
    key = recipient and recipient.lower()
    return read_page_by_id(connection, _LIST, (key, key), _summary, limit=limit, turn=turn)


def get(connection: Connection, mail_id: UUID) -> dict[str, Any] | None:
    """One mail with its parts, headers and source; None when there is none."""
    found = rows(connection, "SELECT * FROM mailbox_messages WHERE id = %s", mail_id)
    if not found:
        return None
    source = bytes(found[0].source)
    parsed = _parse(source)
    text, html, headers = _part(parsed, "plain"), _part(parsed, "html"), _headers(source)
    return _summary(found[0]) | {
        "message_id": _message_id(headers),
        "text": text,
        "html": html,
        "headers": headers,
        "attachments": _attachments(parsed),
        "links": mail_facts.links(html, text),
        "checks": mail_facts.checks(headers, html, text),
        "source": source.decode("utf-8", "replace"),
    }


def _summary(row: Any) -> dict[str, Any]:
    return {
        "id": encode("mbx", row.id),
        "from": row.sender,
        "recipient": row.recipient,
        "subject": row.subject,
        "received_at": clock.rfc3339(row.received_at),
        "size": row.size,
    }


def _headers(source: bytes) -> list[list[str]]:
    """As they stand on the wire, unfolded; read without the standard parser, which raises on hostile ones."""
    head = source.partition(b"\r\n\r\n")[0].decode("utf-8", "replace")
    unfolded = head.replace("\r\n ", " ").replace("\r\n\t", " ")
    pairs = [line.partition(":") for line in unfolded.split("\r\n")]
    return [[name, value.strip()] for name, colon, value in pairs if colon]


def _subject(source: bytes) -> str:
    """The decoded subject. Found without a parser: this runs for every mail."""
    end = source.find(b"\r\n\r\n")
    found = _SUBJECT.search(source, 0, end + 2 if end >= 0 else len(source))
    if found is None:
        return ""
    raw = found[1].replace(b"\r\n", b"").decode("utf-8", "replace")
    return _clean(_decode_words(raw) if "=?" in raw else raw)[:_MOST_SUBJECT]


def _decode_words(raw: str) -> str:
    try:
        return str(make_header(decode_header(raw)))
    except Exception:  # the standard parser raises many things on hostile headers; the mail is kept all the same
        return raw


def _clean(text: str) -> str:
    """Text that PostgreSQL and JSON take: no NUL, no lone surrogates."""
    return text.encode("utf-8", "replace").decode("utf-8").replace("\x00", "")


def _message_id(headers: list[list[str]]) -> str | None:
    """The message that a mail says it was made from. Anybody can write that: whoever acts on it checks whose it is."""
    told = next((value for name, value in headers if name.lower() == "x-sendarix-message-id"), "")
    return told if decode("msg", told) is not None else None


def _attachments(parsed: EmailMessage) -> list[dict[str, Any]]:
    try:
        return [
            each | {"filename": each["filename"] and _clean(each["filename"])}
            for each in mail_facts.attachments(parsed)
        ]
    except Exception:  # the standard parser raises many things on hostile mails; it is kept all the same
        return []


def _parse(source: bytes) -> EmailMessage:
    try:
        return email.message_from_bytes(source, _class=EmailMessage, policy=email.policy.default)
    except Exception:  # likewise
        return EmailMessage()


def _part(parsed: EmailMessage, kind: str) -> str | None:
    try:
        body = parsed.get_body(preferencelist=(kind,))
        return None if body is None else _clean(str(body.get_content()))
    except Exception:  # likewise
        return None
