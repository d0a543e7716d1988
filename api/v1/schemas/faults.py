"""From marshmallow's nested messages to our list of field errors, with a suggestion for an unknown field."""

import difflib
import re
from collections.abc import Mapping
from typing import Any

from marshmallow import Schema

from common.domain.errors import FieldError

MOST = 100
"""Errors of one answer. Each unknown field costs a search for the nearest, and a body may hold a million of them."""


def flatten(schema: Schema, body: Mapping[str, Any], messages: Mapping[Any, Any]) -> list[FieldError]:
    """marshmallow's messages as errors in the order of the document."""
    order = {name: number for number, name in enumerate(body)}
    known = [field.data_key or name for name, field in schema.load_fields.items()]
    errors: list[FieldError] = []
    for name in sorted(messages, key=lambda each: order.get(each, len(order))):
        if name in body and name not in known:
            errors.append(FieldError(str(name)[:80], "unknown_field", suggestion(str(name), known)))
        else:
            errors += _leaves(str(name), messages[name])
        if len(errors) >= MOST:
            break
    return errors


def _leaves(field: str, found: Any) -> list[FieldError]:
    if isinstance(found, Mapping):
        return [each for key, value in found.items() for each in _leaves(f"{field}.{str(key)[:80]}", value)]
    notes = found if isinstance(found, list) else [found]
    return [FieldError(field, getattr(note, "code", "invalid_format"), str(note)) for note in notes]


_ELSEWHERE = {
    "to": "recipient", "email": "recipient", "address": "recipient", "sender": "from", "from_email": "from",
    "scheduled_at": "scheduled_time", "send_at": "scheduled_time", "deliver_at": "scheduled_time",
    "html_body": "html", "body": "html", "content": "html", "text_body": "text", "plain": "text",
    "data": "template_data", "variables": "template_data", "template_vars": "template_data", "params": "template_data",
    "template_id": "template", "template_alias": "template", "template_model": "template_data",
    "expires": "expires_at", "language": "locale", "files": "attachments", "category": "tags", "meta": "metadata",
    "email_address": "recipient", "callback_url": "url", "events": "event_types", "permissions": "scopes",
}  # fmt: skip
"""What other services and habits call a field that has another name here."""
_CAPITAL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def suggestion(name: str, known: list[str]) -> str:
    """What is said of an unknown field: the nearest of the known ones."""
    spelled = _CAPITAL.sub("_", name[:80]).replace("-", "_").lower()
    meant = _ELSEWHERE.get(spelled)
    near = [meant] if meant in known else difflib.get_close_matches(spelled, known, n=1, cutoff=0.6)
    return f"is not a field here; did you mean {near[0]}?" if near else "is not a field here"
