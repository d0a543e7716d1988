"""Bytes to a flat list of parts, decoded as far as they can be. Never here: what a part means.

`email.policy.compat32` is the fast and forgiving reader of the standard library; nothing it cannot read
may raise here, because the sender of a mail is nobody we know.
"""

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from email import message_from_bytes
from email.header import Header, decode_header
from email.message import Message

from common.domain.inbound.charsets import text_of

MOST_BYTES = 1_048_576
MOST_PARTS = 60
_TEXT_BYTES = 131_072
_ADDRESS = re.compile(
    r"[A-Za-z0-9.!#$%&*+/=?^_`{|}~-][A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{0,63}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,253}[A-Za-z0-9])?"
)
_TAGS = re.compile(r"<(?:br|p|div|tr|li|h[1-6]|/p|/div|/tr|/li|/h[1-6])\b[^<>]{0,400}>", re.IGNORECASE)
_TAG = re.compile(r"</?[A-Za-z!][^<>@]{0,2000}>")


@dataclass(frozen=True, slots=True)
class Part:
    """One leaf: its lower-case type, its headers, its decoded text, and whether it lies inside a returned mail."""

    kind: str
    headers: Message
    text: str
    returned: bool


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail taken apart. `original` is the head of the returned mail, where there is one."""

    head: Message
    parts: tuple[Part, ...]
    original: Message | None = field(default=None)

    def header(self, name: str) -> str:
        """The decoded value, white space folded; empty when absent."""
        return decoded(self.head.get(name))

    def human(self) -> str:
        """What the reporting system says to a person: its texts, without the returned mail."""
        own = [part for part in self.parts if not part.returned]
        plain = [part.text for part in own if part.kind == "text/plain"]
        if any(each.strip() for each in plain):
            return "\n".join(plain)
        return "\n".join(_strip_tags(part.text) for part in own if part.kind == "text/html")

    def of_kind(self, *kinds: str) -> list[Part]:
        """The parts of these types that are not inside the returned mail."""
        return [part for part in self.parts if part.kind in kinds and not part.returned]


def read(raw: bytes) -> Mail:
    """Take a mail apart. Never raises; what cannot be read is left out."""
    head = message_from_bytes(_unboxed(raw[:MOST_BYTES]))
    parts: list[Part] = []
    originals: list[Message] = []
    for part in _walk(head, False, originals):
        parts.append(part)
        if len(parts) >= MOST_PARTS:
            break
    return Mail(head, tuple(parts), originals[0] if originals else None)


def decoded(value: object) -> str:
    """A header value with its encoded words read."""
    if value is None:
        return ""
    try:
        # Raw octets, which no standard allows and many send, come as a Header; encoded, none of them is lost.
        text = (value.encode(maxlinelen=0) if isinstance(value, Header) else str(value))[:4000]
    except Exception:
        text = str(value)[:4000]
    try:
        pieces = decode_header(text)
    except Exception:  # the standard library raises a dozen kinds here; the raw text is as good
        return " ".join(text.split())
    found = "".join(_piece(each, charset) for each, charset in pieces)
    return " ".join(found.split())


def addresses(text: str) -> list[str]:
    """Every address in a text, in order, each once, without the dots and quotes around it."""
    found = (each.strip(".'") for each in _ADDRESS.findall(text))
    return list(dict.fromkeys(each for each in found if "@" in each and not each.startswith("@")))


def head_of(text: str) -> Message | None:
    """The header block that opens `text`, when at least two known headers are in it."""
    block = text.lstrip("\r\n")[:16_384]
    try:
        found = message_from_bytes(block.encode("utf-8", "replace"))
    except Exception:
        return None
    known = sum(1 for name in ("from", "to", "subject", "date", "message-id", "received") if name in found)
    return found if known >= 2 else None


def _unboxed(raw: bytes) -> bytes:
    """Without the `From ` line of a mailbox file and empty lines in front of the headers."""
    raw = raw.lstrip(b"\r\n")
    if raw.startswith((b"From ", b">From ")):
        raw = raw.partition(b"\n")[2]
    return raw


def _walk(message: Message, returned: bool, originals: list[Message]) -> Iterator[Part]:
    kind = _kind(message)
    payload = message.get_payload()
    if kind in ("message/delivery-status", "message/global-delivery-status", "message/feedback-report"):
        yield Part(kind, message, _blocks(payload), returned)
    elif kind.startswith("message/") and isinstance(payload, list):
        originals += [each for each in payload if isinstance(each, Message)][:1]
        for each in payload:
            if isinstance(each, Message):
                yield from _walk(each, True, originals)
    elif isinstance(payload, list):
        for each in payload:
            if isinstance(each, Message):
                yield from _walk(each, returned, originals)
    else:
        text = _text(message)
        if kind in ("text/rfc822-headers", "message/rfc822", "message/partial", "message/global-headers"):
            head = head_of(text)
            if head is not None:
                originals.append(head)
            returned = True
        yield Part(kind, message, text, returned)


def _kind(message: Message) -> str:
    try:
        return message.get_content_type()
    except Exception:
        return "text/plain"


def _blocks(payload: object) -> str:
    """The field blocks of a report, with an empty line between two."""
    if isinstance(payload, list):
        return "\n\n".join(_block(each) for each in payload if isinstance(each, Message))
    return str(payload or "")[:_TEXT_BYTES]


def _block(message: Message) -> str:
    try:
        rest = message.get_payload()
        fields = "\n".join(f"{name}: {value}" for name, value in message.items())
        return fields + (f"\n\n{rest}" if isinstance(rest, str) and rest.strip() else "")
    except Exception:
        return ""


def _text(message: Message) -> str:
    try:
        raw = message.get_payload(decode=True)
    except Exception:
        raw = None
    if not isinstance(raw, bytes):
        return str(message.get_payload() or "")[:_TEXT_BYTES]
    raw = raw[:_TEXT_BYTES]
    return text_of(raw, _charset(message))


def _charset(message: Message) -> str | None:
    try:
        return message.get_content_charset()
    except Exception:
        return None


def _piece(text: bytes | str, charset: str | None) -> str:
    return text if isinstance(text, str) else text_of(text, charset)


def _strip_tags(text: str) -> str:
    for tag in ("style", "script", "head"):
        text = _cut(text, tag)
    return html.unescape(_TAG.sub(" ", _TAGS.sub("\n", text)))


def _cut(text: str, tag: str) -> str:
    """Without the elements of this name; an element that never ends goes to the end."""
    kept: list[str] = []
    lowered, at = text.lower(), 0
    while (start := lowered.find(f"<{tag}", at)) >= 0:
        kept.append(text[at:start])
        end = lowered.find(f"</{tag}", start)
        if end < 0:
            return "".join(kept)
        at = lowered.find(">", end) + 1 or len(text)
    return "".join(kept) + text[at:]
