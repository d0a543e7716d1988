"""Marshmallow shapes as JSON Schema, through apispec; our own fields describe themselves.

Never here: paths and operations (document.py).
"""

from typing import Any

from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin
from apispec.ext.marshmallow.openapi import OpenAPIConverter
from marshmallow import Schema, fields

from api.v1.schemas.batches import Items
from api.v1.schemas.fields import MAILBOX, Coded, In


class _Converter(OpenAPIConverter):
    def schema2jsonschema(self, schema: Schema) -> dict[str, Any]:
        """The fields, and what apispec does not know: the sentence of the shape and rules across fields."""
        found: dict[str, Any] = super().schema2jsonschema(schema)  # type: ignore[no-untyped-call]
        sentence = type(schema).__dict__.get("__doc__")
        if sentence:
            found["description"] = " ".join(sentence.split())
        if isinstance(schema, In):
            found |= schema.together
        return found


def _describe(_: OpenAPIConverter, field: fields.Field[Any], **__: Any) -> dict[str, Any]:
    if not isinstance(field, Coded | Items):
        return {}
    found = _refer(field.describe())
    if isinstance(field.parent, In) and not field.required:
        found = _or_null(found)  # `load` takes null for absent
    return found


NAMED = {"Mailbox": MAILBOX}


def _refer(found: dict[str, Any]) -> dict[str, Any]:
    """Schemas that many fields share become references."""
    for name, schema in NAMED.items():
        if found is schema:
            return {"$ref": f"#/components/schemas/{name}"}
    return {key: _refer_in(value) for key, value in found.items()}


def _refer_in(value: Any) -> Any:
    if isinstance(value, list):
        return [_refer_in(each) for each in value]
    return _refer(value) if isinstance(value, dict) else value


def _or_null(found: dict[str, Any]) -> dict[str, Any]:
    if "$ref" in found:
        return {"anyOf": [found, {"type": "null"}]}
    if "anyOf" in found:
        return found | {"anyOf": [*found["anyOf"], {"type": "null"}]}
    if "enum" in found:
        found = found | {"enum": [*found["enum"], None]}
    kinds = found.get("type")
    if kinds is None:
        return found
    listed = kinds if isinstance(kinds, list) else [kinds]
    return found | {"type": [*listed, "null"]} if "null" not in listed else found


def _name(shape: type[Schema] | Schema) -> str:
    kind = shape if isinstance(shape, type) else type(shape)
    return kind.__name__.removesuffix("Out")


class Shapes:
    """The schemas of one document; each shape is written once and referred to."""

    def __init__(self) -> None:
        plugin = MarshmallowPlugin(schema_name_resolver=_name)
        plugin.Converter = _Converter
        self._spec = APISpec("", "", "3.1.0", plugins=[plugin])
        assert plugin.converter is not None
        self._converter = plugin.converter
        self._converter.add_attribute_function(_describe)  # type: ignore[no-untyped-call]

    def reference(self, shape: type[Schema]) -> dict[str, Any]:
        """A `$ref` to the shape."""
        found: dict[str, Any] = self._converter.resolve_nested_schema(shape)  # type: ignore[no-untyped-call]
        return found

    @property
    def schemas(self) -> dict[str, Any]:
        """Every shape referred to so far, by name."""
        return {**NAMED, **self._spec.components.schemas}


def example_of(shape: type[Schema]) -> dict[str, Any]:
    """One example of a shape, put together from those of its fields."""
    found = {}
    for name, field in shape().fields.items():
        if field.required or "examples" in field.metadata:
            found[field.data_key or name] = _example(field)
    return found | getattr(shape, "sample", {})


def _example(field: fields.Field[Any]) -> Any:
    if "examples" in field.metadata:
        return field.metadata["examples"][0]
    if field.allow_none:
        return None
    if isinstance(field, fields.Nested):
        return example_of(type(field.schema))
    if isinstance(field, fields.List):
        return [_example(field.inner)]
    if isinstance(field, fields.Boolean):
        return False
    if isinstance(field, fields.Integer | fields.Float):
        return 1
    return {} if isinstance(field, fields.Dict) else "…"
