"""The OpenAPI 3.1 document: read off the routes, their contracts, shapes and scopes. Built once per process.

Never here: a fact about one route. Those stand beside the route (contract.py) or in its shapes.
"""

import hashlib
import re
import sys
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

import orjson
from flask import Blueprint, Flask, Response, current_app, request
from werkzeug.routing import Rule

from api.auth import public
from api.contract import Contract, Media, Parameter, Shape, Taken, contract
from api.openapi import parts
from api.openapi.links import links
from api.openapi.shapes import Shapes, example_of
from api.problems import PROBLEMS
from api.query import IDS

blueprint = Blueprint("openapi", __name__)

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


@blueprint.get("/openapi.json")
@public
@contract(answers={200: Media("application/json", "The OpenAPI 3.1 document.")})
def read_openapi() -> Response:
    """This document."""
    body, tag = _written(current_app._get_current_object())  # type: ignore[attr-defined]
    response = Response(body, mimetype="application/json")
    response.set_etag(tag)
    response.headers["Cache-Control"] = "no-cache"
    response.make_conditional(request)
    return response


@lru_cache(maxsize=4)
def _written(app: Flask) -> tuple[bytes, str]:
    body = orjson.dumps(document(app))
    return body, hashlib.sha256(body).hexdigest()[:32]


@lru_cache(maxsize=4)
def document(app: Flask) -> dict[str, Any]:
    """The whole document of an application. Its routes do not change, so it is built once."""
    shapes, refusals = Shapes(), parts.Refusals()
    routes = sorted(described(app), key=lambda each: each[0].rule)
    paths: dict[str, Any] = {}
    for rule, view in routes:
        for method in METHODS:
            if method in (rule.methods or ()):
                paths.setdefault(path_of(rule), {})[method.lower()] = _operation(shapes, refusals, rule, view)
    found = {
        "openapi": "3.1.0",
        "info": parts.INFO,
        "servers": [{"url": "/", "description": "This installation."}],
        "tags": sorted(_tags(app), key=lambda each: each["name"]),
        "paths": paths,
        "components": parts.components(shapes.schemas, refusals),
    }
    _link(found, routes)
    return found


def described(app: Flask) -> Iterator[tuple[Rule, Callable[..., Any]]]:
    """Every route with a contract."""
    for rule in app.url_map.iter_rules():
        view = app.view_functions[rule.endpoint]
        if hasattr(view, "contract"):
            yield rule, view


def path_of(rule: Rule) -> str:
    """`/v1/messages/<message_id>` as `/v1/messages/{message_id}`."""
    return re.sub(r"<(?:[^:<>]+:)?([^<>]+)>", r"{\1}", rule.rule)


def _tags(app: Flask) -> Iterator[dict[str, str]]:
    for name in {_tag(rule): rule for rule, _ in described(app)}:
        told = sys.modules[app.blueprints[name].import_name].__doc__ if name in app.blueprints else name
        yield {"name": name, "description": " ".join((told or "").partition("\n\n")[0].split())}


def _tag(rule: Rule) -> str:
    """The noun in the path; it is the name of the blueprint that describes it. Otherwise the route's own blueprint."""
    _, version, noun, *_ = [*rule.rule.split("/"), "", ""]
    return noun.replace("-", "_") if version == "v1" else str(rule.endpoint.partition(".")[0])


def _name(rule: Rule) -> str:
    return str(rule.endpoint).rpartition(".")[2]


def _operation(shapes: Shapes, refusals: parts.Refusals, rule: Rule, view: Any) -> dict[str, Any]:
    found: Contract = view.contract
    text = " ".join((view.__doc__ or "").split())
    scope = getattr(view, "scope", None)
    idempotent = bool(getattr(view, "idempotent", False))
    operation: dict[str, Any] = {
        "operationId": _name(rule),
        "tags": [_tag(rule)],
        "summary": text.partition(". ")[0].rstrip("."),
        "description": text + (f"\n\nNeeds the scope `{scope}`." if scope else "\n\nNeeds no key."),
        "security": [{"key": [scope]}] if scope else [],
        "parameters": [*_path_parameters(rule, found), *_query_parameters(found)],
        "responses": _answers(shapes, found, idempotent),
    }
    _refuse(operation["responses"], refusals, _codes(rule, found, scope, idempotent))
    if idempotent:
        operation["parameters"].append({"$ref": "#/components/parameters/IdempotencyKey"})
    if found.takes is not None:
        operation["requestBody"] = _body(shapes, found.takes)
    return operation


def _path_parameters(rule: Rule, found: Contract) -> Iterator[dict[str, Any]]:
    for name in sorted(rule.arguments):
        if name in found.path:
            told = found.path[name]
            yield _parameter(told, "path") | {"required": True}
        else:
            prefix, noun = IDS[name]
            yield {
                "name": name,
                "in": "path",
                "required": True,
                "description": f"The id of the {noun}.",
                "schema": {"type": "string", "pattern": parts.id_pattern(prefix)},
                "example": parts.id_example(prefix),
            }


def _query_parameters(found: Contract) -> Iterator[dict[str, Any]]:
    for each in found.query:
        yield _parameter(each, "query")


def _parameter(told: Parameter, where: str) -> dict[str, Any]:
    schema = dict(told.schema)
    parameter: dict[str, Any] = {"name": told.name, "in": where, "description": told.sentence, "schema": schema}
    if told.required:
        parameter["required"] = True
    if told.keyed:
        family = {"type": "object", "additionalProperties": schema}
        parameter |= {"schema": family, "style": "deepObject", "explode": True}
    if told.repeatable:
        parameter |= {"schema": {"type": "array", "items": schema}, "style": "form", "explode": True}
    return parameter


def _body(shapes: Shapes, takes: Taken) -> dict[str, Any]:
    media = takes if isinstance(takes, tuple) else (takes,) if isinstance(takes, Media) else ()
    if media:
        content = {each.type: {"schema": {"type": "string"}} for each in media}
        sentence = " ".join(f"`{each.type}`: {each.sentence}" for each in media)
        return {"required": True, "description": sentence, "content": content}
    assert isinstance(takes, type)
    samples = getattr(takes, "samples", None) or {"example": example_of(takes)}
    return {
        "required": True,
        "content": {
            "application/json": {
                "schema": shapes.reference(takes),
                "examples": {name: {"value": value} for name, value in samples.items()},
            }
        },
    }


def _codes(rule: Rule, found: Contract, scope: str | None, idempotent: bool) -> list[str]:
    codes = ["invalid_parameter", "invalid_request", "rate_limited", "internal_error", "unavailable", *found.errors]
    if scope:
        codes += ["missing_api_key", "invalid_api_key", "expired_api_key", "insufficient_scope", "ip_not_allowed"]
        codes.append("https_required")
    if rule.arguments:
        codes.append("not_found")
    if found.takes is not None:
        codes += ["payload_too_large", "unsupported_media_type", "request_timeout", "overloaded"]
    if isinstance(found.takes, type):
        codes += ["invalid_json", "json_too_complex", "validation_error"]
    if idempotent:
        codes += [code for code in PROBLEMS if code.startswith("idempotency_")]
    return [code for code in PROBLEMS if code in codes]


def _answers(shapes: Shapes, found: Contract, idempotent: bool) -> dict[str, Any]:
    answers = {str(status): _answer(shapes, status, shape) for status, shape in found.answers.items()}
    if idempotent:
        for answer in answers.values():
            answer["headers"]["Idempotent-Replayed"] = {"$ref": "#/components/headers/IdempotentReplayed"}
    return answers


def _refuse(answers: dict[str, Any], refusals: parts.Refusals, codes: list[str]) -> None:
    for status in sorted({PROBLEMS[code].status for code in codes}):
        of_status = tuple(code for code in codes if PROBLEMS[code].status == status)
        if str(status) in answers:  # /readyz answers 503 in its own shape as well
            answers[str(status)]["content"] |= parts.refusal(status, of_status)["content"]
        else:
            answers[str(status)] = refusals.reference(status, of_status)


def _answer(shapes: Shapes, status: int, shape: Shape) -> dict[str, Any]:
    answer: dict[str, Any] = {"description": parts.SUCCESS.get(status, "An error."), "headers": parts.common_headers()}
    if isinstance(shape, tuple):
        answer = _answer(shapes, status, shape[0])
        answer["content"][shape[1].type] = {"schema": {"type": "string", "description": shape[1].sentence}}
    elif isinstance(shape, Media):
        answer["description"] = shape.sentence
        answer["content"] = {shape.type: {"schema": {"type": ["string", "object"]}}}
    elif shape is not None:
        answer["content"] = {
            "application/json": {"schema": shapes.reference(shape), "example": example_of(shape)},
        }
        if shape.__name__.endswith("Page"):
            answer["headers"]["Link"] = {"$ref": "#/components/headers/Link"}
    return answer


def _link(found: dict[str, Any], routes: list[tuple[Rule, Any]]) -> None:
    takers: dict[str, list[tuple[str, str]]] = {}
    for rule, view in routes:
        for name in rule.arguments:
            told = view.contract.path.get(name)
            prefix = told.id_of if told else IDS[name][0]
            takers.setdefault(prefix, []).append((name, _name(rule)))
    for item in found["paths"].values():
        for operation in item.values():
            for status, answer in operation["responses"].items():
                if status.startswith("2"):
                    linked = links(found, answer, takers, operation["operationId"])
                    answer |= {"links": linked} if linked else {}
