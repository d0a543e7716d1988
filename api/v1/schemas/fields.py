"""Field kinds shared by the In shapes, each error with a code of the closed list, and `load`.

Never here: services; whether a value fits the account is for the verbs.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar

from marshmallow import RAISE, Schema, ValidationError

from api.v1.schemas.coded import Coded as Coded
from api.v1.schemas.coded import Note as Note
from api.v1.schemas.coded import wrong as wrong
from api.v1.schemas.faults import flatten
from api.v1.schemas.plain import read_plainly
from common.domain.addresses import PLAIN_ADDRESS, AddressError, parse_address, split_display_name
from common.domain.errors import InvalidFields

_CONTROLS = re.compile(r"[\x00-\x1f\x7f]")
_PLAIN = {"type": "string", "maxLength": 254, "pattern": f"^{PLAIN_ADDRESS}$"}
MAILBOX: dict[str, Any] = {
    "description": "`a@b`, `Name <a@b>`, or an object. Internationalized addresses (RFC 6531) are taken as well.",
    "anyOf": [
        {**_PLAIN, "title": "Address"},
        {
            "title": "Name and address",
            "type": "string",
            "maxLength": 254,
            "pattern": rf"^[A-Za-z0-9 .'-]{{1,80}} <{PLAIN_ADDRESS}>$",
        },
        {
            "title": "Object",
            "type": "object",
            "properties": {
                "email": _PLAIN,
                "name": {"type": ["string", "null"], "maxLength": 200, "pattern": r"^[^\x00-\x1f\x7f]*$"},
            },
            "required": ["email"],
            "additionalProperties": False,
        },
    ],
}


class Text(Coded):
    """A string. `least` and `most` count characters; `line` refuses line breaks and control characters.

    `pattern` describes the whole string, without anchors, in what Python and ECMA-262 have in common.
    """

    def __init__(
        self, most: int, *, least: int = 0, line: bool = False, pattern: str | None = None, **options: Any
    ) -> None:
        super().__init__(**options)
        self._least, self._most, self._line = least, most, line
        self._pattern = re.compile(pattern) if pattern else None

    def read(self, value: Any) -> str:
        if type(value) is not str:
            raise wrong("invalid_type", "must be a string")
        if len(value) > self._most:
            raise wrong("too_long", f"is over {self._most} characters")
        if len(value) < self._least:
            raise wrong("too_short", f"must have at least {self._least} characters" if value else "must not be empty")
        if self._line and _CONTROLS.search(value):
            raise wrong("invalid_format", "contains a line break or a control character")
        if self._pattern is not None and not self._pattern.fullmatch(value):
            raise wrong("invalid_format", f"must look like {self._pattern.pattern}")
        return value

    def describe(self) -> dict[str, Any]:
        """A body with a NUL is refused before its fields are read."""
        free = r"^[^\x00-\x1f\x7f]*$" if self._line else r"^[^\x00]*$"
        pattern = f"^(?:{self._pattern.pattern})$" if self._pattern else free
        least = {"minLength": self._least} if self._least else {}
        return {"type": "string", **least, "maxLength": self._most, "pattern": pattern}


class Choice(Coded):
    """One of a list of strings."""

    def __init__(self, allowed: tuple[str, ...], **options: Any) -> None:
        super().__init__(**options)
        self._allowed = allowed

    def read(self, value: Any) -> str:
        if type(value) is not str:
            raise wrong("invalid_type", "must be a string")
        if value not in self._allowed:
            raise wrong("not_in_enum", f"must be one of {', '.join(self._allowed)}")
        return value

    def describe(self) -> dict[str, Any]:
        return {"type": "string", "enum": list(self._allowed)}


class Whole(Coded):
    """A whole number within bounds."""

    def __init__(self, least: int, most: int, **options: Any) -> None:
        super().__init__(**options)
        self._least, self._most = least, most

    def read(self, value: Any) -> int:
        if type(value) is float and value.is_integer():  # 60.0 is a whole number to JSON Schema
            value = int(value)
        if type(value) is not int:
            raise wrong("invalid_type", "must be a whole number")
        if value < self._least:
            raise wrong("too_small", f"must be at least {self._least}")
        if value > self._most:
            raise wrong("too_large", f"must be at most {self._most}")
        return value

    def describe(self) -> dict[str, Any]:
        return {"type": "integer", "minimum": self._least, "maximum": self._most}


class YesNo(Coded):
    """true or false; nothing that merely resembles them."""

    def read(self, value: Any) -> bool:
        if type(value) is not bool:
            raise wrong("invalid_type", "must be true or false")
        return value

    def describe(self) -> dict[str, Any]:
        return {"type": "boolean"}


class Moment(Coded):
    """RFC 3339 with an offset, as UTC."""

    def read(self, value: Any) -> datetime:
        if type(value) is not str:
            raise wrong("invalid_type", "must be a string such as 2026-04-19T14:30:00Z")
        try:
            found = datetime.fromisoformat(value) if "T" in value[:11].upper() else None
            if found is None or found.tzinfo is None:
                raise wrong("invalid_format", "must be RFC 3339 with an offset, such as 2026-04-19T14:30:00Z")
            return found.astimezone(UTC)
        except (ValueError, OverflowError) as error:
            raise wrong("invalid_format", "must be RFC 3339 with an offset, such as 2026-04-19T14:30:00Z") from error

    def describe(self) -> dict[str, Any]:
        return {"type": "string", "format": "date-time"}


class Mailbox(Coded):
    """An address: `a@b`, `Name <a@b>` or {"email", "name"}; always read as {"email", "name"}."""

    def read(self, value: Any) -> dict[str, str | None]:
        if type(value) is str:
            name, email = (None, value) if "<" not in value else split_display_name(value)
        elif type(value) is dict:
            name, email = _from_object(value)
        else:
            raise wrong("invalid_type", "must be an address or an object with email and name")
        if name is not None and (len(name) > 200 or _CONTROLS.search(name)):
            raise wrong("invalid_format", "has a name over 200 characters or with control characters")
        try:
            return {"email": parse_address(email).email, "name": name}
        except AddressError as error:
            raise wrong("invalid_email", str(error)[:200]) from error

    def describe(self) -> dict[str, Any]:
        return MAILBOX


def _from_object(value: dict[str, Any]) -> tuple[str | None, str]:
    unknown = [each for each in value if each not in ("email", "name")]
    if unknown:
        raise wrong("unknown_field", f"has an unknown field {unknown[0][:40]!r}; known are email and name")
    email, name = value.get("email"), value.get("name")
    if email is None:
        raise wrong("required", "needs an email")
    if type(email) is not str or not (name is None or type(name) is str):
        raise wrong("invalid_type", "needs email and name to be strings")
    return name, email


class PlainAddress(Coded):
    """An address alone, as a string."""

    def read(self, value: Any) -> str:
        if type(value) is not str:
            raise wrong("invalid_type", "must be a string")
        try:
            return parse_address(value).email
        except AddressError as error:
            raise wrong("invalid_email", str(error)[:200]) from error

    def describe(self) -> dict[str, Any]:
        return _PLAIN


class Mailboxes(Coded):
    """A list of addresses; a single one counts as a list of one."""

    def __init__(self, most: int, **options: Any) -> None:
        super().__init__(**options)
        self._most, self._one = most, Mailbox()

    def read(self, value: Any) -> list[dict[str, str | None]]:
        listed = value if type(value) is list else [value]
        if len(listed) > self._most:
            raise wrong("too_many", f"has more than {self._most} addresses")
        return each_of(listed, lambda item: self._one.read(item))

    def describe(self) -> dict[str, Any]:
        return {"anyOf": [MAILBOX, {"type": "array", "maxItems": self._most, "items": MAILBOX}]}


class Mapped(Coded):
    """A JSON object, kept as it is."""

    def read(self, value: Any) -> dict[str, Any]:
        if type(value) is not dict:
            raise wrong("invalid_type", "must be an object")
        return value

    def describe(self) -> dict[str, Any]:
        return {"type": "object"}


def anchored(pattern: re.Pattern[str]) -> str:
    """The ECMA-262 form of a pattern that ends in \\Z."""
    return f"^{pattern.pattern.removesuffix(chr(92) + 'Z')}$"


def each_of(listed: list[Any], read: Any) -> list[Any]:
    """Read every item; the errors of all items together, by index."""
    found, errors = [], {}
    for index, item in enumerate(listed):
        try:
            found.append(read(item))
        except ValidationError as error:
            errors[index] = error.messages
    if errors:
        raise ValidationError(errors)
    return found


class In(Schema):
    """A shape read from a request. Unknown fields are errors.

    `together` is JSON Schema of rules across fields; `samples` are whole examples by name.
    """

    samples: ClassVar[dict[str, dict[str, Any]]] = {}
    together: ClassVar[dict[str, Any]] = {}
    error_messages = {"unknown": Note("unknown_field", "is not a field here")}

    class Meta:
        unknown = RAISE


def load(schema: Schema, body: Mapping[str, Any]) -> dict[str, Any]:
    """The validated fields; absent and null ones are left out. Raises InvalidFields in document order."""
    plain = read_plainly(schema, body)
    if plain is not None:
        return plain
    given = {name: value for name, value in body.items() if value is not None}
    try:
        found: dict[str, Any] = schema.load(given)
        return found
    except ValidationError as error:
        normalized: dict[Any, Any] = error.normalized_messages()  # type: ignore[no-untyped-call]
        raise InvalidFields(flatten(schema, body, normalized)) from error
