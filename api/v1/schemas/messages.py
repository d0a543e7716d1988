"""The shape of a message as it is sent in.

Never here: whether the account may send it; times against the clock.
"""

import re
from datetime import timedelta
from typing import Any

from marshmallow import ValidationError, validates_schema

from api.v1.schemas.attachments import Attachments
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
    anchored,
    each_of,
    wrong,
)
from api.v1.schemas.out import told
from common import clock
from common.domain.suppressions import STREAM
from common.domain.tiers import TIERS

MAX_RECIPIENTS = 50
MAX_PART = 10 * 1024 * 1024
LATER = clock.rfc3339(clock.now() + timedelta(days=20))
"""An example of a time that can be scheduled: one that has passed would be refused to whoever pastes it."""
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

    def describe(self) -> dict[str, Any]:
        return {
            "type": "object",
            "maxProperties": 50,
            "propertyNames": {"pattern": anchored(_HEADER_NAME), "not": {"pattern": _FORBIDDEN_PATTERN}},
            "additionalProperties": {
                "type": "string",
                "pattern": anchored(_HEADER_VALUE),
                "anyOf": [{"maxLength": 512}, {"maxLength": 2048, "pattern": r"^[\t -~]*$"}],
            },
        }


def _any_case(text: str) -> str:
    return "".join(f"[{each.upper()}{each}]" if each.isalpha() else each for each in text)


_FORBIDDEN_PATTERN = (
    f"^(?:(?:{'|'.join(map(_any_case, sorted(_FORBIDDEN)))})$|{'|'.join(map(_any_case, _FORBIDDEN_STARTS))})"
)


def _header_fault(name: str, text: Any) -> Note | None:
    lowered = name.lower()
    if not _HEADER_NAME.match(name):
        return Note("invalid_format", "is not a header name: letters, digits and hyphens, at most 64")
    if lowered in _FORBIDDEN or lowered.startswith(_FORBIDDEN_STARTS):
        return Note("forbidden_header", "is set by the service: use the field made for it")
    if type(text) is not str:
        return Note("invalid_type", "must be a string")
    if len(text) > (2048 if text.isascii() else 512):  # at most 2048 octets; a schema can only count characters
        return Note("too_long", "is over 2048 characters, or 512 when some are outside ASCII")
    if not _HEADER_VALUE.match(text):
        return Note("invalid_format", "contains a line break or a control character")
    return None


_SCALARS = (str, int, float)  # a bool is an int


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
            elif not isinstance(item, _SCALARS):
                errors[key] = [Note("invalid_type", "must be a string, a number, true or false")]
            elif isinstance(item, str) and len(item) > 500:
                errors[key] = [Note("too_long", "is over 500 characters")]
        if errors:
            raise ValidationError(errors)
        return value

    def describe(self) -> dict[str, Any]:
        return {
            "type": "object",
            "maxProperties": 50,
            "propertyNames": {"minLength": 1, "maxLength": 40, "pattern": r"^[^\x00]*$"},
            "additionalProperties": {
                "type": ["string", "number", "boolean"],
                "maxLength": 500,
                "pattern": r"^[^\x00]*$",
            },
        }


TAG_PATTERN = r"[^, \x00-\x1f\x7f][^,\x00-\x1f\x7f]*"


class Tags(Coded):
    """At most 10 labels."""

    def read(self, value: Any) -> list[str]:
        if type(value) is not list:
            raise wrong("invalid_type", "must be a list")
        if len(value) > 10:
            raise wrong("too_many", "has more than 10 tags")
        found: list[str] = each_of(value, lambda item: TAG.read(item))
        return list(dict.fromkeys(found))

    def describe(self) -> dict[str, Any]:
        return {"type": "array", "maxItems": 10, "items": TAG.describe()}


TAG = Text(100, line=True, pattern=TAG_PATTERN)
_STRING, _NULL = {"type": "string"}, {"type": "null"}


class _Message(In):
    samples = {
        "template": {
            "recipient": "user@example.com",
            "subject": "Your verification code",
            "template": "otp-code",
            "template_data": {"code": "847291", "expires_in": "5 minutes"},
            "headers": {"X-Idempotency-Key": "uuid-v4-here"},
        },
        "content": {
            "from": "Example <hello@example.com>",
            "recipient": "user@example.com",
            "subject": "Your invoice",
            "html": "<p>Thank you. The invoice is attached.</p>",
            "text": "Thank you. The invoice is attached.",
            "attachments": [{"filename": "invoice.txt", "content": "MTIuMDAgRVVS", "content_type": "text/plain"}],
            "metadata": {"order": 1017},
            "tags": ["invoice"],
        },
    }
    together = {
        "anyOf": [
            {"required": ["template"], "properties": {"template": _STRING, "html": _NULL, "text": _NULL}},
            {
                "required": ["html", "subject"],
                "properties": {"subject": _STRING, "html": _STRING, "template": _NULL, "template_data": _NULL},
            },
            {
                "required": ["text", "subject"],
                "properties": {"subject": _STRING, "text": _STRING, "template": _NULL, "template_data": _NULL},
            },
        ],
        "allOf": [{"anyOf": [{"properties": {"ttl": _NULL}}, {"properties": {"expires_at": _NULL}}]}],
    }

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
        "recipient": Mailbox(required=True, metadata=told("Who receives it: one address.", "user@example.com")),
        "from": Mailbox(
            metadata=told("Otherwise the template's, the key's, the account's, then a domain's.", "hello@example.com")
        ),
        "cc": Mailboxes(MAX_RECIPIENTS, metadata=told("Shown in the header; at most 49 together with bcc.")),
        "bcc": Mailboxes(MAX_RECIPIENTS, metadata=told("In the envelope only.")),
        "reply_to": Mailboxes(10, metadata=told("Where answers go.", "help@example.com")),
        "subject": Text(
            998, least=1, line=True, metadata=told("Otherwise the template's; required without one.", "Your code")
        ),
        "html": Text(MAX_PART, metadata=told("Instead of a template, with or without text.", "<p>Hello</p>")),
        "text": Text(MAX_PART, metadata=told("Instead of a template, with or without html.", "Hello")),
        "template": Text(64, pattern=r"[a-z0-9][a-z0-9_-]*", metadata=told("A published template.", "otp-code")),
        "template_data": Mapped(
            metadata=told("Values for the template.", {"code": "847291", "expires_in": "5 minutes"})
        ),
        "headers": Headers(metadata=told("Extra mail headers, none that the service sets itself.", {"X-Case": "7"})),
        "attachments": Attachments(metadata=told("Files; one with a content_id is inline.")),
        "metadata": Metadata(metadata=told("Comes back in reads and webhooks, never in the mail.", {"order": 1017})),
        "tags": Tags(metadata=told("Labels to filter and count by.", ["otp"])),
        "priority": Choice(TIERS, metadata=told("The tier; otherwise the template's, then normal.", "critical")),
        "stream": Text(
            63,
            least=1,
            pattern=STREAM,
            metadata=told("The kind of mail; a suppression may stop one stream only.", "product-updates"),
        ),
        "topic": Text(
            63, least=1, pattern=STREAM, metadata=told("As stream, finer: what a recipient may leave alone.", "weekly")
        ),
        "supersede_key": Text(
            128,
            least=1,
            pattern=r"[\x20-\x7e]*",
            metadata=told(
                "Withdraws an older message to the same recipient with the same key that still waits.", "login-code"
            ),
        ),
        "ttl": Whole(1, 30 * 86400, metadata=told("Seconds until it expires; not beside expires_at.", 600)),
        "expires_at": Moment(metadata=told("When it expires; not beside ttl.")),
        "scheduled_time": Moment(metadata=told("Send it then: at most 30 days ahead.", LATER)),
        "sensitive": YesNo(metadata=told("Its content is a secret: kept as short as possible.")),
        "locale": Text(
            35,
            pattern=r"[A-Za-z]{2,8}(?:[-_][A-Za-z0-9]{1,8})*",
            metadata=told("Language of the template.", "en-GB"),
        ),
    },
    name="MessageIn",
)
MESSAGE_IN = MessageIn()


class RescheduleIn(In):
    """When to send a message that still waits."""

    together = {"required": ["scheduled_time"]}

    scheduled_time = Moment(metadata=told("At most 30 days ahead; null sends it now.", LATER))


RESCHEDULE_IN = RescheduleIn()
