"""Delivery status notifications (RFC 3464, 6533): field blocks to what is said of each recipient.

Never here: MIME, wordings of single systems, or what a status means.
"""

import re
from dataclasses import dataclass

from common.domain.inbound.mails import addresses

_FIELD = re.compile(r"([A-Za-z][A-Za-z0-9-]{1,40})[ \t]*:[ \t]*(.*)\Z", re.DOTALL)
_STATUS = re.compile(r"([245])\.(\d{1,3})\.(\d{1,3})")
_ACTIONS = ("failed", "delayed", "delivered", "relayed", "expanded")


@dataclass(frozen=True, slots=True)
class Said:
    """What one block says. `recipient` is the address the sender wrote, where the report tells it."""

    recipient: str
    action: str
    status: str | None
    diagnostic: str


def find(text: str) -> list[Said]:
    """The recipients of a report, in order; a block without a recipient is about the message."""
    found = []
    for block in re.split(r"\r?\n[ \t]*\r?\n", text):
        fields = read_fields(block)
        recipient = _recipient(fields)
        if recipient:
            found.append(Said(recipient, _action(fields), _status(fields), fields.get("diagnostic-code", "")))
    return found


def read_fields(block: str) -> dict[str, str]:
    """Names in lower case to unfolded values; of a repeated field the first counts."""
    lines: list[str] = []
    for line in block.splitlines():
        if line[:1] in (" ", "\t") and lines:
            lines[-1] += " " + line.strip()
        else:
            lines.append(line)
    fields: dict[str, str] = {}
    for line in lines:
        found = _FIELD.match(line.strip())
        if found:
            fields.setdefault(found[1].lower(), " ".join(found[2].split()))
    return fields


def _recipient(fields: dict[str, str]) -> str:
    for name in ("original-recipient", "final-recipient", "x-actual-recipient", "x-original-recipient"):
        value = fields.get(name, "")
        kind, mark, rest = value.partition(";")
        if mark and kind.strip().lower() in ("rfc822", "utf-8", "utf8", "smtp", "email", ""):
            value = rest
        found = addresses(value.replace("\\", "")) or _any_address(value)
        if found:
            return found[0]
    return ""


def _any_address(value: str) -> list[str]:
    """An address in Unicode or in quotes, which the plain form does not know."""
    bare = value.partition("(")[0].strip().strip("<>").strip()
    return [bare] if bare.count("@") == 1 and " " not in bare and 3 <= len(bare) <= 320 else []


def _status(fields: dict[str, str]) -> str | None:
    found = _STATUS.search(fields.get("status", ""))
    return f"{found[1]}.{int(found[2])}.{int(found[3])}" if found else None


def _action(fields: dict[str, str]) -> str:
    said = fields.get("action", "").lower()
    for action in _ACTIONS:
        if said.startswith(action):
            return action
    if "delay" in said:
        return "delayed"
    status = _status(fields) or ""
    return {"4": "delayed", "2": "delivered"}.get(status[:1], "failed")
