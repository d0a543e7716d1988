"""One mail header to its folded ASCII lines: unstructured text, address lists, identifiers (RFC 5322, 2047, 6532).

A value that could end a line is refused here, whatever was checked before (threat B1). Never here:
which headers a mail has (mime.py).
"""

import binascii
import re
from collections.abc import Sequence

Mailbox = tuple[str | None, str]
"""A display name, if any, and an address as on the wire."""

LINE, LONGEST_LINE = 76, 990
_WORD = 75
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,63}\Z")
_SPECIALS = re.compile(r'[()<>@,:;".\[\]\\]|  ')
_NOT_PLAIN = r"\x00-\x20\x7f-\xa0\u2028\u2029\ufeff<>(),;:\\\"\[\]@"
_ADDRESS = re.compile(rf"[^{_NOT_PLAIN}]+@[^{_NOT_PLAIN}]+\Z")
_QUOTED_LOCAL = re.compile(r'"[A-Za-z0-9._-]{1,64}"@[A-Za-z0-9.-]+\Z')
_IDENTIFIER = re.compile(r"[\x21-\x3b\x3d\x3f-\x7e]{1,250}\Z")
_BLANKS = re.compile(r" +")
_Q_SAFE = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!*+-/")


def text_header(name: str, value: str) -> str:
    """`name: value`, folded at blanks so that unfolding gives the same text; encoded words where ASCII ends.

    Raises ValueError for a name that is none and for CR, LF or NUL in the value.
    """
    refuse_breaks(value)
    if not _NAME.match(name):
        raise ValueError(f"{name[:40]!r} is no header name")
    line = f"{name}: {value}"
    if is_literal(value):
        if len(line) <= LINE:
            return line
        folded = _fold(line)
        if folded is not None:
            return folded
    return f"{name}: " + "\r\n ".join(encoded_words(value, len(name) + 2))


def address_header(name: str, addresses: Sequence[Mailbox]) -> str:
    """`name: A <a@b>, …`, one mailbox a line where they are long. Never a group. Raises ValueError."""
    lines, current = [], f"{name}:"
    for number, (label, email) in enumerate(addresses, 1):
        mailbox = _mailbox(label, email) + ("," if number < len(addresses) else "")
        if len(current) + 1 + len(mailbox.partition("\r\n")[0]) > LINE and not current.endswith(":"):
            lines.append(current)
            current = ""
        current = f"{current} {mailbox}"
        if "\r\n" in mailbox:
            head, _, current = current.rpartition("\r\n")
            lines.append(head)
    return "\r\n".join([*lines, current])


def identifier(text: str) -> str:
    """An identifier as it stands. Raises ValueError unless it is visible ASCII without angle brackets."""
    if not _IDENTIFIER.match(text):
        raise ValueError("an identifier in a header holds a line break or another sign that may not be there")
    return text


def refuse_breaks(text: str) -> None:
    """Raises ValueError for a line break or NUL."""
    if "\r" in text or "\n" in text or "\x00" in text:
        raise ValueError("a header holds a line break or NUL")


def is_literal(text: str) -> bool:
    """Whether every parser reads this text as it stands: no encoded word, no blank that could be trimmed."""
    return text.isascii() and (not text or text.isprintable()) and "=?" not in text and text == text.strip(" ")


def encoded_words(text: str, used: int = 0) -> list[str]:
    """RFC 2047 words of at most 75 octets that never split a character; the first line holds `used` already.

    Q where it is the shorter, so that a mostly Latin subject stays readable in the source; else B.
    """
    data = text.encode("utf-8", "replace")
    quoted = sum(1 if byte in _Q_SAFE or byte == 32 else 3 for byte in data)
    in_q = quoted < (len(data) + 2) // 3 * 4
    words: list[str] = []
    chunk, room, blank = b"", _room(max(used, 1), in_q), 0
    for character in text:
        octets = character.encode("utf-8", "replace")
        if chunk and _cost(chunk + octets, in_q) > room:
            # Behind a blank if there is one: some parsers show another one where two words meet.
            cut = blank or len(chunk)
            words.append(_encoded_word(chunk[:cut], in_q))
            chunk, room, blank = chunk[cut:], _room(1, in_q), 0
        chunk += octets
        blank = len(chunk) if character == " " else blank
    words.append(_encoded_word(chunk, in_q))
    return words


def _room(used: int, in_q: bool) -> int:
    """Characters of encoded text that fit; a long header name still leaves room for one character."""
    left = max(min(_WORD, LINE - used) - 12, 24)
    return left if in_q else left // 4 * 4


def _cost(chunk: bytes, in_q: bool) -> int:
    if in_q:
        return sum(1 if byte in _Q_SAFE or byte == 32 else 3 for byte in chunk)
    return (len(chunk) + 2) // 3 * 4


def _encoded_word(chunk: bytes, in_q: bool) -> str:
    if not in_q:
        return f"=?utf-8?B?{binascii.b2a_base64(chunk, newline=False).decode()}?="
    shown = "".join(chr(byte) if byte in _Q_SAFE else "_" if byte == 32 else f"={byte:02X}" for byte in chunk)
    return f"=?utf-8?Q?{shown}?="


def _fold(line: str) -> str | None:
    """Broken before runs of blanks; None when a piece stays too long for any line."""
    lines: list[str] = []
    start = end = 0
    first = line.index(" ") + 1
    for blank in _BLANKS.finditer(line, first):
        if blank.start() - start > LINE and end > start:
            lines.append(line[start:end])
            start = end
        end = blank.start()
    if len(line) - start > LINE and end > start:
        lines.append(line[start:end])
        start = end
    lines.append(line[start:])
    return None if max(map(len, lines)) > LONGEST_LINE else "\r\n".join(lines)


def _mailbox(name: str | None, email: str) -> str:
    if not _ADDRESS.match(email) and not _QUOTED_LOCAL.match(email):
        raise ValueError("an address in a header is not one plain address")
    if not name:
        return email
    refuse_breaks(name)
    if not is_literal(name) or len(name) > 200:
        label = "\r\n ".join(encoded_words(name, 8))
    elif _SPECIALS.search(name):
        label = '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'
    else:
        label = name
    last = label.rpartition("\r\n")[2]
    return f"{label} <{email}>" if len(last) + len(email) + 4 <= LINE else f"{label}\r\n <{email}>"
