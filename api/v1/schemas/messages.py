"""The shape of a message as it is sent in.

Never here: whether the account may send it; times against the clock.
"""

import binascii
import re
from typing import Any

from marshmallow import ValidationError, validates_schema

from api.v1.schemas.fields import (
    Choice,
    Coded,
    In,
    Mailbox,
    Mailboxes,
    Mapped,
    Moment,
    Note,
    Text,
    Whole,
    YesNo,
    each_of,
    wrong,
)
from common.domain.tiers import TIERS

MAX_RECIPIENTS = 50
MAX_PART = 10 * 1024 * 1024
KEY_HEADERS = ("idempotency-key", "x-idempotency-key")
_HEADER_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,63}\Z")
_HEADER_VALUE = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f]*\Z")
_FORBIDDEN = frozenset(
    [
        "from",
        "to",
        "cc",
        "bcc",
        "sender",
        "reply-to",
        "subject",
        "date",
        "message-id",
        "return-path",
        "received",
        "authentication-results",
        "mime-version",
    ]
)
_FORBIDDEN_STARTS = ("dkim-", "arc-", "content-", "list-unsubscribe", "resent-")
_CONTENT_TYPE = re.compile(r"[A-Za-z0-9!#$&^_.+-]{1,127}/[A-Za-z0-9!#$&^_.+-]{1,127}\Z")
_FILENAME = re.compile(r"[^\x00-\x1f\x7f/\\]{1,255}\Z")
_ATTACHMENT_FIELDS = ("filename", "content_type", "content", "content_id")


class Headers(Coded):
    """Extra mail headers: at most 50, none that the service sets itself."""

    def read(self, value: Any) -> dict[str, str]:
        if type(value) is not dict:
            raise wrong("invalid_type", "must be an object")
        if len(value) > 50:
            raise wrong("too_many", "has more than 50 entries")
        errors: dict[str, list[Note]] = {}
        for name, text in value.items():
            note = _header_fault(name, text)
            if note is not None:
                errors[name] = [note]
        if errors:
            raise ValidationError(errors)
        return value


def _header_fault(name: str, text: Any) -> Note | None:
    lowered = name.lower()
    if not _HEADER_NAME.match(name):
        return Note("invalid_format", "is not a header name: letters, digits and hyphens, at most 64")
    if lowered in _FORBIDDEN or lowered.startswith(_FORBIDDEN_STARTS):
        return Note("forbidden_header", "is set by the service: use the field made for it")
    if type(text) is not str:
        return Note("invalid_type", "must be a string")
    if len(text.encode()) > 2048:
        return Note("too_long", "is over 2048 octets")
    if not _HEADER_VALUE.match(text):
        return Note("invalid_format", "contains a line break or a control character")
    return None


class Attachments(Coded):
    """At most 100 files, each with filename, content_type, content (base64) and content_id (inline)."""

    def read(self, value: Any) -> list[dict[str, Any]]:
        if type(value) is not list:
            raise wrong("invalid_type", "must be a list")
        if len(value) > 100:
            raise wrong("too_many", "has more than 100 files")
        found: list[dict[str, Any]] = each_of(value, _attachment)
        return found


def _attachment(item: Any) -> dict[str, Any]:
    if type(item) is not dict:
        raise wrong("invalid_type", "must be an object")
    errors: dict[str, list[Note]] = {}
    for name in item:
        if name not in _ATTACHMENT_FIELDS:
            errors[name] = [Note("unknown_field", f"is not a field here; known are {', '.join(_ATTACHMENT_FIELDS)}")]
    for name in ("filename", "content"):
        if item.get(name) is None:
            errors[name] = [Note("required", "is required")]
    for name in _ATTACHMENT_FIELDS:
        if item.get(name) is not None and name not in errors:
            note = _attachment_fault(name, item[name])
            if note is not None:
                errors[name] = [note]
    if errors:
        raise ValidationError(errors)
    return {
        "filename": item["filename"],
        "content_type": item.get("content_type") or "application/octet-stream",
        "content": item["content"],
        "content_id": item.get("content_id"),
    }


def _attachment_fault(name: str, value: Any) -> Note | None:
    if type(value) is not str:
        return Note("invalid_type", "must be a string")
    if name == "filename" and not _FILENAME.match(value):
        return Note("invalid_format", "must be 1 to 255 characters without slashes or control characters")
    if name == "content_type" and not _CONTENT_TYPE.match(value):
        return Note("invalid_format", "must look like image/png")
    if name == "content_id" and not re.fullmatch(r"[A-Za-z0-9._@+-]{1,128}", value):
        return Note("invalid_format", "must be 1 to 128 letters, digits and . _ @ + -")
    if name == "content":
        try:
            binascii.a2b_base64(value, strict_mode=True)
        except (binascii.Error, ValueError):
            return Note("invalid_format", "is not base64")
    return None


class Metadata(Coded):
    """At most 50 keys of 40 characters with scalar values of 500."""

    def read(self, value: Any) -> dict[str, Any]:
        if type(value) is not dict:
            raise wrong("invalid_type", "must be an object")
        if len(value) > 50:
            raise wrong("too_many", "has more than 50 keys")
        errors: dict[str, list[Note]] = {}
        for key, item in value.items():
            if not 1 <= len(key) <= 40:
                errors[key] = [Note("too_long", "is a key over 40 characters, or empty")]
            elif not isinstance(item, str | int | float | bool):
                errors[key] = [Note("invalid_type", "must be a string, a number, true or false")]
            elif isinstance(item, str) and len(item) > 500:
                errors[key] = [Note("too_long", "is over 500 characters")]
        if errors:
            raise ValidationError(errors)
        return value


class Tags(Coded):
    """At most 10 labels."""

    def read(self, value: Any) -> list[str]:
        if type(value) is not list:
            raise wrong("invalid_type", "must be a list")
        if len(value) > 10:
            raise wrong("too_many", "has more than 10 tags")
        one = Text(100, line=True, pattern=r"[^,\s][^,]*")
        found: list[str] = each_of(value, lambda item: one.read(item))
        return list(dict.fromkeys(found))


class _Message(In):
    @validates_schema(skip_on_field_errors=False)
    def check_together(self, data: dict[str, Any], **_: Any) -> None:
        """Rules about more than one field."""
        errors: dict[str, list[Note]] = {}
        inline = [name for name in ("html", "text") if name in data]
        if "template" in data:
            errors |= {name: [Note("conflict", "cannot stand beside template: use one of them")] for name in inline}
        elif not inline:
            errors["template"] = [Note("required", "is required when there is neither html nor text")]
        if "template_data" in data and "template" not in data and inline:
            errors["template_data"] = [Note("conflict", "has no template to fill")]
        if "ttl" in data and "expires_at" in data:
            errors["expires_at"] = [Note("conflict", "cannot stand beside ttl: use one of them")]
        others = len(data.get("cc") or ()) + len(data.get("bcc") or ())
        if others >= MAX_RECIPIENTS:
            errors["cc"] = [Note("too_many", f"makes more than {MAX_RECIPIENTS} recipients with bcc")]
        if errors:
            raise ValidationError(errors)


MessageIn = _Message.from_dict(
    {
        "recipient": Mailbox(required=True),
        "from": Mailbox(),
        "cc": Mailboxes(MAX_RECIPIENTS),
        "bcc": Mailboxes(MAX_RECIPIENTS),
        "reply_to": Mailboxes(10),
        "subject": Text(998, line=True),
        "html": Text(MAX_PART),
        "text": Text(MAX_PART),
        "template": Text(64, pattern=r"[a-z0-9][a-z0-9_-]*"),
        "template_data": Mapped(),
        "headers": Headers(),
        "attachments": Attachments(),
        "metadata": Metadata(),
        "tags": Tags(),
        "priority": Choice(TIERS),
        "ttl": Whole(1, 30 * 86400),
        "expires_at": Moment(),
        "scheduled_time": Moment(),
        "sensitive": YesNo(),
        "locale": Text(35, pattern=r"[A-Za-z]{2,8}(?:[-_][A-Za-z0-9]{1,8})*"),
    },
    name="MessageIn",
)
MESSAGE_IN = MessageIn()
