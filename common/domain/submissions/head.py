"""The header of a mail as a list of fields, each with the bytes it came in. Never here: what a field means."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from email.header import decode_header, make_header

_BREAKS = re.compile(rb"\r\n|\r|\n")
_NAME = re.compile(rb"([!-9;-~]{1,77})[ \t]*:")


@dataclass(frozen=True, slots=True)
class Field:
    """`name` in lower case; `raw` with its folding and its CRLF."""

    name: str
    raw: bytes

    @property
    def value(self) -> str:
        """Unfolded and decoded (RFC 2047)."""
        text = self.raw.partition(b":")[2].replace(b"\r\n", b"").decode("utf-8", "replace").strip()
        if "=?" not in text:
            return text
        try:
            return str(make_header(decode_header(text)))
        except (ValueError, LookupError):
            return text


def normalize(raw: bytes) -> bytes:
    """Every line end as CRLF; the last line has one."""
    text = _BREAKS.sub(b"\r\n", raw)
    return text if text.endswith(b"\r\n") else text + b"\r\n"


def split(raw: bytes) -> tuple[list[Field], bytes]:
    """Fields and body of a normalized mail. Where a line is no field, the body begins."""
    fields: list[Field] = []
    at = 0
    while at < len(raw):
        end = raw.find(b"\r\n", at) + 2
        line = raw[at:end]
        if line == b"\r\n":
            return fields, raw[end:]
        found = _NAME.match(line)
        if found:
            fields.append(Field(found[1].decode().lower(), line))
        elif line[:1] in b" \t" and fields:
            fields[-1] = Field(fields[-1].name, fields[-1].raw + line)
        else:
            return fields, raw[at:]
        at = end
    return fields, b""


def join(fields: Iterable[Field], body: bytes) -> bytes:
    """The mail again."""
    return b"".join(each.raw for each in fields) + b"\r\n" + body


def values(fields: Iterable[Field], name: str) -> list[str]:
    """Every value of a name, in order."""
    return [each.value for each in fields if each.name == name]
