"""Field kinds for documents with a structure: objects inside objects, named entries, one of two forms.

Each describes itself as plain JSON Schema, so that a whole document has one published schema. An unknown key is an
error with the nearest known one. Never here: any document.
"""

from collections.abc import Mapping
from typing import Any

from marshmallow import ValidationError

from api.v1.schemas.faults import suggestion
from api.v1.schemas.fields import Coded, Note, each_of, wrong


class Shaped(Coded):
    """An object with these fields and no others; `required` ones must be there. A null field counts as absent."""

    def __init__(self, inner: Mapping[str, Coded], *, needs: tuple[str, ...] = (), **options: Any) -> None:
        super().__init__(**options)
        self._inner, self._needs = dict(inner), needs

    def read(self, value: Any) -> dict[str, Any]:
        if type(value) is not dict:
            raise wrong("invalid_type", "must be an object")
        found: dict[str, Any] = {}
        errors: dict[str, Any] = {}
        for name, each in value.items():
            field = self._inner.get(name)
            if field is None:
                errors[name[:80]] = [Note("unknown_field", suggestion(name, list(self._inner)))]
            elif each is not None:
                try:
                    found[name] = field.read(each)
                except ValidationError as error:
                    errors[name] = error.messages
        for name in self._needs:
            if name not in found and name not in errors:
                errors[name] = [Note("required", "is required")]
        if errors:
            raise ValidationError(errors)
        return found

    def describe(self) -> dict[str, Any]:
        required = {"required": list(self._needs)} if self._needs else {}
        return {
            "type": "object",
            "properties": {
                name: described(each, optional=name not in self._needs) for name, each in self._inner.items()
            },
            **required,
            "additionalProperties": False,
        }


class Named(Coded):
    """An object whose keys are names of the caller's; each entry is of one kind."""

    def __init__(self, pattern: Coded, inner: Coded, most: int, **options: Any) -> None:
        super().__init__(**options)
        self._name, self._inner, self._most = pattern, inner, most

    def read(self, value: Any) -> dict[str, Any]:
        if type(value) is not dict:
            raise wrong("invalid_type", "must be an object")
        if len(value) > self._most:
            raise wrong("too_many", f"has more than {self._most} entries")
        found: dict[str, Any] = {}
        errors: dict[str, Any] = {}
        for name, each in value.items():
            try:
                found[self._name.read(name)] = self._inner.read(each)
            except ValidationError as error:
                errors[name[:80]] = error.messages
        if errors:
            raise ValidationError(errors)
        return found

    def describe(self) -> dict[str, Any]:
        return {
            "type": "object",
            "propertyNames": self._name.describe(),
            "maxProperties": self._most,
            "additionalProperties": described(self._inner),
        }


class Several(Coded):
    """A list of one kind, which may be empty."""

    def __init__(self, inner: Coded, most: int, *, least: int = 0, **options: Any) -> None:
        super().__init__(**options)
        self._inner, self._least, self._most = inner, least, most

    def read(self, value: Any) -> list[Any]:
        if type(value) is not list:
            raise wrong("invalid_type", "must be a list")
        if len(value) > self._most:
            raise wrong("too_many", f"has more than {self._most} entries")
        if len(value) < self._least:
            raise wrong("too_short", f"must have at least {self._least}")
        return each_of(value, self._inner.read)

    def describe(self) -> dict[str, Any]:
        least = {"minItems": self._least} if self._least else {}
        return {"type": "array", **least, "maxItems": self._most, "items": described(self._inner)}


class Either(Coded):
    """A string of one kind, or something else of another."""

    def __init__(self, text: Coded, other: Coded, **options: Any) -> None:
        super().__init__(**options)
        self._text, self._other = text, other

    def read(self, value: Any) -> Any:
        return (self._text if type(value) is str else self._other).read(value)

    def describe(self) -> dict[str, Any]:
        return {"anyOf": [described(self._text), described(self._other)]}


class Number(Coded):
    """A number within bounds."""

    def __init__(self, least: float, most: float, **options: Any) -> None:
        super().__init__(**options)
        self._least, self._most = least, most

    def read(self, value: Any) -> float:
        if type(value) not in (int, float):
            raise wrong("invalid_type", "must be a number")
        if value < self._least:
            raise wrong("too_small", f"must be at least {self._least:g}")
        if value > self._most:
            raise wrong("too_large", f"must be at most {self._most:g}")
        return float(value)

    def describe(self) -> dict[str, Any]:
        return {"type": "number", "minimum": self._least, "maximum": self._most}


def described(field: Coded, *, optional: bool = False) -> dict[str, Any]:
    """The JSON Schema of a field with its sentence; an optional one may be null."""
    found = field.describe()
    if optional:
        found = {"anyOf": [found, {"type": "null"}]}
    sentence = field.metadata.get("description")
    return {"description": sentence, **found} if sentence else found
