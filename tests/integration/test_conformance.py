"""What the OpenAPI document promises, thousands of generated requests find kept."""

import os

import pytest

from api import create_app, ratelimit
from common.config import current_settings, read_settings
from common.db import session
from common.services import alerts, composing, keys, quickstart, subscriptions
from tests.conformance.run import conformance

LEAST = int(os.environ.get("SENDARIX_FUZZ_CASES", "3000"))


@pytest.fixture
def token(database: None) -> str:
    keys.forget()
    composing.forget()
    with session.transaction() as connection:
        made = quickstart.prepare(connection, current_settings())["test_key"]
        connection.exec_driver_sql("UPDATE accounts SET requests_per_minute = 100000000")
    return made


@pytest.mark.timeout(3000)
def test_an_answer_is_not_what_the_document_says(token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ratelimit, "AUTH_FAILURES_PER_MINUTE", 10**8)  # it tries wrong keys by the hundred
    monkeypatch.setattr(subscriptions, "MOST_WEBHOOKS", 10**6)
    monkeypatch.setattr(alerts, "MOST", 10**6)
    result = conformance(create_app(read_settings()), token, cases=LEAST)
    shown = "\n\n".join(f"{name}\n{text}" for name, text in sorted(result.failures.items()))
    assert not result.failures, (
        f"{len(result.failures)} kinds of failures in {result.cases}, seed {result.seed}\n{shown}"
    )
    assert sum(result.cases.values()) >= LEAST, result.cases
    assert result.cases.keys() == {"examples", "coverage", "fuzzing", "stateful"}
    assert result.statuses.keys() >= {200, 201, 202, 204, 400, 401, 404, 405, 415, 422}, result.statuses
