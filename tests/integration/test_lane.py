"""The short way and the application give the same answers, and count, write and tell nothing twice."""

from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from flask.testing import FlaskClient
from redis import Redis

from api import create_app, lane
from common.config import current_settings, read_settings
from common.db import session
from common.services import accepting, composing, keys, quickstart

LONG = "application/json; charset=utf-8"
"""The same media type in a form that the short way leaves to the application."""
OWN = ("X-Request-Id", "X-RateLimit-Remaining", "RateLimit")


@pytest.fixture
def client(database: None, engines: Any) -> Iterator[FlaskClient]:
    Redis.from_url(engines.redis_url).flushdb()
    keys.forget()
    composing.forget()
    with session.transaction() as connection:
        made = quickstart.prepare(connection, current_settings())
    client = create_app(read_settings()).test_client()
    client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {made['live_key']}"
    yield client
    keys.forget()
    composing.forget()


def simple(**fields: Any) -> bytes:
    return orjson.dumps({"recipient": "user@example.com", "subject": "Hello", "text": "Hi", **fields})


def post(client: FlaskClient, body: bytes, kind: str = "application/json", **headers: str) -> Any:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.post("/v1/messages", data=body, content_type=kind, headers=sent)


CASES: dict[str, tuple[bytes, dict[str, str]]] = {
    "right": (simple(), {}),
    "with everything": (
        simple(**{"from": "A <a@example.com>", "cc": "b@example.org", "metadata": {"n": 1}, "tags": ["x"], "ttl": 60}),
        {"X_Request_Id": "theirs-1"},
    ),
    "a template": (
        orjson.dumps(
            {"recipient": "u@example.com", "template": "otp-code", "template_data": {"code": "1", "expires_in": "5 m"}}
        ),
        {},
    ),
    "scheduled": (simple(scheduled_time="2026-01-01T00:00:00Z"), {}),
    "not JSON": (b"{", {}),
    "not an object": (b"[]", {}),
    "a key twice": (b'{"recipient":"a@example.com","recipient":"b@example.com"}', {}),
    "an unknown field": (simple(recipeint="x"), {}),
    "a wrong address": (simple(recipient="x"), {}),
    "a missing variable": (orjson.dumps({"recipient": "u@example.com", "template": "otp-code"}), {}),
    "a stranger's domain": (simple(**{"from": "a@elsewhere.example"}), {}),
    "a bad key": (simple(), {"Authorization": "Bearer sk_live_wrong"}),
    "no key": (simple(), {"Authorization": ""}),
    "two Idempotency-Keys": (simple(), {"Idempotency_Key": "a", "X_Idempotency_Key": "b"}),
    "a bad Idempotency-Key": (simple(), {"Idempotency_Key": "\x7f"}),
    "compressed": (simple(), {"Content_Encoding": "gzip"}),
    "a NUL": (simple(subject="a\x00b"), {}),
}


@pytest.mark.parametrize("case", CASES)
def test_both_ways_answer_alike(client: FlaskClient, case: str) -> None:
    body, headers = CASES[case]
    quick, slow = post(client, body, **headers), post(client, body, LONG, **headers)
    assert quick.status_code == slow.status_code
    if quick.status_code < 300:
        assert set(quick.json) == set(slow.json)
    else:
        told, expected = orjson.loads(quick.data), orjson.loads(slow.data)
        assert told.pop("request_id") == quick.headers["X-Request-Id"]
        expected.pop("request_id")
        assert told == expected
    assert sorted(quick.headers.keys()) == sorted(slow.headers.keys())
    for name in set(quick.headers.keys()) - {*OWN, "Content-Length", "X-RateLimit-Reset", "Retry-After"}:
        assert quick.headers[name] == slow.headers[name]


def test_a_replay_crosses_the_ways(client: FlaskClient) -> None:
    first = post(client, simple(), Idempotency_Key="k1")
    again = post(client, simple(), LONG, X_Idempotency_Key="k1")
    once_more = post(client, simple(), Idempotency_Key="k1")
    assert first.data == again.data == once_more.data
    assert [each.headers.get("Idempotent-Replayed") for each in (first, again, once_more)] == [None, "true", "true"]
    assert post(client, simple(subject="Other"), Idempotency_Key="k1").status_code == 422


@pytest.mark.parametrize("body", [simple(), simple(**{"from": "a@elsewhere.example"}), b"{", simple(unknown=1)])
def test_each_request_is_counted_once(client: FlaskClient, body: bytes) -> None:
    before = int(post(client, simple(), LONG).headers["X-RateLimit-Remaining"])
    assert int(post(client, body).headers["X-RateLimit-Remaining"]) == before - 1


def test_a_refused_quota_is_told_by_the_application(client: FlaskClient, engines: Any) -> None:
    with session.transaction() as connection:
        connection.exec_driver_sql("UPDATE accounts SET requests_per_minute = 1")
    keys.forget()
    assert post(client, simple()).status_code == 202
    refused = post(client, simple())
    assert refused.status_code == 429
    assert orjson.loads(refused.data)["code"] == "rate_limited"
    assert int(refused.headers["Retry-After"]) > 0


def test_a_body_over_the_short_way_is_read_whole(client: FlaskClient) -> None:
    assert post(client, simple(html="x" * (lane.MOST_BYTES + 1))).status_code == 202


def test_a_right_message_never_meets_the_framework(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise AssertionError("the application was asked")

    monkeypatch.setattr(client.application, "dispatch_request", broken)
    assert post(client, simple()).status_code == 202


def test_a_surprise_in_the_verb_is_a_problem_of_ours(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise RuntimeError("surprise")

    monkeypatch.setattr(lane, "accept", broken)
    answer = post(client, simple())
    assert answer.status_code == 500
    assert orjson.loads(answer.data)["request_id"] == answer.headers["X-Request-Id"]


def test_whoever_waits_for_a_writer_gives_up_in_time(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accepting, "WAIT_SECONDS", 0.01)
    busy = accepting.committer()
    busy._writing = True
    try:
        answer = post(client, simple())
    finally:
        busy._hand_over()
    assert answer.status_code == 503
    assert post(client, simple()).status_code == 202
