"""The files of a message as they are sent in. Never here: decoding them; that is the wire's work."""

import binascii
import re
from typing import Any

from marshmallow import ValidationError

from api.v1.schemas.fields import Coded, Note, anchored, each_of, wrong

_CONTENT_TYPE = re.compile(r"[A-Za-z0-9!#$&^_.+-]{1,127}/[A-Za-z0-9!#$&^_.+-]{1,127}\Z")
_FILENAME = re.compile(r"[^\x00-\x1f\x7f/\\]{1,255}\Z")
_CONTENT_ID = re.compile(r"[A-Za-z0-9._@+-]{1,128}\Z")
_ATTACHMENT_FIELDS = ("filename", "content_type", "content", "content_id")
_BASE64 = "^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/][AQgw]==|[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=)?$"


class Attachments(Coded):
    """At most 100 files, each with filename, content_type, content (base64) and content_id (inline)."""

    def read(self, value: Any) -> list[dict[str, Any]]:
        if type(value) is not list:
            raise wrong("invalid_type", "must be a list")
        if len(value) > 100:
            raise wrong("too_many", "has more than 100 files")
        found: list[dict[str, Any]] = each_of(value, _attachment)
        return found

    def describe(self) -> dict[str, Any]:
        return {
            "type": "array",
            "maxItems": 100,
            "items": {
                "type": "object",
                "properties": {
                    "filename": {"type": "string", "pattern": anchored(_FILENAME)},
                    "content_type": {"type": ["string", "null"], "pattern": anchored(_CONTENT_TYPE)},
                    "content": {"type": "string", "contentEncoding": "base64", "pattern": _BASE64},
                    "content_id": {"type": ["string", "null"], "pattern": anchored(_CONTENT_ID)},
                },
                "required": ["filename", "content"],
                "additionalProperties": False,
            },
        }


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
    if name == "content_id" and not _CONTENT_ID.match(value):
        return Note("invalid_format", "must be 1 to 128 letters, digits and . _ @ + -")
    if name == "content":
        try:
            _check_base64(value)
        except (binascii.Error, ValueError):
            return Note("invalid_format", "is not base64")
    return None


_PIECE = 1 << 20  # a multiple of four


def _check_base64(text: str) -> None:
    """Piece by piece, so that a large file is not held decoded as well. Raises ValueError."""
    for start in range(0, len(text), _PIECE):
        piece = text[start : start + _PIECE]
        if "=" in piece and start + _PIECE < len(text):
            raise ValueError("padding stands before the end")
        binascii.a2b_base64(piece, strict_mode=True)
