"""Reading query parameters strictly: an unknown or malformed one is a 400 that names it.

Never here: what a filter does.
"""

from datetime import UTC, datetime
from uuid import UUID

from flask import request

from api.contract import Parameter
from api.paging import decode_turn
from common.db.keyset import Turn
from common.domain.addresses import PLAIN_ADDRESS, AddressError, parse_address
from common.domain.errors import FieldError, InvalidRequest, NotFound
from common.domain.ids import decode

DEFAULT_LIMIT = 25
MAX_LIMIT = 100

IDS = {
    "alert_id": ("alr", "alert"),
    "automation_id": ("aut", "automation"),
    "key_id": ("key", "API key"),
    "account_id": ("acc", "account"),
    "user_id": ("usr", "user"),
    "hold_id": ("hld", "hold"),
    "job_id": ("job", "job"),
    "message_id": ("msg", "message"),
    "webhook_id": ("whk", "webhook"),
    "delivery_id": ("whd", "webhook delivery"),
    "domain_id": ("dom", "domain"),
    "sender_id": ("snd", "sender"),
    "mail_id": ("mbx", "mail"),
    "source_id": ("src", "source"),
    "rule_id": ("rul", "reply rule"),
    "unknown_id": ("unk", "unknown reply"),
    "test_id": ("stt", "test of a source"),
}
"""The variables of paths that are plain ids: prefix and noun. `path_id` reads them."""

LIMIT = Parameter(
    "limit",
    "How many items a page has.",
    {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT},
)
CURSOR = Parameter("cursor", "`next_cursor` or `prev_cursor` of a page with the same filters.", {"type": "string"})
PAGED = (LIMIT, CURSOR)


def address_parameter(name: str, sentence: str) -> Parameter:
    """A parameter that `address_key` reads."""
    return Parameter(name, sentence, {"type": "string", "maxLength": 254, "pattern": f"^{PLAIN_ADDRESS}$"})


def moment_parameter(name: str, sentence: str) -> Parameter:
    """A parameter that `moment` reads."""
    return Parameter(
        name,
        f"{sentence} RFC 3339 with an offset, or a date (its first moment in UTC).",
        {"type": "string", "anyOf": [{"format": "date-time"}, {"format": "date"}]},
    )


def text_parameter(name: str, sentence: str, most: int = 256) -> Parameter:
    """A parameter that `text` reads."""
    return Parameter(name, sentence, {"type": "string", "minLength": 1, "maxLength": most})


def choices_parameter(name: str, sentence: str, allowed: tuple[str, ...]) -> Parameter:
    """A repeatable parameter that `choices` reads."""
    return Parameter(name, f"{sentence} Repeatable.", {"type": "string", "enum": list(allowed)}, repeatable=True)


def refuse(name: str, code: str, message: str) -> InvalidRequest:
    """The error of one query parameter."""
    error = FieldError(name[:80], code, message, "query")
    return InvalidRequest(f"The query parameter {name[:80]} {message}.", code="invalid_parameter", errors=[error])


def only(*known: Parameter) -> None:
    """Refuse every parameter but these, and repeated ones. Raises InvalidRequest."""
    if not request.query_string:
        return
    repeatable = {each.name: each.repeatable for each in known}
    keyed = tuple(f"{each.name}[" for each in known if each.keyed)
    for name, values in request.args.lists():
        if keyed and name.startswith(keyed) and name.endswith("]"):
            repeatable.setdefault(name, False)
        if name not in repeatable:
            raise refuse(name, "unknown_field", f"is unknown here; known are {', '.join(repeatable) or 'none'}")
        if len(values) > 1 and not repeatable[name]:
            raise refuse(name, "duplicate", "is given twice")
        if any("\x00" in value for value in values):
            raise refuse(name, "invalid_format", "contains a NUL character")


def pairs(name: str, most: int = 10) -> dict[str, str]:
    """The values of `name[key]=value`, by key. At most `most` of them."""
    found = {each[len(name) + 1 : -1]: value for each, value in request.args.items() if each.startswith(f"{name}[")}
    if len(found) > most:
        raise refuse(name, "too_many", f"has more than {most} keys")
    return found


def ident_parameter(name: str, sentence: str, prefix: str) -> Parameter:
    """A parameter that `ident` reads."""
    return Parameter(name, sentence, {"type": "string", "pattern": f"^{prefix}_[0-7][0-9a-hjkmnp-tv-z]{{25}}$"})


def ident(name: str, prefix: str, noun: str) -> UUID | None:
    """An id with this prefix."""
    text = request.args.get(name)
    found = None if text is None else decode(prefix, text)
    if text is not None and found is None:
        raise refuse(name, "invalid_format", f"must be the id of a {noun} ({prefix}_…)")
    return found


def limit() -> int:
    """`limit`, 1 to 100, default 25."""
    text = request.args.get("limit")
    if text is None:
        return DEFAULT_LIMIT
    if not (text.isascii() and text.isdigit() and len(text) <= 4 and 1 <= int(text) <= MAX_LIMIT):
        raise refuse("limit", "invalid_format", f"must be a number from 1 to {MAX_LIMIT}")
    return int(text)


def whole(name: str, most: int) -> int | None:
    """A whole number from 1 to `most`."""
    text = request.args.get(name)
    if text is not None and not (text.isascii() and text.isdigit() and len(text) <= 9 and 1 <= int(text) <= most):
        raise refuse(name, "invalid_format", f"must be a number from 1 to {most}")
    return None if text is None else int(text)


def turn(filters: bytes) -> Turn | None:
    """Where `cursor` leads, in either direction, if one is given."""
    text = request.args.get("cursor")
    return None if text is None else decode_turn(text, filters)


def choices(name: str, allowed: tuple[str, ...]) -> list[str]:
    """A repeatable parameter whose values come from a list; `a,b` counts as two."""
    found = [each for value in request.args.getlist(name) for each in value.split(",")]
    for each in found:
        if each not in allowed:
            raise refuse(name, "not_in_enum", f"must be one of {', '.join(allowed)}")
    return found


def address_key(name: str) -> str | None:
    """An address in its form for comparison."""
    text = request.args.get(name)
    if text is None:
        return None
    try:
        return parse_address(text).key
    except AddressError as error:
        raise refuse(name, "invalid_email", str(error)) from error


def moment(name: str) -> datetime | None:
    """RFC 3339 with an offset, or a date (its first moment in UTC)."""
    text = request.args.get(name)
    if text is None:
        return None
    # A `+` that was not escaped arrives as a space.
    found = parse_moment(text.replace(" ", "+") if "T" in text else text)
    if found is None:
        raise refuse(name, "invalid_format", "must be RFC 3339 with an offset, or a date")
    return found


def parse_moment(text: str) -> datetime | None:
    """An aware time in UTC, or None. A date alone is its first moment in UTC."""
    try:
        found = datetime.fromisoformat(text)
        if found.tzinfo is None:
            return found.replace(tzinfo=UTC) if len(text) == 10 else None
        return found.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def path_id(prefix: str, text: str) -> UUID:
    """The id in a path. Raises NotFound: what is not an id names nothing."""
    found = decode(prefix, text)
    if found is None:
        raise NotFound(f"There is no {prefix} with this id.")
    return found


def text(name: str, most: int = 256) -> str | None:
    """A string of 1 to `most` characters."""
    found = request.args.get(name)
    if found is not None and not 1 <= len(found) <= most:
        raise refuse(name, "too_long" if found else "too_short", f"must be 1 to {most} characters")
    return found
