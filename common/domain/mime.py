"""A letter to bytes: 7-bit, CRLF only, the same bytes for the same letter. Assembled directly.

Date, Message-ID and boundaries come from the stored row, so a retry repeats them exactly. Header
names and values with CR, LF or NUL are refused here too, whatever was checked before (threat B1).
"""

import binascii
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime

_SAFE_LINE = 76
_SPECIALS = re.compile(r'[()<>@,:;".\[\]\\]')
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,63}\Z")
_LONG_LINE = re.compile(rb"[^\n]{990}")


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
    sender: tuple[str | None, str]
    recipient: tuple[str | None, str]
    subject: str
    html: str | None = None
    text: str | None = None
    cc: Sequence[tuple[str | None, str]] = ()
    reply_to: Sequence[tuple[str | None, str]] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    attachments: Sequence[Attachment] = ()


def build(letter: Letter) -> bytes:
    """The whole mail with CRLF line ends, not dot-stuffed. Raises ValueError on a header that could inject."""
    lines = [
        _address_header("From", [letter.sender]),
        _address_header("To", [letter.recipient]),
    ]
    if letter.cc:
        lines.append(_address_header("Cc", letter.cc))
    if letter.reply_to:
        lines.append(_address_header("Reply-To", letter.reply_to))
    lines += [
        _text_header("Subject", letter.subject),
        "Date: " + format_datetime(letter.created_at.astimezone(UTC)),
        f"Message-ID: <{letter.message_id}@{letter.message_id_domain}>",
        f"X-Sendarix-Message-Id: {letter.message_id}",
        "Auto-Submitted: auto-generated",
    ]
    lines += [_text_header(name, value) for name, value in letter.headers.items()]
    lines.append("MIME-Version: 1.0")
    return "\r\n".join(lines).encode("utf-8") + b"\r\n" + _body(letter)


def _body(letter: Letter) -> bytes:
    boundary = "sdx-" + letter.message_id[-24:]
    inline = [each for each in letter.attachments if each.content_id]
    attached = [each for each in letter.attachments if not each.content_id]
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
    if data.isascii() and b"\x00" not in data and not _LONG_LINE.search(data):
        head = f"Content-Type: text/{kind}; charset=utf-8\r\nContent-Transfer-Encoding: 7bit\r\n\r\n"
        return head.encode() + data.replace(b"\n", b"\r\n")
    head = f"Content-Type: text/{kind}; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
    quoted = binascii.b2a_qp(data, istext=True, header=False)
    return head.encode() + quoted.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def _attachment(each: Attachment) -> bytes:
    kind, _, rest = each.content_type.partition("/")
    content_type = each.content_type if kind and rest else "application/octet-stream"
    _refuse_breaks(content_type)
    how = "inline" if each.content_id else "attachment"
    head = f"Content-Type: {content_type}\r\nContent-Transfer-Encoding: base64\r\n"
    head += f"Content-Disposition: {how}; {_filename(each.filename)}\r\n"
    if each.content_id:
        _refuse_breaks(each.content_id)
        head += f"Content-ID: <{each.content_id.strip('<>')}>\r\n"
    return head.encode("utf-8") + b"\r\n" + _base64_lines(each.content)


def _filename(name: str) -> str:
    _refuse_breaks(name)
    if name.isascii():
        escaped = name.replace("\\", "\\\\").replace('"', '\\"')
        return f'filename="{escaped}"'
    quoted = "".join(
        chr(byte) if chr(byte).isalnum() and byte < 128 or byte in b"._-" else f"%{byte:02X}" for byte in name.encode()
    )
    return f"filename*=utf-8''{quoted}"


def _base64_lines(content: bytes) -> bytes:
    encoded = binascii.b2a_base64(content, newline=False)
    return b"\r\n".join(encoded[at : at + 76] for at in range(0, len(encoded), 76)) + b"\r\n"


def _refuse_breaks(text: str) -> None:
    if "\r" in text or "\n" in text or "\x00" in text:
        raise ValueError("a header holds a line break or NUL")


def _text_header(name: str, value: str) -> str:
    _refuse_breaks(value)
    if not _NAME.match(name):
        raise ValueError(f"{name[:40]!r} is no header name")
    if value.isascii() and value.isprintable():
        return _fold(f"{name}: {value}")
    return f"{name}: " + "\r\n ".join(_encoded_words(value))


def _fold(line: str) -> str:
    if len(line) <= 78:
        return line
    lines, current = [], ""
    for word in line.split(" "):
        if current and len(current) + 1 + len(word) > 78 and current.strip() and not current.endswith(":"):
            lines.append(current)
            current = " " + word
        else:
            current = f"{current} {word}" if current else word
    return "\r\n".join([*lines, current])


def _encoded_words(text: str) -> list[str]:
    """RFC 2047 words of at most 75 octets, never splitting a character."""
    words, chunk = [], b""
    for character in text:
        data = character.encode("utf-8", "replace")
        if len(chunk) + len(data) > 42:
            words.append(chunk)
            chunk = b""
        chunk += data
    words.append(chunk)
    return [f"=?utf-8?B?{binascii.b2a_base64(word, newline=False).decode()}?=" for word in words]


def _address_header(name: str, addresses: Sequence[tuple[str | None, str]]) -> str:
    return f"{name}: " + ",\r\n ".join(_mailbox(*address) for address in addresses)


def _mailbox(name: str | None, email: str) -> str:
    _refuse_breaks(email)
    if not name:
        return email
    _refuse_breaks(name)
    if not (name.isascii() and name.isprintable()):
        return "\r\n ".join(_encoded_words(name)) + f" <{email}>"
    if _SPECIALS.search(name):
        escaped = name.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}" <{email}>'
    return f"{name} <{email}>"
