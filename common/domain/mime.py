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

_LINE, _LONGEST_LINE = 78, 990
_SPECIALS = re.compile(r'[()<>@,:;".\[\]\\]|  ')
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,63}\Z")
_ADDRESS = re.compile(
    r'[^\x00-\x20\x7f-\xa0\u2028\u2029<>(),;:\\"\[\]@]+@[^\x00-\x20\x7f-\xa0\u2028\u2029<>(),;:\\"\[\]@]+\Z'
)
_TYPE = re.compile(r"[A-Za-z0-9!#$&^_.+-]{1,127}/[A-Za-z0-9!#$&^_.+-]{1,127}(?:;[\x20-\x7e]{1,200})?\Z")
_CONTENT_ID = re.compile(r"[\x21-\x7e]{1,250}\Z")
_ASCII = bytes(range(128))
_OURS = frozenset(
    ("from", "to", "cc", "bcc", "reply-to", "subject", "date", "message-id", "mime-version", "return-path")
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
    headers = _own_headers(letter.headers)
    lines += [
        _text_header("Subject", letter.subject),
        "Date: " + format_datetime(letter.created_at.astimezone(UTC)),
        "Message-ID: <" + _plain(f"{letter.message_id}@{letter.message_id_domain}") + ">",
        f"X-Sendarix-Message-Id: {letter.message_id}",
        *headers,
        "MIME-Version: 1.0",
    ]
    return "\r\n".join(lines).encode("utf-8") + b"\r\n" + _body(letter)


def _own_headers(headers: Mapping[str, str]) -> list[str]:
    """The sender's extra headers. Raises ValueError on one that the letter itself sets."""
    lines = []
    automatic = True
    for name, value in headers.items():
        lowered = name.lower()
        if lowered in _OURS or lowered.startswith(("content-", "resent-")):
            raise ValueError(f"the header {name[:40]!r} is set by the service")
        if lowered == "x-sendarix-message-id":
            continue  # a copy from a received mail; ours stands above
        automatic = automatic and lowered != "auto-submitted"
        lines.append(_text_header(name, value))
    return ["Auto-Submitted: auto-generated", *lines] if automatic else lines


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
    foreign = 0 if data.isascii() else len(data.translate(None, _ASCII))
    if not foreign and b"\x00" not in data and b"--=_" not in data and not _has_long_line(data):
        return (head + "7bit\r\n\r\n").encode() + data.replace(b"\n", b"\r\n")
    if foreign * 6 > len(data):
        return (head + "base64\r\n\r\n").encode() + _base64_lines(data.replace(b"\n", b"\r\n"))
    quoted = binascii.b2a_qp(data, istext=True, header=False)
    quoted = quoted.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    return (head + "quoted-printable\r\n\r\n").encode() + quoted


def _has_long_line(data: bytes) -> bool:
    return len(data) > _LONGEST_LINE and max(map(len, data.split(b"\n"))) > _LONGEST_LINE


def _attachment(each: Attachment) -> bytes:
    _refuse_breaks(each.content_type)
    content_type = each.content_type
    if not _TYPE.match(content_type) or content_type.lower().startswith(("multipart/", "message/")):
        content_type = "application/octet-stream"  # those types may not be base64 (RFC 2046, 5)
    how = "inline" if each.content_id else "attachment"
    head = f"Content-Type: {content_type}\r\nContent-Transfer-Encoding: base64\r\n"
    head += f"Content-Disposition: {how};{_filename(each.filename)}\r\n"
    if each.content_id:
        head += f"Content-ID: <{_plain(each.content_id.strip('<>'))}>\r\n"
    return head.encode("ascii") + b"\r\n" + _base64_lines(each.content)


def _filename(name: str) -> str:
    """As a quoted string, or in RFC 2231's pieces when it is long or not ASCII."""
    _refuse_breaks(name)
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


def _plain(text: str) -> str:
    """An identifier as it stands. Raises ValueError unless it is visible ASCII without angle brackets."""
    if not _CONTENT_ID.match(text) or "<" in text or ">" in text:
        raise ValueError("an identifier in a header holds a line break or another sign that may not be there")
    return text


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
    if _is_literal(value):
        line = f"{name}: {value}"
        if len(line) <= _LINE:
            return line
        if "  " not in value and max(map(len, value.split(" "))) < _LONGEST_LINE - 70:
            return _fold(line)
    return f"{name}: " + "\r\n ".join(_encoded_words(value, 42 if len(name) < 8 else 24))


def _is_literal(text: str) -> bool:
    """Whether every parser reads this text as it stands: no encoded word, no blank that could be trimmed."""
    return text.isascii() and (not text or text.isprintable()) and "=?" not in text and text == text.strip(" ")


def _fold(line: str) -> str:
    """Broken at single blanks, so that unfolding gives the same text."""
    lines: list[str] = []
    current, *words = line.split(" ")
    current = f"{current} {words[0]}"
    for word in words[1:]:
        if len(current) + 1 + len(word) > _LINE:
            lines.append(current)
            current = " " + word
        else:
            current = f"{current} {word}"
    return "\r\n".join([*lines, current])


def _encoded_words(text: str, first: int = 42) -> list[str]:
    """RFC 2047 words of at most 75 octets, never splitting a character; the first holds `first` octets."""
    words, chunk, room = [], b"", first
    for character in text:
        data = character.encode("utf-8", "replace")
        if len(chunk) + len(data) > room:
            words.append(chunk)
            chunk, room = b"", 42
        chunk += data
    words.append(chunk)
    return [f"=?utf-8?B?{binascii.b2a_base64(word, newline=False).decode()}?=" for word in words]


def _address_header(name: str, addresses: Sequence[tuple[str | None, str]]) -> str:
    return f"{name}: " + ",\r\n ".join(_mailbox(*address) for address in addresses)


def _mailbox(name: str | None, email: str) -> str:
    if not _ADDRESS.match(email):
        raise ValueError("an address in a header is not one plain address")
    if not name:
        return email
    _refuse_breaks(name)
    if not _is_literal(name) or len(name) > 200:
        return "\r\n ".join(_encoded_words(name)) + f" <{email}>"
    if _SPECIALS.search(name):
        escaped = name.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}" <{email}>'
    return f"{name} <{email}>"
