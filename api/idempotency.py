"""Finding the Idempotency-Key of a request in the places it may stand. What it does is the accept verb's.

Never here: storage.
"""

import re
from collections.abc import Callable
from typing import Any

from flask import request

from common.domain.errors import FieldError, InvalidRequest
from common.domain.principals import Principal

_HEADERS = ("Idempotency-Key", "X-Idempotency-Key")
_LOWERED = frozenset(each.lower() for each in _HEADERS)
_KEY = re.compile(r"[\x20-\x7e]{1,256}\Z")


def take_key(principal: Principal, fields: dict[str, Any]) -> str | None:
    """The key of this request, or None; the body's copy is removed so that it never leaves with the mail.

    Raises InvalidRequest: malformed, two different values, or missing where this API key requires one.
    """
    return find_key(principal, fields, request.headers.get)


def find_key(principal: Principal, fields: dict[str, Any], header: Callable[[str], str | None]) -> str | None:
    """The same of a request whose headers `header` looks up."""
    found = {_read(value, name) for name in _HEADERS if (value := header(name)) is not None}
    key = _only(found | _carried(fields))
    if key is None and principal.require_idempotency:
        raise InvalidRequest("This API key requires an Idempotency-Key.", code="idempotency_key_required")
    return key


def take_item_key(fields: dict[str, Any]) -> str | None:
    """The own key of one message of a batch, taken out of its fields. Raises InvalidRequest."""
    own = fields.pop("idempotency_key", None)
    return _only(({_read(own, "idempotency_key")} if own is not None else set()) | _carried(fields))


def _carried(fields: dict[str, Any]) -> set[str]:
    """Keys among the mail's headers, taken out of them."""
    mail_headers = fields.get("headers") or {}
    carried = [name for name in mail_headers if name.lower() in _LOWERED]
    if carried:
        fields["headers"] = {name: text for name, text in mail_headers.items() if name not in carried}
    return {_read(mail_headers[name], name) for name in carried}


def _only(found: set[str]) -> str | None:
    if len(found) > 1:
        raise InvalidRequest(
            "The request carries different Idempotency-Keys: send one.",
            code="idempotency_key_conflict",
            errors=[FieldError("Idempotency-Key", "conflict", "has more than one value", "header")],
        )
    return found.pop() if found else None


def _read(text: str, name: str) -> str:
    text = text.strip()
    if len(text) >= 2 and text[0] == text[-1] == '"':  # RFC 8941 string
        text = re.sub(r"\\([\"\\])", r"\1", text[1:-1])
    if not _KEY.match(text):
        raise InvalidRequest(
            "An Idempotency-Key is 1 to 256 printable ASCII characters.",
            code="idempotency_key_invalid",
            errors=[FieldError(name, "invalid_format", "is not 1 to 256 printable ASCII characters", "header")],
        )
    return text
