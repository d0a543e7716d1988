"""Field kinds for ids and for lists of distinct values. The plain kinds are fields.py."""

from typing import Any
from uuid import UUID

from api.v1.schemas.fields import Coded, each_of, wrong
from common.domain.ids import decode


class Ident(Coded):
    """An id with its prefix, as a UUID."""

    def __init__(self, prefix: str, **options: Any) -> None:
        super().__init__(**options)
        self._prefix = prefix

    def read(self, value: Any) -> UUID:
        if type(value) is not str:
            raise wrong("invalid_type", "must be a string")
        found = decode(self._prefix, value)
        if found is None:
            raise wrong("invalid_format", f"must be an id such as {self._prefix}_01jq8z4m3hf5v9t2c6w7x8y0ab")
        return found

    def describe(self) -> dict[str, Any]:
        return {"type": "string", "pattern": f"^{self._prefix}_[0-7][0-9a-hjkmnp-tv-z]{{25}}$"}


class Listed(Coded):
    """A list of distinct values of one kind."""

    def __init__(self, inner: Coded, most: int, **options: Any) -> None:
        super().__init__(**options)
        self._inner, self._most = inner, most

    def read(self, value: Any) -> list[Any]:
        if type(value) is not list:
            raise wrong("invalid_type", "must be a list")
        if len(value) > self._most:
            raise wrong("too_many", f"has more than {self._most} entries")
        if not value:
            raise wrong("too_short", "must not be empty: leave it out, or say null, to allow all")
        found: list[Any] = each_of(value, self._inner.read)
        return list(dict.fromkeys(found))

    def describe(self) -> dict[str, Any]:
        return {"type": "array", "minItems": 1, "maxItems": self._most, "items": self._inner.describe()}
