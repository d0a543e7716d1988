"""A letter to bytes: 7-bit, CRLF only, the same bytes for the same letter. Assembled directly.

Date, Message-ID and boundaries come from the stored row, so a retry repeats them exactly. Only an
address whose local part is not ASCII leaves raw UTF-8, and then in headers alone (RFC 6532).
"""

import binascii
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime

from common.domain.headers import LONGEST_LINE, Mailbox, address_header, identifier, refuse_breaks, text_header

_TYPE = re.compile(r"[A-Za-z0-9!#$&^_.+-]{1,127}/[A-Za-z0-9!#$&^_.+-]{1,127}(?:;[\x20-\x7e]{1,200})?\Z")
_ASCII, _PRINTABLE = bytes(range(128)), bytes((9, 10, *range(32, 127)))
_MBOX_FROM = re.compile(rb"(?m)^From ")
_OURS = frozenset(
    (
        "from",
        "sender",
        "to",
        "cc",
        "bcc",
        "reply-to",
        "subject",
        "date",
        "message-id",
        "mime-version",
        "return-path",
        "dkim-signature",
    )
)
_AUTOMATIC = (
    ("auto-submitted", "Auto-Submitted: auto-generated"),
    # Exchange's word for what may come back. Its non-delivery reports may: bounces are read.
    ("x-auto-response-suppress", "X-Auto-Response-Suppress: DR, RN, NRN, OOF, AutoReply"),
)


@dataclass(frozen=True, slots=True)
class Attachment:
    filename: str
    content_type: str
    content: bytes
    content_id: str | None = None


@dataclass(frozen=True, slots=True)
class Letter:
    """Everything a mail shows. Addresses are (name or None, address as on the wire)."""

    message_id: str
    message_id_domain: str
    created_at: datetime
    sender: Mailbox
    recipient: Mailbox
    subject: str
    html: str | None = None
    text: str | None = None
    cc: Sequence[Mailbox] = ()
    reply_to: Sequence[Mailbox] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    attachments: Sequence[Attachment] = ()


def build(letter: Letter) -> bytes:
    """The whole mail with CRLF line ends, not dot-stuffed. Raises ValueError on a header that could inject."""
    lines = [
        address_header("From", [letter.sender]),
        address_header("To", [letter.recipient]),
    ]
    if letter.cc:
        lines.append(address_header("Cc", letter.cc))
    if letter.reply_to:
        lines.append(address_header("Reply-To", letter.reply_to))
    headers = _own_headers(letter.headers)
    lines += [
        text_header("Subject", letter.subject),
        "Date: " + format_datetime(letter.created_at.astimezone(UTC)),
        "Message-ID: <" + identifier(f"{letter.message_id}@{letter.message_id_domain}") + ">",
        f"X-Sendarix-Message-Id: {letter.message_id}",
        *headers,
        "MIME-Version: 1.0",
    ]
    return "\r\n".join(lines).encode("utf-8") + b"\r\n" + _body(letter)


def _own_headers(headers: Mapping[str, str]) -> list[str]:
    """The sender's extra headers over the automatic ones. Raises ValueError on one that the letter itself sets."""
    given, lines = set(), []
    for name, value in headers.items():
        lowered = name.lower()
        if lowered in _OURS or lowered.startswith(("content-", "resent-")):
            raise ValueError(f"the header {name[:40]!r} is set by the service")
        if lowered == "x-sendarix-message-id":
            continue  # a copy from a received mail; ours stands above
        given.add(lowered)
        lines.append(text_header(name, value))
    return [line for name, line in _AUTOMATIC if name not in given] + lines


def _body(letter: Letter) -> bytes:
    # Quoted-printable and base64 never write "=_", and text that holds "--=_" is not left as 7bit.
    boundary = "=_sdx-" + letter.message_id[-24:]
    # Without HTML nothing can refer to an inline part: it is attached like the others.
    inline = [each for each in letter.attachments if each.content_id and letter.html is not None]
    attached = [each for each in letter.attachments if not each.content_id or letter.html is None]
    texts = []
    if letter.text is not None or letter.html is None:
        texts.append(_text_part("plain", letter.text or ""))
    if letter.html is not None:
        html = _text_part("html", letter.html)
        if inline:
            html = _multipart("related", boundary + "-r", [html, *map(_attachment, inline)])
        texts.append(html)
    body = texts[0] if len(texts) == 1 else _multipart("alternative", boundary + "-a", texts)
    return _multipart("mixed", boundary + "-m", [body, *map(_attachment, attached)]) if attached else body


def _multipart(kind: str, boundary: str, parts: Sequence[bytes]) -> bytes:
    fence = b"\r\n--" + boundary.encode()
    head = f'Content-Type: multipart/{kind}; boundary="{boundary}"\r\n'.encode()
    return head + b"".join(fence + b"\r\n" + part for part in parts) + fence + b"--\r\n"


def _text_part(kind: str, content: str) -> bytes:
    data = content.replace("\r\n", "\n").replace("\r", "\n").encode("utf-8", "replace")
    if not data.endswith(b"\n"):
        data += b"\n"
    head = f"Content-Type: text/{kind}; charset=utf-8\r\nContent-Transfer-Encoding: "
    if _is_plain(data):
        return (head + "7bit\r\n\r\n").encode() + data.replace(b"\n", b"\r\n")
    if len(data.translate(None, _ASCII)) * 6 > len(data):
        return (head + "base64\r\n\r\n").encode() + _base64_lines(data.replace(b"\n", b"\r\n"))
    quoted = binascii.b2a_qp(data, istext=True, header=False).replace(b"\r\n", b"\n")
    quoted = _MBOX_FROM.sub(b"=46rom ", quoted)
    return (head + "quoted-printable\r\n\r\n").encode() + quoted.replace(b"\n", b"\r\n")


def _is_plain(data: bytes) -> bool:
    """Whether no relay or mailbox file changes it, nor takes it for a boundary: it may leave as it is."""
    if data.translate(None, _PRINTABLE) or b"--=_" in data or data.startswith(b"From ") or b"\nFrom " in data:
        return False
    return not _has_long_line(data)


def _has_long_line(data: bytes) -> bool:
    return len(data) > LONGEST_LINE and max(map(len, data.split(b"\n"))) > LONGEST_LINE


def _attachment(each: Attachment) -> bytes:
    refuse_breaks(each.content_type)
    content_type = each.content_type
    if not _TYPE.match(content_type) or content_type.lower().startswith(("multipart/", "message/")):
        content_type = "application/octet-stream"  # those types may not be base64 (RFC 2046, 5)
    how = "inline" if each.content_id else "attachment"
    head = f"Content-Type: {content_type}\r\nContent-Transfer-Encoding: base64\r\n"
    head += f"Content-Disposition: {how};{_filename(each.filename)}\r\n"
    if each.content_id:
        head += f"Content-ID: <{identifier(each.content_id.strip('<>'))}>\r\n"
    return head.encode("ascii") + b"\r\n" + _base64_lines(each.content)


def _filename(name: str) -> str:
    """As a quoted string, or in RFC 2231's pieces when it is long or not ASCII."""
    refuse_breaks(name)
    if name.isascii() and name.isprintable() and len(name) <= 120:
        escaped = name.replace("\\", "\\\\").replace('"', '\\"')
        return f'\r\n filename="{escaped}"'
    quoted = [
        chr(byte) if byte < 128 and (chr(byte).isalnum() or byte in b"._-") else f"%{byte:02X}"
        for byte in name.encode("utf-8", "replace")
    ]
    if len(quoted) <= 20:
        return "\r\n filename*=utf-8''" + "".join(quoted)
    pieces = ["".join(quoted[at : at + 20]) for at in range(0, len(quoted), 20)]
    return ";".join(f"\r\n filename*{n}*=" + ("" if n else "utf-8''") + piece for n, piece in enumerate(pieces))


def _base64_lines(content: bytes) -> bytes:
    encoded = binascii.b2a_base64(content, newline=False)
    return b"\r\n".join(encoded[at : at + 76] for at in range(0, len(encoded), 76)) + b"\r\n"
