"""Webhooks as their owner manages them, over HTTP. Real engines."""

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
from common.db.session import rows, transaction
from common.domain.ids import decode
from common.services import composing, keys, quickstart, webhook_secrets

Call = Callable[..., Any]
URL = "https://example.com/hooks/mail"


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

    def ask(method: str, path: str, body: Any = None, *, key: str = "") -> Any:
        return client.open(
            path, method=method, json=body, headers={"Authorization": f"Bearer {key or tokens['live_key']}"}
        )

    return ask


def make(call: Call, **fields: Any) -> dict[str, Any]:
    answer = call("POST", "/v1/webhooks", {"url": URL} | fields)
    assert answer.status_code == 201, answer.data
    found: dict[str, Any] = answer.json
    return found


def send(call: Call, **fields: Any) -> str:
    body = {"recipient": "user@example.com", "subject": "Hello", "text": "Hi"} | fields
    answer = call("POST", "/v1/messages", body)
    assert answer.status_code == 202, answer.data
    return str(answer.json["message_id"])


def faults(answer: Any) -> list[tuple[str, str]]:
    return [(each["field"], each["code"]) for each in orjson.loads(answer.data)["errors"]]


def states(call: Call, webhook: dict[str, Any]) -> list[str]:
    return [each["state"] for each in call("GET", f"/v1/webhooks/{webhook['id']}/deliveries").json["data"]]


def test_a_secret_or_a_header_is_shown_twice_or_stored_in_clear(call: Call) -> None:
    made = make(call, headers={"X-Token": "hunter2-hunter2"}, ed25519=True)
    assert made["secret"].startswith("whsec_") and made["public_key"].startswith("whpk_")
    read = call("GET", f"/v1/webhooks/{made['id']}").json
    assert read == {name: value for name, value in made.items() if name != "secret"}
    assert read["header_names"] == ["X-Token"] and read["health"]["breaker"] == "closed"
    assert call("GET", "/v1/webhooks").json["data"] == [read]
    with transaction() as connection:
        tables = [rows(connection, f"TABLE {name}") for name in ("webhooks", "webhook_secrets")]
    stored = [str(tuple(row)) for table in tables for row in table]
    assert not any("hunter2" in text or made["secret"] in text for text in stored)


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({"url": "ftp://example.com/x"}, ("url", "invalid_format")),
        ({"url": "https://user:pass@example.com/x"}, ("url", "invalid_format")),
        ({"url": "https://10.0.0.1/x"}, ("url", "invalid_format")),
        ({"url": "https://169.254.169.254/latest"}, ("url", "invalid_format")),
        ({"url": "https://[::ffff:127.0.0.1]/x"}, ("url", "invalid_format")),
        ({"url": "https://2130706433/x"}, ("url", "invalid_format")),
        ({"url": "https://0x7f.1/x"}, ("url", "invalid_format")),
        ({"url": "https://localhost/x"}, ("url", "invalid_format")),
        ({"url": "https://metadata.google.internal/x"}, ("url", "invalid_format")),
        ({"url": "https://example.com:6379/x"}, ("url", "invalid_format")),
        ({"url": "http://example.com/x"}, ("url", "invalid_format")),
        ({"event_types": ["message.sent"]}, ("event_types.0", "not_in_enum")),
        ({"headers": {"webhook-id": "x"}}, ("headers.webhook-id", "forbidden_header")),
        ({"headers": {"Host": "x"}}, ("headers.Host", "forbidden_header")),
        ({"headers": {"X-A": "a\r\nb"}}, ("headers.X-A", "invalid_format")),
        ({"headers": {f"X-{n}": "a" for n in "abcdefghijk"}}, ("headers", "too_many")),
        ({"max_in_flight": 0}, ("max_in_flight", "too_small")),
        ({"max_attempts": 21}, ("max_attempts", "too_large")),
        ({"ordering": "global"}, ("ordering", "not_in_enum")),
    ],
    ids=str,
)
def test_a_wrong_webhook_is_made(call: Call, fields: dict[str, Any], fault: tuple[str, str]) -> None:
    answer = call("POST", "/v1/webhooks", {"url": URL} | fields)
    assert answer.status_code == 422 and fault in faults(answer), answer.data


def test_a_patch_changes_more_than_it_says(call: Call) -> None:
    made = make(call, event_types=["message.delivered"], tags=["a"], description="old")
    path = f"/v1/webhooks/{made['id']}"
    changed = call("PATCH", path, {"description": "new", "tags": None, "event_types": ["*"]}).json
    moving = ("description", "tags", "event_types", "updated_at", "secret")
    assert changed | dict.fromkeys(moving) == made | dict.fromkeys(moving)
    assert (changed["description"], changed["tags"], changed["event_types"]) == ("new", None, None)
    assert call("PATCH", path, {"headers": {"X-A": "1"}}).json["header_names"] == ["X-A"]
    assert call("PATCH", path, {"headers": None}).json["header_names"] == []
    assert call("PATCH", path, {"url": None}).status_code == 200
    assert call("PATCH", path, {"url": "https://127.0.0.1/x"}).status_code == 422


def test_a_webhook_of_another_environment_or_account_is_reached(call: Call, tokens: dict[str, str]) -> None:
    made = make(call)
    base = f"/v1/webhooks/{made['id']}"
    for method, path in (
        ("GET", base),
        ("PATCH", base),
        ("DELETE", base),
        ("POST", f"{base}/rotate-secret"),
        ("POST", f"{base}/test"),
        ("POST", f"{base}/enable"),
        ("POST", f"{base}/disable"),
        ("GET", f"{base}/deliveries"),
    ):
        assert call(method, path, {}, key=tokens["test_key"]).status_code == 404, path
    assert call("GET", "/v1/webhooks", key=tokens["test_key"]).json["data"] == []
    assert call("DELETE", base).status_code == 204
    assert call("GET", base).status_code == 404


def test_a_rotation_ends_the_old_secret_too_early_or_never(call: Call) -> None:
    made = make(call)
    path = f"/v1/webhooks/{made['id']}"
    turned = call("POST", f"{path}/rotate-secret", {}).json
    assert turned["secret"] not in ("", made["secret"]) and len(turned["secrets"]) == 2
    newest, before = turned["secrets"]
    assert newest["expires_at"] is None
    assert before["expires_at"][:10] == (clock.now() + timedelta(days=1)).strftime("%Y-%m-%d")
    assert call("POST", f"{path}/rotate-secret", {"overlap_seconds": 60}).status_code == 200
    assert call("POST", f"{path}/rotate-secret", {"overlap_seconds": 60}).status_code == 409
    last = call("POST", f"{path}/rotate-secret", {"overlap_seconds": 0}).json
    assert len(last["secrets"]) == 1
    with transaction() as connection:
        found = rows(connection, "SELECT webhook_id, sealed FROM webhook_secrets ORDER BY id DESC LIMIT 1")[0]
        assert found.webhook_id == decode("whk", made["id"])
        opened = webhook_secrets.open_secret(current_settings(), found.webhook_id, bytes(found.sealed))
    assert opened.decode() == last["secret"]


def test_what_a_disabled_webhook_misses_is_dropped(call: Call) -> None:
    made = make(call, event_types=["message.queued"])
    path = f"/v1/webhooks/{made['id']}"
    send(call)
    disabled = call("POST", f"{path}/disable").json
    assert (disabled["state"], disabled["disabled_reason"]) == ("disabled", "manual")
    send(call)
    assert states(call, made) == ["held", "held"]
    assert call("POST", f"{path}/test").status_code == 409
    enabled = call("POST", f"{path}/enable", {"recover": "all"}).json
    assert (enabled["state"], enabled["recovered"], enabled["skipped"]) == ("enabled", 2, 0)
    assert states(call, made) == ["waiting", "waiting"]


def test_recovery_since_a_time_tells_the_wrong_part(call: Call) -> None:
    made = make(call, event_types=["message.queued"])
    path = f"/v1/webhooks/{made['id']}"
    call("POST", f"{path}/disable")
    send(call)
    send(call)
    listed = call("GET", f"{path}/deliveries").json["data"]
    with transaction() as connection:
        connection.exec_driver_sql(
            "UPDATE webhook_deliveries SET created_at = created_at - interval '1 hour' WHERE id = %s",
            (decode("whd", listed[1]["id"]),),
        )
    assert call("POST", f"{path}/enable", {"recover": "since"}).status_code == 422
    since = (clock.now() - timedelta(minutes=5)).isoformat()
    done = call("POST", f"{path}/enable", {"recover": "since", "since": since}).json
    assert (done["recovered"], done["skipped"]) == (1, 1)
    assert states(call, made) == ["waiting", "skipped"]
    call("POST", f"{path}/disable")
    assert call("POST", f"{path}/enable", {"recover": "none"}).json["skipped"] == 1


def test_a_test_event_is_not_in_the_log_or_tells_others(call: Call) -> None:
    made, other = make(call, event_types=["message.bounced"]), make(call)
    answer = call("POST", f"/v1/webhooks/{made['id']}/test")
    assert answer.status_code == 202
    path = f"/v1/webhooks/{made['id']}/deliveries/{answer.json['delivery_id']}"
    read = call("GET", path).json
    assert (read["type"], read["event_id"]) == ("webhook.test", answer.json["event_id"])
    assert read["payload"]["data"] == {"webhook_id": made["id"]} and read["waiting_for"] == "worker"
    assert call("GET", f"{path}/attempts").json == {"data": []}
    assert states(call, other) == []
    assert call("GET", path.replace(made["id"], other["id"])).status_code == 404


def test_the_log_is_filtered_wrongly_or_pages_lose_a_delivery(call: Call) -> None:
    made = make(call, event_types=["message.queued"])
    ids = [send(call) for _ in range(3)]
    base = f"/v1/webhooks/{made['id']}/deliveries"
    first = call("GET", f"{base}?limit=2").json
    second = call("GET", f"{base}?limit=2&cursor={first['next_cursor']}").json
    assert [each["message_id"] for each in first["data"] + second["data"]] == ids[::-1]
    assert [each["seq"] for each in first["data"]] == [1, 1]
    for query, count in (
        (f"message_id={ids[0]}", 1),
        ("state=waiting&type=message.queued", 3),
        ("state=delivered", 0),
        ("created_before=2020-01-01", 0),
        (f"event_id={first['data'][0]['event_id']}", 1),
    ):
        assert len(call("GET", f"{base}?{query}").json["data"]) == count, query
    assert call("GET", f"{base}?message_id=7").status_code == 400


def test_a_replay_is_accepted_without_a_wish_or_shown_to_others(call: Call, tokens: dict[str, str]) -> None:
    made = make(call)
    path = f"/v1/webhooks/{made['id']}/replay"
    for body, fault in (
        ({}, ("event_ids", "required")),
        ({"event_ids": ["evt_7"]}, ("event_ids.0", "invalid_format")),
        ({"event_ids": ["evt_01jq8z4m3hf5v9t2c6w7x8y0ab"], "only": "all"}, ("only", "conflict")),
        ({"only": "some"}, ("only", "not_in_enum")),
        ({"types": ["message.sent"]}, ("types.0", "not_in_enum")),
    ):
        assert faults(call("POST", path, body)) == [fault]
    job = call("POST", path, {"only": "failed"})
    assert job.status_code == 202 and job.json["state"] == "waiting"
    shown = f"/v1/webhooks/{made['id']}/replays/{job.json['id']}"
    assert call("GET", shown).json == job.json
    assert call("GET", shown, key=tokens["test_key"]).status_code == 404
    assert call("GET", shown.replace(made["id"], make(call)["id"])).status_code == 404
