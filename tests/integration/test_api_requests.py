"""The HTTP contract over real engines: codes, headers, error shape, idempotency, quotas."""

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import orjson
import pytest
from flask.testing import FlaskClient

from api import create_app
from common import clock
from common.config import current_settings, read_settings
from common.db import session
from common.services import composing, keys, quickstart

PRINTED = b"""{
"recipient": "user@example.com",
"subject": "Your verification code",
"template": "otp-code",
"template_data": {
"code": "847291",
"expires_in": "5 minutes"
},
"headers": {
"X-Idempotency-Key": "uuid-v4-here"
}
}"""


@pytest.fixture
def tokens(database: None) -> Iterator[dict[str, str]]:
    keys.forget()
    composing.forget()
    with session.transaction() as connection:
        made = quickstart.prepare(connection, current_settings())
    yield made
    keys.forget()


@pytest.fixture
def client(tokens: dict[str, str], engines: Any) -> FlaskClient:
    client = create_app(read_settings(mailbox_page=True)).test_client()
    client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {tokens['live_key']}"
    return client


@pytest.fixture(autouse=True)
def empty_limits(engines: Any) -> None:
    from redis import Redis  # noqa: PLC0415

    Redis.from_url(engines.redis_url).flushdb()


def post(client: FlaskClient, body: Any, **headers: str) -> Any:
    raw = body if isinstance(body, bytes) else orjson.dumps(body)
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.post("/v1/messages", data=raw, content_type="application/json", headers=sent)


def simple(**fields: Any) -> dict[str, Any]:
    return {"recipient": "user@example.com", "subject": "Hello", "text": "Hi", **fields}


def test_the_printed_request_succeeds_byte_for_byte(client: FlaskClient) -> None:
    answer = post(client, PRINTED)
    assert answer.status_code == 202, answer.data
    assert set(answer.json) == {"message_id", "status", "recipient", "created_at"}
    assert re.fullmatch(r"msg_[0-7][0-9a-hjkmnp-tv-z]{25}", answer.json["message_id"])
    assert answer.json["status"] == "queued"
    again = post(client, PRINTED)
    assert again.data == answer.data
    assert again.headers["Idempotent-Replayed"] == "true"


def test_every_answer_carries_quota_request_id_and_version(client: FlaskClient, tokens: dict[str, str]) -> None:
    answers = [
        post(client, simple()),
        post(client, b"{"),
        client.get("/v1/messages"),
        client.get("/nowhere"),
        client.put("/v1/messages"),
        client.options("/v1/messages"),
        client.get("/healthz"),
        client.get("/v1/messages", headers={"Authorization": "Bearer wrong"}),
    ]
    assert [answer.status_code for answer in answers] == [202, 400, 200, 404, 405, 405, 200, 401]
    for answer in answers:
        for name in ("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset", "Sendarix-Version"):
            assert name in answer.headers, (answer.status_code, name)
        assert answer.headers["X-Request-Id"].startswith("req_")
        if answer.status_code >= 400:
            assert answer.mimetype == "application/problem+json"
            assert {"type", "title", "status", "detail", "instance", "code", "request_id", "retryable"} <= set(
                orjson.loads(answer.data)
            )
    assert answers[0].headers["X-RateLimit-Limit"] == "1000"
    assert "POST" in answers[4].headers["Allow"]
    assert answers[7].headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "invalid_json"),
        (b"[]", "invalid_json"),
        (b'{"a":NaN}', "invalid_json"),
        (b'{"a":1,"a":2}', "invalid_json"),
        (b'{"a\\\\":1,"a\\\\":2}', "invalid_json"),
        (b'{"subject":"\\u0000"}', "invalid_json"),
        (b'{"subject":"\\ud800"}', "invalid_json"),
        (b'{"subject":"\xff"}', "invalid_json"),
        (b'{"a":' + b"[" * 40 + b"]" * 40 + b"}", "json_too_complex"),
        (b"[" * 200_001, "json_too_complex"),
    ],
)
def test_what_cannot_be_read_is_400(client: FlaskClient, body: bytes, code: str) -> None:
    answer = post(client, body)
    assert answer.status_code == 400
    assert orjson.loads(answer.data)["code"] == code


@pytest.mark.parametrize(
    ("changes", "field", "code"),
    [
        ({"recipient": None}, "recipient", "required"),
        ({"recipient": "nobody"}, "recipient", "invalid_email"),
        ({"recipient": 7}, "recipient", "invalid_type"),
        ({"from": "x"}, "from", "invalid_email"),
        ({"scheduled_at": "2026-01-01T00:00:00Z"}, "scheduled_at", "unknown_field"),
        ({"scheduled_time": "2026-01-01T00:00:00"}, "scheduled_time", "invalid_format"),
        ({"scheduled_time": "2020-01-01T00:00:00Z"}, "scheduled_time", "in_past"),
        ({"subject": "a\r\nBcc: b@c.d"}, "subject", "invalid_format"),
        ({"template": "otp-code"}, "text", "conflict"),
        ({"text": None}, "template", "required"),
        ({"text": None, "template": "nothing"}, "template", "template_not_found"),
        ({"text": None, "template": "otp-code", "template_data": {}}, "template_data.code", "required"),
        ({"headers": {"Bcc": "a@b.c"}}, "headers.Bcc", "forbidden_header"),
        ({"headers": {"X-A": "a\nb"}}, "headers.X-A", "invalid_format"),
        ({"attachments": [{"filename": "a", "content": "%%"}]}, "attachments.0.content", "invalid_format"),
        ({"attachments": [{"content": "aaaa"}]}, "attachments.0.filename", "required"),
        ({"metadata": {"a": {}}}, "metadata.a", "invalid_type"),
        ({"tags": ["a"] * 11}, "tags", "too_many"),
        ({"priority": "urgent"}, "priority", "not_in_enum"),
        ({"ttl": 0}, "ttl", "too_small"),
        ({"ttl": True}, "ttl", "invalid_type"),
        ({"ttl": 5, "expires_at": "2030-01-01T00:00:00Z"}, "expires_at", "conflict"),
    ],
)
def test_a_wrong_field_is_named(client: FlaskClient, changes: dict[str, Any], field: str, code: str) -> None:
    answer = post(client, simple(**changes))
    assert answer.status_code == 422, answer.data
    found = orjson.loads(answer.data)["errors"]
    assert (field, code) in [(each["field"], each["code"]) for each in found], found


def test_all_wrong_fields_are_told_in_document_order(client: FlaskClient) -> None:
    answer = post(client, {"ttl": "x", "recipient": "no", "texd": "a"})
    fields = [each["field"] for each in orjson.loads(answer.data)["errors"]]
    assert fields[:3] == ["ttl", "recipient", "texd"]
    assert "did you mean text?" in answer.text


def test_two_keys_in_one_request_conflict(client: FlaskClient) -> None:
    answer = post(client, simple(headers={"X-Idempotency-Key": "a"}), Idempotency_Key="b")
    assert (answer.status_code, orjson.loads(answer.data)["code"]) == (400, "idempotency_key_conflict")


def test_the_same_key_with_another_payload_is_refused(client: FlaskClient) -> None:
    assert post(client, simple(), Idempotency_Key='"k"').status_code == 202
    answer = post(client, simple(subject="Other"), Idempotency_Key="k")
    assert (answer.status_code, orjson.loads(answer.data)["code"]) == (422, "idempotency_key_reused")


def test_other_media_types_and_encodings_are_415(client: FlaskClient) -> None:
    assert client.post("/v1/messages", data=b"{}", content_type="text/plain").status_code == 415
    assert post(client, simple(), Content_Encoding="gzip").status_code == 415


def test_a_body_over_the_cap_is_413(engines: Any, tokens: dict[str, str]) -> None:
    client = create_app(read_settings(max_body_bytes=100)).test_client()
    bearer = {"Authorization": f"Bearer {tokens['live_key']}"}
    answer = client.post("/v1/messages", data=b" " * 101, content_type="application/json", headers=bearer)
    assert answer.status_code == 413


def test_s12_the_1001st_request_in_a_minute_is_429(client: FlaskClient) -> None:
    for _ in range(1000):
        assert client.get("/v1/messages/msg_x").status_code == 404
    answer = client.get("/v1/messages/msg_x")
    assert answer.status_code == 429
    assert int(answer.headers["Retry-After"]) >= 1
    assert answer.headers["X-RateLimit-Remaining"] == "0"


def test_the_eleventh_failed_authentication_is_429(client: FlaskClient) -> None:
    bad = {"Authorization": "Bearer sk_live_nonsense"}
    codes = [client.get("/v1/messages", headers=bad).status_code for _ in range(11)]
    assert codes == [401] * 10 + [429]


def test_a_key_without_the_scope_is_403(client: FlaskClient) -> None:
    with session.transaction() as connection:
        made = keys.create(connection, quickstart.QUICKSTART_ACCOUNT, environment="live", scopes=["messages:send"])
    answer = client.get("/v1/messages", headers={"Authorization": f"Bearer {made.token}"})
    assert (answer.status_code, orjson.loads(answer.data)["code"]) == (403, "insufficient_scope")


def test_a_test_key_does_not_see_live_messages(client: FlaskClient, tokens: dict[str, str]) -> None:
    message_id = post(client, simple()).json["message_id"]
    test = {"Authorization": f"Bearer {tokens['test_key']}"}
    assert client.get(f"/v1/messages/{message_id}").status_code == 200
    assert client.get(f"/v1/messages/{message_id}", headers=test).status_code == 404


def test_paging_returns_every_row_once_while_rows_are_inserted(client: FlaskClient) -> None:
    sent = {post(client, simple()).json["message_id"] for _ in range(7)}
    seen: list[str] = []
    path = "/v1/messages?limit=3"
    while path:
        answer = client.get(path)
        seen += [each["message_id"] for each in answer.json["data"]]
        post(client, simple())
        cursor = answer.json["next_cursor"]
        path = f"/v1/messages?limit=3&cursor={cursor}" if cursor else ""
    assert sorted(seen) == sorted(sent)


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("limit=0", "invalid_parameter"),
        ("limit=x", "invalid_parameter"),
        ("stauts=queued", "invalid_parameter"),
        ("status=gone", "invalid_parameter"),
        ("recipient=x", "invalid_parameter"),
        ("created_after=soon", "invalid_parameter"),
        ("cursor=abc", "invalid_cursor"),
        ("cursor=%C3%A9", "invalid_cursor"),
    ],
)
def test_a_wrong_query_is_400(client: FlaskClient, query: str, code: str) -> None:
    answer = client.get(f"/v1/messages?{query}")
    assert (answer.status_code, orjson.loads(answer.data)["code"]) == (400, code)


def test_a_cursor_of_other_filters_is_refused(client: FlaskClient) -> None:
    for _ in range(3):
        post(client, simple())
    cursor = client.get("/v1/messages?limit=1").json["next_cursor"]
    assert client.get(f"/v1/messages?limit=1&cursor={cursor}").status_code == 200
    assert client.get(f"/v1/messages?limit=1&status=queued&cursor={cursor}").status_code == 400


def test_filters_find_what_was_sent(client: FlaskClient) -> None:
    post(client, simple(recipient="Other@Example.com", tags=["a"]), Idempotency_Key="k1")
    post(client, simple())
    for query in ("recipient=other@example.com", "tag=a", "idempotency_key=k1"):
        assert len(client.get(f"/v1/messages?{query}").json["data"]) == 1, query
    assert len(client.get("/v1/messages?status=queued&created_after=2020-01-01").json["data"]) == 2


def test_cancel_can_be_repeated_and_unknown_is_404(client: FlaskClient) -> None:
    sent = post(client, simple(scheduled_time=clock.rfc3339(clock.now() + timedelta(days=1))))
    message_id = sent.json["message_id"]
    assert sent.json["status"] == "scheduled"
    for _ in range(2):
        answer = client.delete(f"/v1/messages/{message_id}")
        assert (answer.status_code, answer.json["status"]) == (200, "cancelled")
    assert client.delete("/v1/messages/msg_01h455vb4pex5vsknk084sn02q").status_code == 404
    types = [each["type"] for each in client.get(f"/v1/messages/{message_id}/events").json["data"]]
    assert types == ["message.queued", "message.cancelled"]


def test_suppressions_are_added_once_and_removed(client: FlaskClient) -> None:
    body = {"recipient": "User@Example.com", "reason": "user_unsubscribed"}
    assert [client.post("/v1/suppressions", json=body).status_code for _ in range(2)] == [201, 200]
    assert client.get("/v1/unsubscribes/user@example.com").json["reason"] == "user_unsubscribed"
    assert len(client.get("/v1/suppressions?recipient=user@example.com").json["data"]) == 1
    assert client.delete("/v1/suppressions/user@example.com").status_code == 204
    assert client.delete("/v1/suppressions/user@example.com").status_code == 404


def test_a_webhook_secret_is_shown_once(client: FlaskClient) -> None:
    made = client.post("/v1/webhooks", json={"url": "https://a.example/x", "event_types": ["message.bounced"]})
    assert made.status_code == 201
    assert made.json["secret"].startswith("whsec_")
    assert "secret" not in client.get("/v1/webhooks").json["data"][0]
    assert client.delete(f"/v1/webhooks/{made.json['id']}").status_code == 204
    assert client.post("/v1/webhooks", json={"url": "ftp://x"}).status_code == 422


def test_readiness_tells_both_engines(client: FlaskClient) -> None:
    assert client.get("/readyz").json == {"status": "ready", "database": "ok", "redis": "ok"}
    assert client.get("/v1/dead-letters").json["data"] == []
    assert b"Sendarix is running" in client.get("/").data


def test_redis_away_never_fails_a_request(tokens: dict[str, str], tmp_path: Any) -> None:
    client = create_app(read_settings(redis_url=f"unix://{tmp_path}/none.sock?db=0", api_processes=2)).test_client()
    bearer = {"Authorization": f"Bearer {tokens['live_key']}"}
    answer = client.get("/v1/messages", headers=bearer)
    assert answer.status_code == 200
    assert (answer.headers["X-RateLimit-Degraded"], answer.headers["X-RateLimit-Limit"]) == ("1", "500")


def test_quickstart_keeps_its_keys(tokens: dict[str, str]) -> None:
    with session.transaction() as connection:
        assert quickstart.prepare(connection, current_settings()) == tokens
