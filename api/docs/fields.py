"""JSON Schema as rows that a person reads: name, type, limits, sentence. Never here: operations."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

DEEPEST = 4
LONGEST_PATTERN = 50

Schema = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Row:
    """One field. `name` is dotted; `[]` stands for each entry of a list."""

    name: str
    kind: str
    limits: str
    sentence: str
    required: bool


class Fields:
    """The rows of the schemas of one OpenAPI document."""

    def __init__(self, schemas: Mapping[str, Schema]) -> None:
        self._schemas = schemas

    def rows(self, schema: Schema, base: str = "", depth: int = 0) -> Iterator[Row]:
        """Every field of an object and of what is inside it."""
        schema = self._resolved(schema)
        for name, each in schema.get("properties", {}).items():
            yield self.row(base + name, each, name in schema.get("required", ()))
            yield from self._inside(base + name, self._main(each), depth + 1)

    def _inside(self, name: str, schema: Schema, depth: int) -> Iterator[Row]:
        if depth < DEEPEST and not self._is_named(schema):
            schema = self._resolved(schema)
            if "items" in schema:
                yield from self._inside(f"{name}[]", schema["items"], depth)
            else:
                yield from self.rows(schema, f"{name}.", depth)

    def row(self, name: str, schema: Schema, required: bool) -> Row:
        """One field or parameter."""
        resolved = self._resolved(schema)
        sentence = schema.get("description") or resolved.get("description", "")
        return Row(name, self._kind(schema), "; ".join(self._limits(self._main(schema))), sentence, required)

    def _resolved(self, schema: Schema) -> Schema:
        if "$ref" in schema:
            return self._schemas[schema["$ref"].rpartition("/")[2]]
        return schema

    def _is_named(self, schema: Schema) -> bool:
        """Shared shapes of several forms, such as an address: told by their name."""
        return "$ref" in schema and "anyOf" in self._resolved(schema)

    def _main(self, schema: Schema) -> Schema:
        """A schema without its null: the one alternative that carries the fields."""
        others = [each for each in schema.get("anyOf", ()) if each.get("type") != "null"]
        return others[-1] if others and "type" not in schema else schema

    def _kind(self, schema: Schema) -> str:
        if self._is_named(schema):
            return "address"
        if "$ref" in schema:
            return self._kind(self._resolved(schema))
        if "type" not in schema and "anyOf" in schema:
            return " or ".join(dict.fromkeys(self._kind(each) for each in schema["anyOf"]))
        kinds = schema.get("type", "any")
        listed = kinds if isinstance(kinds, list) else [kinds]
        return " or ".join(self._one_kind(each, schema) for each in listed)

    def _one_kind(self, kind: str, schema: Schema) -> str:
        if kind == "array":
            return f"list of {self._kind(schema.get('items', {}))}"
        if kind == "string" and schema.get("format") in ("date-time", "date"):
            return "time" if schema["format"] == "date-time" else "date"
        return kind

    def _limits(self, schema: Schema) -> Iterator[str]:
        if self._is_named(schema):
            return
        schema = self._resolved(schema)
        if "enum" in schema:
            yield "one of " + ", ".join(f"`{each}`" for each in schema["enum"] if each is not None)
        for low, high, noun in _RANGES:
            text = _between(schema.get(low), schema.get(high), noun)
            if text:
                yield text
        if len(schema.get("pattern", " " * 99)) <= LONGEST_PATTERN and "\\x00" not in schema["pattern"]:
            yield f"matches `{schema['pattern']}`"
        for each in (schema.get("items", {}), schema.get("additionalProperties", {})):
            if isinstance(each, dict) and each and "$ref" not in each:
                yield from (f"each: {text}" for text in self._limits(each))


_RANGES = (
    ("minimum", "maximum", ""),
    ("minLength", "maxLength", " characters"),
    ("minItems", "maxItems", " entries"),
    ("minProperties", "maxProperties", " keys"),
)


def _between(low: int | None, high: int | None, noun: str) -> str:
    if low is not None and high is not None:
        return f"{low:,} to {high:,}{noun}"
    if high is not None:
        return f"at most {high:,}{noun}"
    if low is not None:
        return f"at least {low:,}{noun}"
    return ""
