"""The operations of an OpenAPI document, as the reference pages show them. Never here: HTML, or facts of its own."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from api.docs.fields import Fields, Row
from api.docs.samples import Call, pretty, samples
from api.problems import PROBLEMS

_CAPITALS = {"api": "API", "openapi": "OpenAPI", "smtp": "SMTP", "dns": "DNS", "tls": "TLS"}


@dataclass(frozen=True, slots=True)
class Answer:
    """A success: `example` is text, empty for an empty body."""

    status: str
    sentence: str
    example: str
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Request:
    """One example of a request in every language."""

    title: str
    languages: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Operation:
    name: str
    group: str
    method: str
    path: str
    summary: str
    description: str
    scope: str
    parameters: tuple[tuple[str, Row], ...]
    body: tuple[Row, ...]
    body_sentence: str
    requests: tuple[Request, ...]
    answers: tuple[Answer, ...]
    codes: tuple[str, ...]

    @property
    def words(self) -> str:
        """What a search finds it by, beside what it is."""
        names = [row.name for _, row in self.parameters] + [row.name for row in self.body]
        return f"{self.name} {self.scope} {' '.join(names)}"


@dataclass(frozen=True, slots=True)
class Group:
    name: str
    title: str
    sentence: str
    operations: tuple[Operation, ...]


def read(document: Mapping[str, Any]) -> list[Group]:
    """Every group that has operations, by title."""
    reader = _Reader(document)
    by_tag: dict[str, list[Operation]] = {}
    for path, item in document["paths"].items():
        for method, told in item.items():
            by_tag.setdefault(told["tags"][0], []).append(reader.operation(path, method.upper(), told))
    groups = [
        Group(tag["name"], _title(tag["name"]), _sentence(tag["description"]), tuple(by_tag[tag["name"]]))
        for tag in document["tags"]
        if tag["name"] in by_tag
    ]
    return sorted(groups, key=lambda each: each.title.lower())


def _title(tag: str) -> str:
    first, *rest = tag.split("_")
    return " ".join([_CAPITALS.get(first, first.capitalize()), *rest])


def _sentence(description: str) -> str:
    """`Messages: send, list.` stands under that title: without it."""
    head, colon, rest = description.partition(": ")
    return rest[:1].upper() + rest[1:] if colon and len(head) < 60 else description


class _Reader:
    def __init__(self, document: Mapping[str, Any]) -> None:
        self._components = document["components"]
        self._fields = Fields(self._components["schemas"])

    def operation(self, path: str, method: str, told: Mapping[str, Any]) -> Operation:
        parameters = [self._component(each) for each in told["parameters"]]
        body, sentence = self._body(told.get("requestBody", {}))
        scopes = told["security"][0]["key"] if told["security"] else [""]
        return Operation(
            name=told["operationId"],
            group=told["tags"][0],
            method=method,
            path=path,
            summary=told["summary"],
            description=told["description"].rpartition("\n\n")[0],
            scope=scopes[0],
            parameters=tuple((each["in"], self._parameter(each)) for each in parameters),
            body=body,
            body_sentence=sentence,
            requests=tuple(self._requests(path, method, told, parameters)),
            answers=tuple(self._answers(told["responses"])),
            codes=tuple(self._codes(told["responses"])),
        )

    def _component(self, told: Mapping[str, Any]) -> Mapping[str, Any]:
        if "$ref" in told:
            *_, kind, name = told["$ref"].split("/")
            found: Mapping[str, Any] = self._components[kind][name]
            return found
        return told

    def _parameter(self, told: Mapping[str, Any]) -> Row:
        schema = dict(told["schema"]) | {"description": told.get("description", "")}
        return self._fields.row(told["name"], schema, told.get("required", False))

    def _body(self, told: Mapping[str, Any]) -> tuple[tuple[Row, ...], str]:
        content = told.get("content", {})
        if "application/json" in content:
            return tuple(self._fields.rows(content["application/json"]["schema"])), ""
        named = ", ".join(f"`{media}`" for media in content)
        return (), f"{named}: {told.get('description', '')}" if named else ""

    def _requests(
        self, path: str, method: str, told: Mapping[str, Any], parameters: list[Mapping[str, Any]]
    ) -> Iterator[Request]:
        filled = _filled(path, parameters)
        keyed = bool(told["security"])
        idempotent = any(each["name"] == "Idempotency-Key" for each in parameters)
        content = told.get("requestBody", {}).get("content", {})
        examples = content.get("application/json", {}).get("examples", {})
        for name, each in examples.items():
            call = Call(method, filled, each["value"], keyed=keyed, idempotent=idempotent)
            yield Request("" if len(examples) == 1 else name.replace("_", " ").capitalize(), samples(call))
        if not examples:
            yield Request("", samples(Call(method, filled, None, next(iter(content), ""), keyed, idempotent)))

    def _answers(self, responses: Mapping[str, Any]) -> Iterator[Answer]:
        for status, told in sorted(responses.items()):
            if status.startswith("2"):
                content = told.get("content", {}).get("application/json", {})
                example = pretty(content["example"]) if "example" in content else ""
                rows = tuple(self._fields.rows(content["schema"])) if example else ()
                yield Answer(status, told["description"], example, rows)

    def _codes(self, responses: Mapping[str, Any]) -> list[str]:
        found: set[str] = set()
        for told in responses.values():
            found |= (
                self._component(told).get("content", {}).get("application/problem+json", {}).get("examples", {}).keys()
            )
        return [code for code in PROBLEMS if code in found]


def _filled(path: str, parameters: list[Mapping[str, Any]]) -> str:
    examples = {each["name"]: _example(each) for each in parameters if each["in"] == "path"}
    filled = re.sub(r"{([^}]+)}", lambda match: examples[match[1]], path)
    needed = [
        f"{each['name']}={_example(each)}" for each in parameters if each["in"] == "query" and each.get("required")
    ]
    return filled + ("?" + "&".join(needed) if needed else "")


def _example(told: Mapping[str, Any]) -> str:
    schema = told["schema"]
    given = told.get("example") or next(iter(schema.get("examples", schema.get("enum", ()))), None)
    return str(given or f"<{told['name']}>")
