"""One test for every documented status and code of the message calls: each can be had, and looks as documented."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import orjson
import pytest
from sqlalchemy.exc import OperationalError

from api import auth, create_app
from api.problems import PROBLEMS
from common import clock
from common.config import current_settings, read_settings
from common.db import session
from common.services import keys
from common.services.quickstart import QUICKSTART_ACCOUNT
from tests.callers import Api, mail
from tests.pipeline import work_off

ABSENT = "/v1/messages/msg_01h455vb4pex5vsknk084sn02q"


def narrow(scopes: list[str], **columns: Any) -> str:
    """A key with these scopes and restrictions."""
    with session.transaction() as connection:
        made = keys.create(connection, QUICKSTART_ACCOUNT, environment="live", scopes=scopes, name="narrow")
        for name, value in columns.items():
            connection.exec_driver_sql(f"UPDATE api_keys SET {name} = %s WHERE id = %s", (value, made.id))
    return made.token


def delivered(api: Api, **fields: Any) -> str:
    message_id = str(api.send(recipient="status@example.net", **fields)["message_id"])
    work_off()
    return message_id


def purged(api: Api) -> Any:
    message_id = delivered(api, sensitive=True)
    with session.transaction() as connection:
        connection.exec_driver_sql("UPDATE message_contents SET purged_at = now() WHERE sensitive")
    return api.call("GET", f"/v1/messages/{message_id}/content")


def moved_on(api: Api) -> Any:
    return api.call("PATCH", f"/v1/messages/{delivered(api)}", {"scheduled_time": None})


def reused(api: Api) -> Any:
    api.call("POST", "/v1/messages", mail(), Idempotency_Key="status")
    return api.call("POST", "/v1/messages", mail(subject="Other"), Idempotency_Key="status")


def over_plain_http(api: Api) -> Any:
    strict = replace(current_settings(), require_https=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(auth, "current_settings", lambda: strict)
        return api.call("GET", "/v1/messages")


def paused(api: Api) -> Any:
    try:
        set_account("paused_at", "2026-01-01T00:00:00Z")
        return api.call("POST", "/v1/messages", mail())
    finally:
        set_account("paused_at", None)


def set_account(column: str, value: Any) -> None:
    with session.transaction() as connection:
        connection.exec_driver_sql(f"UPDATE accounts SET {column} = %s", (value,))
    keys.forget()


def too_many(api: Api) -> Any:
    try:
        set_account("requests_per_minute", 1)
        return [api.call("GET", "/v1/messages") for _ in range(2)][1]
    finally:
        set_account("requests_per_minute", None)


def too_large(api: Api) -> Any:
    small = create_app(read_settings(max_body_bytes=100)).test_client()
    bearer = {"Authorization": f"Bearer {api.live}"}
    return small.post("/v1/messages", data=b" " * 101, content_type="application/json", headers=bearer)


def other_type(api: Api) -> Any:
    bearer = {"Authorization": f"Bearer {api.live}"}
    return api.client.post("/v1/messages", data=b"{}", content_type="text/plain", headers=bearer)


PROVOKED: dict[str, Callable[[Api], Any]] = {
    "invalid_json": lambda api: api.call("POST", "/v1/messages", b"{"),
    "json_too_complex": lambda api: api.call("POST", "/v1/messages", b"[" * 40 + b"]" * 40),
    "invalid_parameter": lambda api: api.call("GET", "/v1/messages?colour=red"),
    "invalid_cursor": lambda api: api.call("GET", "/v1/messages?cursor=abc"),
    "idempotency_key_invalid": lambda api: api.call("POST", "/v1/messages", mail(), Idempotency_Key="k" * 257),
    "idempotency_key_required": lambda api: api.call(
        "POST", "/v1/messages", mail(), narrow(["messages:send"], require_idempotency=True)
    ),
    "idempotency_key_conflict": lambda api: api.call(
        "POST", "/v1/messages", mail(), Idempotency_Key="a", X_Idempotency_Key="b"
    ),
    "missing_api_key": lambda api: api.client.get("/v1/messages"),
    "invalid_api_key": lambda api: api.call("GET", "/v1/messages", key="nonsense"),
    "expired_api_key": lambda api: api.call(
        "GET", "/v1/messages", key=narrow(["messages:read"], expires_at="2020-01-01T00:00:00Z")
    ),
    "insufficient_scope": lambda api: api.call("GET", "/v1/messages", key=narrow(["messages:send"])),
    "domain_not_allowed": lambda api: api.call(
        "POST", "/v1/messages", mail(), narrow(["messages:send"], sender_domains=["example.org"])
    ),
    "sender_not_verified": lambda api: api.call("POST", "/v1/messages", mail(**{"from": "a@elsewhere.example"})),
    "template_not_allowed": lambda api: api.call(
        "POST", "/v1/messages", mail(), narrow(["messages:send"], templates=["welcome"])
    ),
    "stream_not_allowed": lambda api: api.call(
        "POST", "/v1/messages", mail(stream="news"), narrow(["messages:send"], streams=["receipts"])
    ),
    "tag_not_allowed": lambda api: api.call(
        "POST", "/v1/messages", mail(tags=["a"]), narrow(["messages:send"], tags=["b"])
    ),
    "ip_not_allowed": lambda api: api.call(
        "GET", "/v1/messages", key=narrow(["messages:read"], cidrs=["192.0.2.0/24"])
    ),
    "https_required": over_plain_http,
    "account_paused": paused,
    "not_found": lambda api: api.call("GET", ABSENT),
    "not_cancellable": lambda api: api.call("DELETE", f"/v1/messages/{delivered(api)}"),
    "method_not_allowed": lambda api: api.call("PUT", "/v1/messages"),
    "conflict": moved_on,
    "content_purged": purged,
    "payload_too_large": too_large,
    "unsupported_media_type": other_type,
    "validation_error": lambda api: api.call("POST", "/v1/messages", {}),
    "idempotency_key_reused": reused,
    "rate_limited": too_many,
}


@pytest.mark.parametrize("code", PROVOKED)
def test_s10_a_code_cannot_be_had_or_is_told_otherwise(api: Api, code: str) -> None:
    answer = PROVOKED[code](api)
    keys.forget()
    check(answer, code)


def check(answer: Any, code: str) -> None:
    body, known = orjson.loads(answer.data), PROBLEMS[code]
    assert (answer.status_code, body["code"], body["status"]) == (known.status, code, known.status)
    assert body["retryable"] == known.retryable and body["title"] == known.title
    assert answer.mimetype == "application/problem+json"
    assert body["request_id"] == answer.headers["X-Request-Id"]
    assert all(f"X-RateLimit-{name}" in answer.headers for name in ("Limit", "Remaining", "Reset"))
    assert ("Retry-After" in answer.headers) == (known.status in (429, 503) or code == "idempotency_in_flight")
    assert ("WWW-Authenticate" in answer.headers) == (known.status == 401)


@pytest.mark.parametrize(("fault", "code"), [(ZeroDivisionError(), "internal_error"), (None, "unavailable")])
def test_s10_s13_a_fault_of_ours_has_no_shape_or_no_quota(
    api: Api, monkeypatch: pytest.MonkeyPatch, fault: Exception | None, code: str
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise fault or OperationalError("SELECT 1", {}, Exception("the database is away"))

    monkeypatch.setattr("common.services.listing.find", fail)
    check(api.call("GET", "/v1/messages"), code)


def test_s10_a_success_has_another_status(api: Api) -> None:
    message_id = api.send(recipient="status@example.net", scheduled_time=in_hours(1))["message_id"]
    suppressed = {"recipient": "status-2@example.net"}
    calls = [
        ("POST", "/v1/messages", mail(), 202),
        ("POST", "/v1/messages/batch", {"messages": [mail()]}, 202),
        ("POST", f"/v1/messages/{message_id}/resend", None, 202),
        ("GET", "/v1/messages", None, 200),
        ("GET", f"/v1/messages/{message_id}", None, 200),
        ("GET", f"/v1/messages/{message_id}/events", None, 200),
        ("PATCH", f"/v1/messages/{message_id}", {"scheduled_time": in_hours(2)}, 200),
        ("DELETE", f"/v1/messages/{message_id}", None, 200),
        ("POST", "/v1/suppressions", suppressed, 201),
        ("POST", "/v1/suppressions", suppressed, 200),
        ("DELETE", "/v1/suppressions/status-2@example.net", None, 204),
    ]
    for method, path, body, status in calls:
        assert api.call(method, path, body).status_code == status, (method, path)


def in_hours(hours: float) -> str:
    return clock.rfc3339(clock.now() + timedelta(hours=hours))
