"""One run of schemathesis, all its phases, in this process: cases sent, and what was wrong."""

import random
import re
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import uuid4

import schemathesis
from flask import Flask
from hypothesis import strategies as st
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import from_schema
from schemathesis.engine.events import FatalError, NonFatalError, ScenarioFinished
from schemathesis.generation import GenerationMode
from schemathesis.generation.meta import TestPhase
from werkzeug.serving import WSGIRequestHandler, make_server

from common import clock

FULL_FROM = 10_000
SEED = 20260419
"""Of a short run, so that it finds the same each time; a long one draws a new one and tells it with a failure."""
SHORT_SHARE = 0.1
_share = SHORT_SHARE
_chosen = random.Random()
_PLAIN = "^[ -~]*$"
SOON, LATER = "sendarix-soon", "sendarix-later"


@dataclass
class Result:
    """How many cases each phase sent, how they were answered, and each failure once."""

    seed: int
    cases: Counter[str] = field(default_factory=Counter)
    statuses: Counter[int] = field(default_factory=Counter)
    operations: Counter[str] = field(default_factory=Counter)
    failures: dict[str, str] = field(default_factory=dict)


def conformance(app: Flask, token: str, *, cases: int) -> Result:
    """Send at least so many generated requests with this key; the seed is told with a failure."""
    global _share
    _share = 1.0 if cases >= FULL_FROM else SHORT_SHARE
    schemathesis.openapi.format(SOON, _ahead(1, 10))
    schemathesis.openapi.format(LATER, _ahead(15, 25))
    with app.test_client() as client:
        raw = client.get("/openapi.json").get_json()
    operations = sum(len(item) for item in raw["paths"].values())
    config = SchemathesisConfig.from_dict(
        ({} if cases >= FULL_FROM else {"seed": SEED}) | _settings(token, max(cases * 6 // (operations * 10), 6))
    )
    schema = schemathesis.openapi.from_dict(_as_this_account_knows(raw), config=config)
    _chosen.seed(config.seed)
    result = Result(config.seed)
    with _served(app) as address:
        schema.config.update(base_url=address)
        for event in from_schema(schema).execute():
            if isinstance(event, ScenarioFinished):
                _count(result, event)
            elif isinstance(event, NonFatalError | FatalError):
                error = event.value if isinstance(event, NonFatalError) else event.exception
                result.failures[f"{getattr(event, 'label', 'run')}: {type(error).__name__}"] = str(error)[:2000]
    return result


@schemathesis.hook
def filter_case(context: Any, case: schemathesis.Case) -> bool:
    """In a short run every tenth case of the coverage phase, the same each time; `make fuzz` sends all.

    Never one that is wrong only by what this module narrowed: those are right by the document.
    """
    covers = case.meta is not None and case.meta.phase.name is TestPhase.COVERAGE
    return (not covers or _chosen.random() < _share) and not _beyond_narrowed(case)


@schemathesis.hook
def before_call(context: Any, case: schemathesis.Case, kwargs: Any) -> None:
    """Values are used again from case to case; an Idempotency-Key that is, is refused with another payload."""
    positive = case.meta is not None and case.meta.generation.mode is GenerationMode.POSITIVE
    if positive and "Idempotency-Key" in (case.headers or {}):
        case.headers["Idempotency-Key"] = str(uuid4())
    if positive and isinstance(case.body, dict | list):
        case.body = _readable(case.body)
    if positive and isinstance(case.body, dict):
        items = case.body.get("messages")
        for each in items if isinstance(items, list) else ():
            if isinstance(each, dict) and each.get("idempotency_key"):
                each["idempotency_key"] = str(uuid4())


def _beyond_narrowed(case: schemathesis.Case) -> bool:
    items = case.body.get("messages", [case.body]) if isinstance(case.body, dict) else []
    filled = [each.get("template_data") for each in items if isinstance(each, dict)] if isinstance(items, list) else []
    texts = [text for data in filled if isinstance(data, dict) for text in data.values() if isinstance(text, str)]
    return not all(re.fullmatch(_PLAIN, text) for text in texts)


def _readable(value: Any) -> Any:
    """No integer beyond 64 bits: JSON has them, and readers round them, so they are refused whatever the field."""
    if isinstance(value, dict):
        return {name: _readable(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_readable(each) for each in value]
    return value % (1 << 62) if type(value) is int and abs(value) >> 62 else value


@schemathesis.serializer("text/csv", "application/x-ndjson")
def as_text(_: Any, value: Any) -> bytes:
    """A file is any text; what its lines are worth is told by the job."""
    return str(value).encode("utf-8", "replace")


class _Quiet(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002
        pass


@contextmanager
def _served(app: Flask) -> Iterator[str]:
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=_Quiet)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()


def _ahead(least: int, most: int) -> st.SearchStrategy[str]:
    return st.integers(least * 86400, most * 86400).map(lambda s: clock.rfc3339(clock.now() + timedelta(seconds=s)))


def _settings(token: str, examples: int) -> dict[str, Any]:
    return {
        "auth": {"openapi": {"key": {"bearer": token}}},
        "continue-on-failure": True,
        "cache": {"enabled": False},
        "generation": {"max-examples": examples, "allow-x00": False, "no-shrink": True, "database": "none"},
        "phases": {"stateful": {"generation": {"max-examples": max(examples // 2, 5)}, "max-steps": 6}},
        "checks": {"max_response_time": 30},
        "operations": [
            # A cancelled message or job and a revoked key stay readable: they are ended, not deleted.
            {
                "include-path-regex": r"^/v1/(messages/\{message_id\}|api-keys/\{key_id\}|jobs/\{job_id\})",
                "checks": {"use_after_free": {"enabled": False}},
            },
            # Whether a draft can be published or filled is for its content, which a schema cannot tell; whether a test
            # needs a domain, for its source; and which parameters of a question go together, for all of them.
            {
                "include-path-regex": r"^/v1/(templates/(import|\{template\}/(publish|preview|test-send|diff))"
                r"|policy/(publish|versions/)|sources/\{source_id\}/tests$|analytics$)",
                "checks": {"positive_data_acceptance": {"enabled": False}},
            },
            # A file is any text, a JSON object too.
            {
                "include-path-regex": "^/v1/suppressions/imports$",
                "checks": {"negative_data_rejection": {"enabled": False}},
            },
            # What is suppressed already keeps its reason, so it is no unsubscribe.
            {
                "include-path-regex": "^/v1/unsubscribes/",
                "checks": {"ensure_resource_availability": {"enabled": False}},
            },
        ],
    }


def _as_this_account_knows(raw: dict[str, Any]) -> dict[str, Any]:
    """The document, narrowed to what exists: a schema cannot know the clock, an account's templates or its cursors."""
    del raw["paths"]["/v1/events/stream"]  # its answer has no end
    for item in raw["paths"].values():
        for operation in item.values():
            operation["parameters"] = [
                each for each in operation["parameters"] if each.get("name") not in ("cursor", "wait")
            ]
    samples = raw["paths"]["/v1/messages"]["post"]["requestBody"]["content"]["application/json"]["examples"]
    del samples["template"]["value"]["headers"]  # its Idempotency-Key differs from the one that is generated
    shapes = raw["components"]["schemas"]
    for shape in (
        "SuppressionIn",
        "UnsubscribeIn",
        "HoldIn",
        "PauseIn",
        *(name for name in shapes if name.startswith("ApiKey")),
    ):
        moment = shapes[shape]["properties"].get("expires_at")
        if moment is not None:
            moment["format"] = SOON
    shapes["RescheduleIn"]["properties"]["scheduled_time"]["format"] = SOON
    for name in ("MessageIn", "MessageItemIn", "RoutingExplainIn"):
        _narrow(shapes[name])
    return raw


def _narrow(message: dict[str, Any]) -> None:
    message["properties"]["scheduled_time"]["format"] = SOON
    message["properties"]["expires_at"]["format"] = LATER
    with_template = message["anyOf"][0]
    with_template["required"] = sorted({*with_template["required"], "template", "template_data"})
    text = {"type": "string", "pattern": _PLAIN}
    with_template["properties"] |= {
        "template": {"enum": ["otp-code"]},
        "template_data": {
            "type": "object",
            "required": ["code", "expires_in"],
            "properties": {"code": text, "expires_in": text},
            "additionalProperties": False,
        },
    }


def _count(result: Result, event: ScenarioFinished) -> None:
    recorder = event.recorder
    result.cases[event.phase.value] += len(recorder.interactions)
    for case_id, interaction in recorder.interactions.items():
        if interaction.response is not None:
            result.statuses[interaction.response.status_code] += 1
        node = recorder.cases.get(case_id)
        if node is not None:
            result.operations[node.value.operation.label] += 1
    for case_id, checks in recorder.checks.items():
        for check in checks:
            info = check.failure_info
            if info is not None:
                label = f"{event.phase.value} {recorder.label} {check.name}: {info.failure.title}"
                interaction = recorder.interactions.get(case_id)
                answer = interaction.response.content[:400] if interaction and interaction.response else b""
                result.failures.setdefault(label, f"{info.failure.message}\n{info.code_sample}\n{answer!r}"[:3000])
