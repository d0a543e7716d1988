"""What a customer's tool asks for in headers: our own names, and those of the vendors it was written for.

Every one of them is taken out before the mail leaves. Never here: whether the key may do it.
"""

import base64
import binascii
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import orjson

from common.domain.submissions.head import Field
from common.domain.suppressions import STREAM
from common.domain.tiers import TIERS

Taken = dict[str, Any]
_TAG = re.compile(r"[^,\s\x00-\x1f\x7f][^,\x00-\x1f\x7f]{0,99}\Z")
_STREAM = re.compile(STREAM + r"\Z")
_SLUG = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}\Z")
_PAIR = re.compile(r"\s*([A-Za-z0-9_-]{1,256})\s*=\s*([^,]{0,256}?)\s*\Z")
MOST_TAGS, MOST_METADATA = 10, 50


class OptionError(ValueError):
    """An option that cannot be taken. `header` names it; the text says what to do."""

    def __init__(self, header: str, message: str) -> None:
        super().__init__(f"{header} {message}")
        self.header = header


def take(fields: Sequence[Field]) -> tuple[Taken, list[Field]]:
    """The message fields that the headers ask for, and the headers without them. Raises OptionError."""
    taken: Taken = {}
    left = []
    for each in fields:
        reader = _EXACT.get(each.name) or next((r for start, r in _STARTS if each.name.startswith(start)), None)
        if reader is not None:
            reader(taken, each.name, each.value)
        elif each.name.startswith("x-sendarix-"):
            raise OptionError(each.name, "is unknown: the options are listed in docs/smtp-relay.md")
        else:
            left.append(each)
    if len(taken.get("tags", ())) > MOST_TAGS:
        raise OptionError("x-tag", f"comes more than {MOST_TAGS} times")
    if len(taken.get("metadata", ())) > MOST_METADATA:
        raise OptionError("x-metadata-*", f"comes more than {MOST_METADATA} times")
    if "template_data" in taken and "template" not in taken:
        raise OptionError("x-template-data", "has no X-Template to fill")
    return taken, left


def _tag(taken: Taken, name: str, value: str) -> None:
    tags = taken.setdefault("tags", [])
    for each in (part.strip() for part in value.split(",")):
        if not _TAG.match(each):
            raise OptionError(name, "must be a label of 1 to 100 characters without commas")
        if each not in tags:
            tags.append(each)


def _metadata(taken: Taken, name: str, key: str, value: Any) -> None:
    if not 1 <= len(key) <= 40:
        raise OptionError(name, "has a key that is empty or over 40 characters")
    kept = value if isinstance(value, str | int | float | bool) else orjson.dumps(value).decode()
    if isinstance(kept, str) and len(kept) > 500:
        raise OptionError(name, "is over 500 characters")
    taken.setdefault("metadata", {})[key] = kept


def _prefixed(prefix: str) -> Callable[[Taken, str, str], None]:
    def read(taken: Taken, name: str, value: str) -> None:
        _metadata(taken, name, name[len(prefix) :].replace("-", "_"), value)

    return read


def _object(name: str, value: str) -> dict[str, Any]:
    text: str | bytes = value
    if not value.lstrip().startswith("{"):
        try:
            text = base64.b64decode(value, validate=True)
        except binascii.Error as error:
            raise OptionError(name, "must be a JSON object, as it is or in base64") from error
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise OptionError(name, "must be a JSON object, as it is or in base64") from error
    if not isinstance(found, dict):
        raise OptionError(name, "must be a JSON object")
    return found


def _template_data(taken: Taken, name: str, value: str) -> None:
    taken["template_data"] = _object(name, value)


def _variables(taken: Taken, name: str, value: str) -> None:
    for key, each in _object(name, value).items():
        _metadata(taken, name, key, each)


def _pairs(taken: Taken, name: str, value: str) -> None:
    for each in value.split(","):
        found = _PAIR.match(each)
        if found is None:
            raise OptionError(name, "must be name=value pairs with commas between them")
        _metadata(taken, name, found[1], found[2])


def _sendgrid(taken: Taken, name: str, value: str) -> None:
    """X-SMTPAPI: category, unique_args and send_at count; what needs its templates cannot be done."""
    asked = _object(name, value)
    categories = asked.get("category", [])
    for each in categories if isinstance(categories, list) else [categories]:
        _tag(taken, name, str(each))
    arguments = asked.get("unique_args") or {}
    for key, each in (arguments if isinstance(arguments, dict) else {}).items():
        _metadata(taken, name, key, each)
    if isinstance(asked.get("send_at"), int):
        _moment("scheduled_time")(taken, name, datetime.fromtimestamp(asked["send_at"], UTC).isoformat())
    for key in ("sub", "section", "to"):
        if asked.get(key):
            raise OptionError(name, f"asks for `{key}`, which replaces text in the mail: use a template instead")


def _moment(field: str) -> Callable[[Taken, str, str], None]:
    def read(taken: Taken, name: str, value: str) -> None:
        try:
            found = datetime.fromisoformat(value)
        except ValueError as error:
            raise OptionError(name, "must be RFC 3339 with an offset, such as 2026-04-19T14:30:00Z") from error
        if found.tzinfo is None:
            raise OptionError(name, "must be RFC 3339 with an offset, such as 2026-04-19T14:30:00Z")
        taken[field] = found.astimezone(UTC)

    return read


def _word(field: str, pattern: re.Pattern[str], sentence: str) -> Callable[[Taken, str, str], None]:
    def read(taken: Taken, name: str, value: str) -> None:
        if not pattern.match(value):
            raise OptionError(name, sentence)
        taken[field] = value

    return read


def _tier(taken: Taken, name: str, value: str) -> None:
    if value.lower() not in TIERS:
        raise OptionError(name, f"must be one of {', '.join(TIERS)}")
    taken["priority"] = value.lower()


def _key(taken: Taken, name: str, value: str) -> None:
    if not (1 <= len(value) <= 256 and value.isascii() and value.isprintable()):
        raise OptionError(name, "must be 1 to 256 visible ASCII characters")
    taken["idempotency_key"] = value


def _nothing(_: Taken, __: str, ___: str) -> None:
    """Taken out and not acted on: it speaks of another vendor's own pipeline."""


_EXACT: dict[str, Callable[[Taken, str, str], None]] = {
    "x-tag": _tag,
    "x-template": _word("template", _SLUG, "must be the name of a template, such as otp-code"),
    "x-template-data": _template_data,
    "x-stream": _word("stream", _STREAM, "must be the name of a stream, such as billing"),
    "x-priority-tier": _tier,
    "x-scheduled-time": _moment("scheduled_time"),
    "x-expires-at": _moment("expires_at"),
    "idempotency-key": _key,
    "x-idempotency-key": _key,
    "x-mailgun-tag": _tag,
    "x-mailgun-variables": _variables,
    "x-mailgun-deliver-by": _nothing,
    "x-mailgun-track": _nothing,
    "x-mailgun-dkim": _nothing,
    "x-pm-tag": _tag,
    "x-pm-message-stream": _word("stream", _STREAM, "must be the name of a stream, such as outbound"),
    "x-pm-trackopens": _nothing,
    "x-pm-tracklinks": _nothing,
    "x-smtpapi": _sendgrid,
    "x-ses-message-tags": _pairs,
    "x-ses-configuration-set": _nothing,
    "x-ses-source-arn": _nothing,
    "x-ses-from-arn": _nothing,
    "x-mc-tags": _tag,
    "x-mc-metadata": _variables,
    "x-mc-track": _nothing,
}
_STARTS: tuple[tuple[str, Callable[[Taken, str, str], None]], ...] = (
    ("x-metadata-", _prefixed("x-metadata-")),
    ("x-pm-metadata-", _prefixed("x-pm-metadata-")),
)
