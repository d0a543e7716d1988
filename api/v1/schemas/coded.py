"""What every field kind is made of: an error with its code, and a field that only reads its value.

Never here: any kind of field.
"""

from typing import Any

from marshmallow import ValidationError, fields

_CODES = {
    "required": ("required", "is required"),
    "null": ("required", "must not be null"),
    "invalid": ("invalid_type", "has the wrong type"),
    "type": ("invalid_type", "has the wrong type"),
    "invalid_utf8": ("invalid_format", "is not UTF-8"),
}


class Note(str):
    """A message with its code; marshmallow carries it through as the text it is."""

    code: str

    def __new__(cls, code: str, text: str) -> "Note":
        made = super().__new__(cls, text)
        made.code = code
        return made


def wrong(code: str, text: str) -> ValidationError:
    """The error of one field."""
    return ValidationError(Note(code, text))


class Coded(fields.Field[Any]):
    """A field whose own errors have a code."""

    def make_error(self, key: str, **_: Any) -> ValidationError:
        return wrong(*_CODES.get(key, ("invalid_format", "is not valid")))

    def _deserialize(self, value: Any, attr: str | None, data: Any, **_: Any) -> Any:  # noqa: ARG002
        return self.read(value)

    def read(self, value: Any) -> Any:
        """The value as the verbs take it. Raises ValidationError."""
        return value

    def describe(self) -> dict[str, Any]:
        """What `read` takes, as JSON Schema: whatever is valid by it is accepted."""
        return {}
