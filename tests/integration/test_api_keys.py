"""Keys as their owner manages them: S4, S5; threats E1, E4. Real engines, the HTTP contract."""

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import orjson
import pytest
from flask.testing import FlaskClient
from redis import Redis

from api import create_app
from common import clock
from common.config import current_settings, read_settings
from common.db import session
from common.services import composing, issuing, keys, quickstart

Call = Callable[..., Any]


@pytest.fixture
def tokens(database: None, engines: Any) -> Iterator[dict[str, str]]:
    Redis.from_url(engines.redis_url).flushdb()
    keys.forget()
    composing.forget()
    with session.transaction() as connection:
        made = quickstart.prepare(connection, current_settings())
    yield made
    keys.forget()


@pytest.fixture
def call(tokens: dict[str, str]) -> Call:
    client: FlaskClient = create_app(read_settings()).test_client()

    def ask(method: str, path: str, body: Any = None, *, key: str = "", **headers: str) -> Any:
        bearer = {"Authorization": f"Bearer {key or tokens['live_key']}"}
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        return client.open(path, method=method, json=body, headers=bearer | given)

    return ask


def make(call: Call, *, key: str = "", **fields: Any) -> dict[str, Any]:
    answer = call("POST", "/v1/api-keys", {"scopes": ["messages:send"]} | fields, key=key)
    assert answer.status_code == 201, answer.data
    found: dict[str, Any] = answer.json
    return found


def send(call: Call, key: str, **fields: Any) -> Any:
    body = {"recipient": "user@example.com", "subject": "Hello", "text": "Hi"} | fields
    return call("POST", "/v1/messages", {name: value for name, value in body.items() if value is not None}, key=key)


def code_of(answer: Any) -> tuple[int, str]:
    return answer.status_code, orjson.loads(answer.data)["code"]


def test_a_secret_is_shown_more_than_once(call: Call) -> None:
    made = make(call, name="billing")
    assert re.fullmatch(r"sk_live_sdx_[0-9A-Za-z]{54}", made["secret"])
    assert made["secret"].startswith(made["prefix"])
    secret = made["secret"][20:60]
    shown = call("GET", f"/v1/api-keys/{made['id']}")
    assert shown.json == {name: value for name, value in made.items() if name != "secret"}
    assert secret not in call("GET", "/v1/api-keys").text
    with session.transaction() as connection:
        stored = str(connection.exec_driver_sql("SELECT k.* FROM api_keys k").all())
    assert secret not in stored
    assert send(call, made["secret"]).status_code == 202


def test_a_send_only_key_reads_or_suppresses(call: Call) -> None:
    secret = make(call)["secret"]
    for method, path in (("GET", "/v1/messages"), ("GET", "/v1/suppressions"), ("GET", "/v1/api-keys")):
        assert code_of(call(method, path, key=secret)) == (403, "insufficient_scope")


def test_a_rotation_stops_what_still_uses_the_old_secret(call: Call) -> None:
    made = make(call)
    rotated = call("POST", f"/v1/api-keys/{made['id']}/rotate", {"overlap_seconds": 604_800})
    assert rotated.status_code == 200
    assert rotated.json["id"] == made["id"]
    assert rotated.json["previous_until"] > rotated.json["created_at"]
    for secret in (made["secret"], rotated.json["secret"]):
        assert send(call, secret).status_code == 202
    with session.transaction() as connection:
        connection.exec_driver_sql("UPDATE api_keys SET previous_until = now() WHERE kid = %s", (made["prefix"][12:],))
    keys.forget()
    assert code_of(send(call, made["secret"])) == (401, "invalid_api_key")
    assert send(call, rotated.json["secret"]).status_code == 202


def test_a_rotation_without_overlap_leaves_the_old_secret_alive(call: Call) -> None:
    made = make(call)
    assert send(call, made["secret"]).status_code == 202
    rotated = call("POST", f"/v1/api-keys/{made['id']}/rotate", {})
    assert code_of(send(call, made["secret"])) == (401, "invalid_api_key")
    assert send(call, rotated.json["secret"]).status_code == 202
    too_long = call("POST", f"/v1/api-keys/{made['id']}/rotate", {"overlap_seconds": 604_801})
    assert code_of(too_long) == (422, "validation_error")


def test_an_idempotency_key_forgets_with_the_rotation(call: Call) -> None:
    made = make(call)
    body = {"recipient": "user@example.com", "subject": "Hello", "text": "Hi"}
    first = call("POST", "/v1/messages", body, key=made["secret"], Idempotency_Key="k1")
    secret = call("POST", f"/v1/api-keys/{made['id']}/rotate", {}).json["secret"]
    again = call("POST", "/v1/messages", body, key=secret, Idempotency_Key="k1")
    assert again.data == first.data
    assert again.headers["Idempotent-Replayed"] == "true"


def test_a_revoked_key_goes_on(call: Call) -> None:
    made = make(call)
    assert send(call, made["secret"]).status_code == 202
    for _ in range(2):
        assert call("DELETE", f"/v1/api-keys/{made['id']}").status_code == 204
    assert code_of(send(call, made["secret"])) == (401, "invalid_api_key")
    listed = [each["id"] for each in call("GET", "/v1/api-keys").json["data"]]
    assert made["id"] not in listed
    revoked = call("GET", "/v1/api-keys?state=revoked").json["data"]
    assert [(each["id"], each["state"]) for each in revoked] == [(made["id"], "revoked")]
    for path in (f"/v1/api-keys/{made['id']}", f"/v1/api-keys/{made['id']}/rotate"):
        method = "POST" if path.endswith("rotate") else "PATCH"
        assert code_of(call(method, path, {})) == (409, "conflict")


def test_an_expired_key_is_called_unknown_or_works(call: Call) -> None:
    soon = clock.rfc3339(clock.now() + timedelta(hours=1))
    made = make(call, expires_at=soon)
    assert send(call, made["secret"]).status_code == 202
    with session.transaction() as connection:
        connection.exec_driver_sql("UPDATE api_keys SET expires_at = now() WHERE kid = %s", (made["prefix"][12:],))
    keys.forget()
    assert code_of(send(call, made["secret"])) == (401, "expired_api_key")
    past = call("POST", "/v1/api-keys", {"scopes": ["messages:send"], "expires_at": "2020-01-01T00:00:00Z"})
    assert [each["code"] for each in orjson.loads(past.data)["errors"]] == ["in_past"]


@pytest.mark.parametrize(
    ("restriction", "good", "bad", "code"),
    [
        ({"sender_domains": ["Example.com"]}, {}, {"from": "a@other.example"}, "domain_not_allowed"),
        (
            {"templates": ["otp-code"]},
            {"template": "otp-code", "text": None, "template_data": {"code": "1", "expires_in": "5 minutes"}},
            {},
            "template_not_allowed",
        ),
        ({"streams": ["billing"]}, {}, {"stream": "news"}, "stream_not_allowed"),
        ({"streams": ["billing", "otp"]}, {"stream": "otp"}, {}, "stream_not_allowed"),
        ({"tags": ["a"]}, {"tags": ["a"]}, {"tags": ["a", "b"]}, "tag_not_allowed"),
    ],
)
def test_a_restricted_key_sends_something_else(
    call: Call, restriction: dict[str, Any], good: dict[str, Any], bad: dict[str, Any], code: str
) -> None:
    secret = make(call, **restriction)["secret"]
    assert send(call, secret, **good).status_code == 202
    assert code_of(send(call, secret, **bad)) == (403, code)


def test_the_only_stream_of_a_key_is_not_the_default(call: Call) -> None:
    message_id = send(call, make(call, streams=["billing"])["secret"]).json["message_id"]
    assert call("GET", f"/v1/messages/{message_id}").json["stream"] == "billing"


@pytest.mark.parametrize(
    ("cidrs", "peer", "status"),
    [
        (["127.0.0.0/8"], "127.0.0.1", 202),
        (["192.0.2.0/24"], "127.0.0.1", 403),
        (["2001:db8::/32"], "2001:db8::7", 202),
        (["2001:db8::/32"], "2001:db9::7", 403),
        (["192.0.2.0/24"], "::ffff:192.0.2.9", 202),
        (["192.0.2.0/24", "2001:db8::1"], "2001:db8::1", 202),
    ],
)
def test_a_key_is_used_from_another_network(
    call: Call, tokens: dict[str, str], cidrs: list[str], peer: str, status: int
) -> None:
    secret = make(call, cidrs=cidrs)["secret"]
    answer = (
        create_app(read_settings())
        .test_client()
        .post(
            "/v1/messages",
            json={"recipient": "user@example.com", "subject": "Hello", "text": "Hi"},
            headers={"Authorization": f"Bearer {secret}"},
            environ_base={"REMOTE_ADDR": peer},
        )
    )
    assert answer.status_code == status, answer.data
    if status == 403:
        assert orjson.loads(answer.data)["code"] == "ip_not_allowed"


def test_a_key_that_requires_idempotency_sends_without(call: Call) -> None:
    secret = make(call, require_idempotency=True)["secret"]
    assert code_of(send(call, secret)) == (400, "idempotency_key_required")


@pytest.mark.parametrize(
    ("giver", "wanted", "field"),
    [
        ({}, {"scopes": ["messages:read"]}, "scopes"),
        ({}, {"scopes": ["admin"]}, "scopes"),
        ({}, {"environment": "test"}, "environment"),
        ({"sender_domains": ["example.com"]}, {"sender_domains": ["other.example"]}, "sender_domains"),
        ({"templates": ["otp-code"]}, {"templates": ["otp-code", "welcome"]}, "templates"),
        ({"streams": ["a"]}, {"streams": ["b"]}, "streams"),
        ({"tags": ["a"]}, {"tags": ["b"]}, "tags"),
        ({"cidrs": ["127.0.0.0/8"]}, {"cidrs": ["126.0.0.0/7"]}, "cidrs"),
        ({"cidrs": ["127.0.0.0/8"]}, {"cidrs": ["::/0"]}, "cidrs"),
        ({"requests_per_minute": 100}, {"requests_per_minute": 101}, "requests_per_minute"),
        ({"expires_at": "2040-01-01T00:00:00Z"}, {"expires_at": "2041-01-01T00:00:00Z"}, "expires_at"),
        ({"require_idempotency": True}, {"require_idempotency": False}, "require_idempotency"),
    ],
)
def test_a_key_mints_what_it_lacks(call: Call, giver: dict[str, Any], wanted: dict[str, Any], field: str) -> None:
    manager = make(call, **({"scopes": ["messages:send", "keys:manage"]} | giver))["secret"]
    body = {"scopes": ["messages:send"]} | wanted
    answer = call("POST", "/v1/api-keys", body, key=manager)
    assert code_of(answer) == (403, "cannot_grant")
    assert [each["field"] for each in orjson.loads(answer.data)["errors"]] == [field]
    made = make(call, key=manager)
    if field not in ("environment", "scopes"):
        assert made[field] == make(call, **giver)[field], "what is left out is inherited"
        if field != "expires_at" or wanted[field]:
            patched = call("PATCH", f"/v1/api-keys/{made['id']}", wanted, key=manager)
            assert code_of(patched) == (403, "cannot_grant")


def test_a_key_rotates_itself_into_a_stronger_one(call: Call) -> None:
    strong = make(call, scopes=["messages:send", "messages:read"])
    weak = make(call, scopes=["messages:send", "keys:manage"])["secret"]
    answer = call("POST", f"/v1/api-keys/{strong['id']}/rotate", {}, key=weak)
    assert code_of(answer) == (403, "cannot_grant")
    assert send(call, strong["secret"]).status_code == 202


def test_a_patch_changes_more_than_it_says(call: Call) -> None:
    made = make(call, name="old", templates=["otp-code"], requests_per_minute=5)
    changed = call("PATCH", f"/v1/api-keys/{made['id']}", {"name": "new", "templates": None}).json
    expected = {name: value for name, value in made.items() if name != "secret"} | {"name": "new", "templates": None}
    assert changed == expected
    assert send(call, made["secret"]).status_code == 202


def test_a_key_of_the_other_environment_is_seen(call: Call, tokens: dict[str, str]) -> None:
    made = make(call)
    for method, path in (
        ("GET", f"/v1/api-keys/{made['id']}"),
        ("DELETE", f"/v1/api-keys/{made['id']}"),
        ("PATCH", f"/v1/api-keys/{made['id']}"),
        ("POST", f"/v1/api-keys/{made['id']}/rotate"),
    ):
        assert code_of(call(method, path, {}, key=tokens["test_key"])) == (404, "not_found")


def test_keys_are_lost_between_pages(call: Call) -> None:
    made = [make(call, name=str(number))["id"] for number in range(5)]
    first = call("GET", "/v1/api-keys?limit=2").json
    second = call("GET", f"/v1/api-keys?limit=2&cursor={first['next_cursor']}").json
    back = call("GET", f"/v1/api-keys?limit=2&cursor={second['prev_cursor']}").json
    assert [each["id"] for each in first["data"] + second["data"]] == made[:0:-1]
    assert back["data"] == first["data"]
    assert (first["prev_cursor"], back["prev_cursor"]) == (None, None)


def test_the_last_use_is_not_told(call: Call) -> None:
    made = make(call)
    assert send(call, made["secret"]).status_code == 202
    keys.note_usage(clock.now())
    shown = call("GET", f"/v1/api-keys/{made['id']}").json
    assert shown["last_used_ip"] == "127.0.0.1"
    assert shown["last_used_at"] >= shown["created_at"]


def test_ended_keys_are_kept_for_ever_or_go_at_once(call: Call) -> None:
    gone, kept = make(call), make(call)
    with session.transaction() as connection:
        connection.exec_driver_sql(
            "UPDATE api_keys SET revoked_at = now() - interval '91 days' WHERE kid = %s", (gone["prefix"][12:],)
        )
        connection.exec_driver_sql("UPDATE api_keys SET revoked_at = now() WHERE kid = %s", (kept["prefix"][12:],))
        assert issuing.prune(connection) == 1
    assert call("GET", f"/v1/api-keys/{gone['id']}").status_code == 404
    assert call("GET", f"/v1/api-keys/{kept['id']}").status_code == 200
