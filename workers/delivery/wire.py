"""SMTP as bytes, without a socket: replies in, commands out. Refuses what could smuggle.

Limits for hostile servers (threat B7): a line of 2,048 octets, a reply of 64 lines and 8 kB.
"""

import re
from dataclasses import dataclass

MOST_LINE_BYTES = 2048
MOST_LINES = 64
MOST_BYTES = 8192
_BEGINS = re.compile(rb"[2-5][0-9][0-9](?:[ -]|\Z)")
_DOTS = re.compile(rb"(?:^|(?<=\n))\.")


class ProtocolError(Exception):
    """What came is no SMTP reply."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole reply; `text` joins its lines with a space, `said` has the code in front of it."""

    code: int
    text: str
    lines: tuple[str, ...]
    said: str

    @property
    def positive(self) -> bool:
        return self.code // 100 == 2


class ReplyReader:
    """Bytes to replies. `feed` what was received, then `take` until None."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._lines: list[str] = []
        self._size = 0
        # A server says the same few words all day: "250 2.1.0 Ok" is read once per connection.
        self._known: dict[bytes, Reply] = {}

    def feed(self, data: bytes) -> None:
        self._buffer += data

    @property
    def pending(self) -> bool:
        """Whether bytes wait that belong to no taken reply."""
        return bool(self._buffer or self._lines)

    def take(self) -> Reply | None:
        """The next whole reply. Raises ProtocolError."""
        while True:
            end = self._buffer.find(b"\n")
            if (end if end >= 0 else len(self._buffer)) > MOST_LINE_BYTES:
                raise ProtocolError("a reply line is too long")
            if end < 0:
                return None
            line = bytes(self._buffer[:end])
            del self._buffer[: end + 1]
            if not self._lines and (known := self._known.get(line)) is not None:
                return known
            if (reply := self._read(line)) is not None:
                return reply

    def _read(self, raw: bytes) -> Reply | None:
        """One line more; the reply that it ends, if it does."""
        line = raw.rstrip(b"\r").replace(b"\x00", b"?")
        if not _BEGINS.match(line):
            raise ProtocolError("a reply does not begin with a code")
        single = not self._lines
        self._lines.append(line[4:].decode("utf-8", "replace"))
        self._size += len(line)
        if len(self._lines) > MOST_LINES or self._size > MOST_BYTES:
            raise ProtocolError("a reply is too long")
        if line[3:4] == b"-":
            return None
        lines, self._lines, self._size = tuple(self._lines), [], 0
        code, text = int(line[:3]), " ".join(lines)[:500]
        reply = Reply(code, text, lines, f"{code} {text}")
        if single and len(raw) <= 80 and len(self._known) < 64:
            self._known[raw] = reply
        return reply


def command(text: str) -> bytes:
    """One command line. Raises ValueError on a line break or NUL."""
    if "\r" in text or "\n" in text or "\x00" in text:
        raise ValueError("a command holds a line break or NUL")
    return text.encode("utf-8") + b"\r\n"


def check_content(content: bytes) -> bytes:
    """Content that ends in CRLF. Raises ValueError on NUL or a bare CR or LF: they could end it early for some
    server (CVE-2023-51764 and its kin)."""
    if not content.endswith(b"\r\n"):
        content += b"\r\n"
    pairs = content.count(b"\r\n")
    if content.count(b"\n") != pairs or content.count(b"\r") != pairs or b"\x00" in content:
        raise ValueError("content holds a bare CR, a bare LF or NUL")
    return content


def stuff(content: bytes) -> bytes:
    """Checked and dot-stuffed content that ends in CRLF, without the final dot."""
    content = check_content(content)
    if content.startswith(b".") or b"\n." in content:
        content = _DOTS.sub(b"..", content)
    return content
