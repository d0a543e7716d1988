"""The OpenAPI document: valid, complete, and its examples are what it says."""

import json
import subprocess
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate

from api import create_app
from api.openapi.document import METHODS, document, path_of
from common.config import read_settings
from tests import peers

APP = create_app(read_settings({}))
DOCUMENT = document(APP)
OPERATIONS = {operation["operationId"]: operation for item in DOCUMENT["paths"].values() for operation in item.values()}
LIMIT_HEADERS = {"X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset", "X-Request-Id"}


def resolved(found: dict[str, Any]) -> dict[str, Any]:
    if "$ref" not in found:
        return found
    target: Any = DOCUMENT
    for step in found["$ref"].removeprefix("#/").split("/"):
        target = target[step]
    return target


def examples(of: dict[str, Any]) -> Iterator[tuple[dict[str, Any], Any]]:
    """Every schema with each of its examples."""
    for media in of.get("content", {}).values():
        if "example" in media:
            yield media["schema"], media["example"]
        for each in media.get("examples", {}).values():
            yield media["schema"], resolved(each)["value"]


def test_the_document_is_not_openapi() -> None:
    validate(DOCUMENT)


def test_a_linter_finds_a_fault(tmp_path: Path) -> None:
    peers.require("@stoplight/spectral-cli")
    (tmp_path / "openapi.json").write_text(json.dumps(DOCUMENT))
    command = [peers.HOME / "node_modules/.bin/spectral", "lint", "--fail-severity", "warn"]
    ran = subprocess.run(
        [*command, "--ruleset", peers.HOME / "spectral.yaml", tmp_path / "openapi.json"],
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_a_route_is_missing() -> None:
    for rule in APP.url_map.iter_rules():
        if rule.rule.startswith("/v1"):
            for method in (rule.methods or set()) & set(METHODS):
                assert method.lower() in DOCUMENT["paths"][path_of(rule)], f"{method} {rule.rule}"


def test_two_operations_have_one_name() -> None:
    names = [operation["operationId"] for item in DOCUMENT["paths"].values() for operation in item.values()]
    assert len(names) == len(set(names)), "name the view functions apart: generated clients use these names"


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_example_is_not_what_its_schema_says(name: str) -> None:
    operation = OPERATIONS[name]
    bodies = [operation.get("requestBody", {}), *map(resolved, operation["responses"].values())]
    for body in bodies:
        for schema, example in examples(body):
            whole = {**schema, "components": DOCUMENT["components"]}
            Draft202012Validator(whole, format_checker=Draft202012Validator.FORMAT_CHECKER).validate(example)


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_answer_does_not_tell_its_headers(name: str) -> None:
    operation = OPERATIONS[name]
    for status, answer in operation["responses"].items():
        headers = set(resolved(answer)["headers"])
        assert headers >= LIMIT_HEADERS, status
        if status in ("429", "503") and "$ref" in answer:
            assert "Retry-After" in headers
    assert {"400", "429", "500", "503"} <= operation["responses"].keys()
    assert bool(operation["security"]) == ("401" in operation["responses"])


def test_a_send_does_not_offer_an_idempotency_key() -> None:
    send = OPERATIONS["send_message"]
    assert {"$ref": "#/components/parameters/IdempotencyKey"} in send["parameters"]
    assert "Idempotent-Replayed" in send["responses"]["202"]["headers"]
    assert {"409", "413", "415", "422"} <= send["responses"].keys()


def test_an_accepted_message_does_not_lead_on() -> None:
    links = OPERATIONS["send_message"]["responses"]["202"]["links"]
    assert {"read_message", "cancel_message", "list_message_events"} <= links.keys()
    assert links["read_message"]["parameters"] == {"message_id": "$response.body#/message_id"}


def test_the_printed_request_is_not_an_example() -> None:
    samples = OPERATIONS["send_message"]["requestBody"]["content"]["application/json"]["examples"]
    assert samples["template"]["value"]["headers"] == {"X-Idempotency-Key": "uuid-v4-here"}


@pytest.fixture
def client() -> FlaskClient:
    return APP.test_client()


def test_an_unchanged_document_is_sent_again(client: FlaskClient) -> None:
    first = client.get("/openapi.json")
    assert first.status_code == 200 and first.json == json.loads(json.dumps(DOCUMENT))
    again = client.get("/openapi.json", headers={"If-None-Match": first.headers["ETag"]})
    assert again.status_code == 304 and again.data == b""


def test_two_shapes_share_a_name() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        document.__wrapped__(APP)
