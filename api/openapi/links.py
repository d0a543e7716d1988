"""OpenAPI links: from each answer that shows an id to every operation that takes one in its path."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

_PREFIX = re.compile(r"\^([a-z]+)_\[0-7\]")
Takers = Mapping[str, list[tuple[str, str]]]


def links(document: Mapping[str, Any], answer: Mapping[str, Any], takers: Takers, own: str) -> dict[str, Any]:
    """The links of one answer. `takers` maps the prefix of an id to (parameter, operationId)."""
    schema = answer.get("content", {}).get("application/json", {}).get("schema", {})
    found: dict[str, Any] = {}
    for prefix, pointer in _shown_ids(document, schema):
        for parameter, operation in takers.get(prefix, ()):
            if operation != own:
                found.setdefault(
                    operation,
                    {
                        "operationId": operation,
                        "parameters": {parameter: f"$response.body#{pointer}"},
                        "description": f"The id at `{pointer}` is the `{parameter}` of this operation.",
                    },
                )
    return found


def _shown_ids(document: Mapping[str, Any], schema: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    properties = _resolve(document, schema).get("properties", {})
    yield from _own_ids(properties, "")
    items = properties.get("data", {}).get("items")
    if items is not None:
        yield from _own_ids(_resolve(document, items).get("properties", {}), "/data/0")


def _own_ids(properties: Mapping[str, Any], base: str) -> Iterator[tuple[str, str]]:
    for name, kind in properties.items():
        prefix = _PREFIX.match(kind.get("pattern", ""))
        if prefix and kind.get("type") == "string":
            yield prefix[1], f"{base}/{name}"


def _resolve(document: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = schema
    if "$ref" in schema:
        found = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return found
