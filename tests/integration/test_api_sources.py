"""Sources through the API: what may be kept, what is never told, and that a test says what a relay dislikes."""

from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import pytest
from redis import Redis

from api import create_app
from common.config import current_settings, read_settings
from common.db.session import rows, transaction
from common.domain.ids import decode
from common.domain.profiles import PROFILES
from common.services import composing, delivery, keys, quickstart, routing, source_tests, sources
from tests.builders import an_account, some_messages
from tests.fakes.scripted import Expect, Scripted, hello
from workers.delivery import tasks as worker
from workers.delivery.paced import by_path

Call = Callable[..., Any]
RELAY = {"name": "relay", "kind": "relay", "host": "smtp.example.com", "username": "me", "password": "s3cret-pass"}


@pytest.fixture
def tokens(database: None, engines: Any) -> Iterator[dict[str, str]]:
    Redis.from_url(engines.redis_url).flushdb()
    keys.forget()
    composing.forget()
    with transaction() as connection:
        made = quickstart.prepare(connection, current_settings())
    yield made
    keys.forget()


def caller(tokens: dict[str, str], **settings: Any) -> Call:
    client = create_app(read_settings(**settings)).test_client()

    def ask(method: str, path: str, body: Any = None, *, key: str = "live_key") -> Any:
        return client.open(path, method=method, json=body, headers={"Authorization": f"Bearer {tokens[key]}"})

    return ask


@pytest.fixture
def call(tokens: dict[str, str]) -> Call:
    return caller(tokens)


def make(call: Call, *, key: str = "live_key", **fields: Any) -> dict[str, Any]:
    answer = call("POST", "/v1/sources", RELAY | fields, key=key)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json
    return found


def faults(answer: Any) -> list[tuple[str, str]]:
    assert answer.status_code == 422, answer.text
    return [(each["field"], each["code"]) for each in answer.json["errors"]]


def kept(source_id: str) -> sources.Exit:
    which = decode("src", source_id)
    assert which is not None
    with transaction() as connection:
        found = sources.get(connection, current_settings(), which, enabled=False)
    assert found is not None
    return found


def test_a_password_comes_out_or_lies_open(call: Call) -> None:
    made = make(call)
    assert made["has_password"] is True
    shown = [call("GET", f"/v1/sources/{made['id']}").text, call("GET", "/v1/sources").text]
    with transaction() as connection:
        shown.append(str(rows(connection, "SELECT * FROM sources")))
    assert not [text for text in shown if "s3cret-pass" in text]
    assert kept(made["id"]).password == "s3cret-pass"


@pytest.mark.parametrize("name", [name for name in PROFILES if name != "generic"])
def test_a_profile_leaves_something_to_be_looked_up(call: Call, name: str) -> None:
    profile = PROFILES[name]
    body: dict[str, Any] = {"name": name, "kind": "relay", "profile": name, "password": "secret"}
    body |= {} if profile.fixed_username else {"username": "me@example.com"}
    answer = call("POST", "/v1/sources", body)
    assert answer.status_code == 201, answer.text
    assert (answer.json["host"], answer.json["port"], answer.json["tls"]) == (profile.host, profile.port, profile.tls)
    assert answer.json["username"] == (profile.fixed_username or "me@example.com")


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"host": None}, [("host", "required")]),
        ({"password": None}, [("password", "required")]),
        ({"username": None}, [("username", "required")]),
        ({"tls": "none"}, [("tls", "conflict")]),
        ({"tls": "opportunistic"}, [("tls", "conflict")]),
        ({"host": "127.0.0.1"}, [("host", "invalid_format")]),
        ({"host": "localhost"}, [("host", "invalid_format")]),
        ({"host": "[::1]"}, [("host", "invalid_format")]),
        ({"host": "169.254.169.254"}, [("host", "invalid_format")]),
        ({"host": "10.0.0.8"}, [("host", "invalid_format")]),
        ({"host": "a b"}, [("host", "invalid_format")]),
        ({"port": 0}, [("port", "too_small")]),
        ({"bind_ipv4": "::1"}, [("bind_ipv4", "invalid_format")]),
        ({"name": "Relay One"}, [("name", "invalid_format")]),
        ({"kind": "sink"}, [("host", "conflict"), ("username", "conflict"), ("password", "conflict")]),
    ],
)
def test_a_source_that_cannot_work_is_kept(call: Call, fields: dict[str, Any], wrong: list[tuple[str, str]]) -> None:
    assert faults(call("POST", "/v1/sources", RELAY | fields)) == wrong


def test_a_private_relay_is_refused_where_the_operator_allows_it(tokens: dict[str, str]) -> None:
    lab = caller(tokens, egress_allow="127.0.0.0/8")
    make(lab, host="127.0.0.1", tls="none", name="lab")
    answer = lab("POST", "/v1/sources", RELAY | {"host": "10.0.0.8", "name": "other"})
    assert faults(answer) == [("host", "invalid_format")]
    make(caller(tokens), key="admin_key", host="10.0.0.8", shared=True, name="inside")


def test_an_account_sends_from_the_machines_own_addresses(call: Call) -> None:
    for body in (
        {"name": "direct", "kind": "direct", "ehlo_name": "mail.example.com"},
        RELAY | {"shared": True},
    ):
        answer = call("POST", "/v1/sources", body)
        assert (answer.status_code, answer.json["code"]) == (403, "insufficient_scope")
    body = {"name": "own", "kind": "direct", "ehlo_name": "mail.example.com", "bind_ipv4": "203.0.113.7"}
    made = call("POST", "/v1/sources", body, key="admin_key")
    assert made.status_code == 201, made.text
    assert call("PATCH", f"/v1/sources/{made.json['id']}", {"bind_ipv4": None}).status_code == 403


def test_the_operators_source_is_changed_or_told_to_an_account(call: Call) -> None:
    made = make(call, key="admin_key", shared=True, host="smtp.example.org")
    seen = call("GET", f"/v1/sources/{made['id']}").json
    assert (seen["shared"], seen["host"], seen["username"]) == (True, None, None)
    assert call("PATCH", f"/v1/sources/{made['id']}", {"enabled": False}).status_code == 403
    assert call("DELETE", f"/v1/sources/{made['id']}").status_code == 403
    assert call("DELETE", f"/v1/sources/{made['id']}", key="admin_key").status_code == 204
    assert call("GET", f"/v1/sources/{made['id']}").status_code == 404


def test_another_accounts_source_is_seen(call: Call) -> None:
    other = an_account()
    with transaction() as connection:
        source = rows(connection, "SELECT id FROM sources WHERE account_id = %s", other.id)[0]
        made = keys.create(connection, other.id, environment="live", scopes=("sources:write", "sources:read"))
    own = make(call)
    client = create_app(read_settings()).test_client()
    headers = {"Authorization": f"Bearer {made.token}"}
    for method in ("GET", "PATCH", "DELETE"):
        answer = client.open(f"/v1/sources/{own['id']}", method=method, json={"enabled": False}, headers=headers)
        assert answer.status_code == 404
    assert client.post(f"/v1/sources/{own['id']}/tests", json={}, headers=headers).status_code == 404
    assert str(source.id) not in call("GET", "/v1/sources").text


def test_a_password_follows_its_source_to_another_host(call: Call) -> None:
    path = f"/v1/sources/{make(call)['id']}"
    for fields in ({"host": "evil.example.net"}, {"port": 2525}, {"username": "other"}, {"tls": "encrypted"}):
        refused = call("PATCH", path, fields)
        assert (refused.status_code, refused.json["errors"][0]["field"]) == (409, "password")
    changed = call("PATCH", path, {"host": "smtp.example.org", "password": "another"})
    assert (changed.status_code, changed.json["host"]) == (200, "smtp.example.org")
    assert kept(changed.json["id"]).password == "another"
    cleared = call("PATCH", path, {"username": None, "password": None})
    assert (cleared.status_code, cleared.json["has_password"], cleared.json["username"]) == (200, False, None)


def test_two_sources_are_the_default(call: Call) -> None:
    first, second = make(call, name="one", is_default=True), make(call, name="two", is_default=True)
    chosen = {each["name"] for each in call("GET", "/v1/sources").json["data"] if each["is_default"]}
    assert (first["is_default"], second["is_default"], chosen & {"one", "two", "mailbox"}) == (True, True, {"two"})
    message = call("POST", "/v1/messages", {"recipient": "user@example.net", "subject": "Hello", "text": "Hi"})
    which = decode("msg", message.json["message_id"])
    assert which is not None
    with transaction() as connection:
        routing.route(connection, [which])
        path = rows(connection, "SELECT path FROM messages WHERE id = %s", which)[0].path
    assert path == "two/relay"
    with transaction() as connection:
        quickstart.prepare(connection, current_settings())  # a restart does not take the choice back
    assert call("GET", f"/v1/sources/{second['id']}").json["is_default"] is True


def test_a_name_is_taken_twice(call: Call) -> None:
    make(call)
    answer = call("POST", "/v1/sources", RELAY)
    assert (answer.status_code, answer.json["code"]) == (409, "conflict")


def test_a_source_goes_while_mail_waits_for_it(call: Call, tokens: dict[str, str]) -> None:
    made = make(call, is_default=True)
    message = call("POST", "/v1/messages", {"recipient": "user@example.net", "subject": "Hello", "text": "Hi"})
    which = decode("msg", message.json["message_id"])
    assert which is not None
    with transaction() as connection:
        routing.route(connection, [which])
    assert call("DELETE", f"/v1/sources/{made['id']}").status_code == 409
    call("DELETE", f"/v1/messages/{message.json['message_id']}")
    assert call("DELETE", f"/v1/sources/{made['id']}").status_code == 204


def probed(call: Call, source_id: str, body: Any = None) -> dict[str, Any]:
    asked = call("POST", f"/v1/sources/{source_id}/tests", body or {})
    assert (asked.status_code, asked.json["state"], asked.json["report"]) == (202, "waiting", None), asked.text
    worker.test_sources.run([str(decode("stt", asked.json["id"]))])
    found: dict[str, Any] = call("GET", f"/v1/sources/{source_id}/tests/{asked.json['id']}").json
    assert call("GET", f"/v1/sources/{source_id}/tests").json["data"][0] == found
    return found


@pytest.fixture
def shared(tokens: dict[str, str]) -> Callable[..., dict[str, Any]]:
    """A relay on loopback, which only the operator may have, as the account sees it."""
    call = caller(tokens)

    def make_one(port: int, **fields: Any) -> dict[str, Any]:
        made: dict[str, Any] = call(
            "POST",
            "/v1/sources",
            {"name": "lab", "kind": "relay", "host": "127.0.0.1", "port": port, "tls": "none", "shared": True} | fields,
            key="admin_key",
        ).json
        return made

    return make_one


def test_a_test_does_not_say_that_a_relay_works(call: Call, shared: Callable[..., dict[str, Any]]) -> None:
    with Scripted([*hello("PIPELINING", "AUTH PLAIN"), Expect("AUTH PLAIN", "235 2.7.0 welcome")]) as server:
        made = shared(server.port, username="me", password="s3cret-pass")
        found = probed(call, made["id"])
    assert (found["state"], found["report"]["stage"], found["report"]["advice"]) == (
        "passed", "ready", "It works: mail can leave this way.",
    )  # fmt: skip
    assert found["report"]["offers"] == ["AUTH", "PIPELINING"]
    lines = [each["line"] for each in found["report"]["transcript"]]
    assert "AUTH PLAIN ***" in lines and "s3cret-pass" not in str(found)
    assert server.seen[0].rest == b"QUIT\r\n"


def test_a_test_does_not_say_what_to_do_about_a_refused_password(
    call: Call, shared: Callable[..., dict[str, Any]]
) -> None:
    refusal = "535 5.7.8 no such user"
    with Scripted([*hello("AUTH PLAIN"), Expect("AUTH PLAIN", refusal)]) as server:
        made = shared(server.port, profile="postmark", username="me", password="s3cret-pass")
        report = probed(call, made["id"])["report"]
    assert (report["stage"], report["code"], report["reply"]) == ("auth", 535, "5.7.8 no such user")
    assert "access key" in report["advice"] and "secret of the same token" in report["advice"]


def test_a_test_hides_that_nobody_listens(call: Call, shared: Callable[..., dict[str, Any]]) -> None:
    made = shared(1)
    report = probed(call, made["id"])["report"]
    assert (report["stage"], report["code"]) == ("connect", None)
    assert "Connection refused" in report["reply"]


def test_a_direct_source_is_tested_without_a_domain(call: Call) -> None:
    made = call("POST", "/v1/sources", {"name": "own", "kind": "direct"}, key="admin_key").json
    asked = call("POST", f"/v1/sources/{made['id']}/tests", {})
    assert (asked.status_code, asked.json["recipient_domain"]) == (202, "example.com")
    with transaction() as connection:
        connection.exec_driver_sql("UPDATE domains SET state = 'failed'")
    assert faults(call("POST", f"/v1/sources/{made['id']}/tests", {})) == [("recipient_domain", "required")]


def test_a_test_that_no_worker_takes_waits_for_ever(call: Call) -> None:
    made = make(call)
    asked = call("POST", f"/v1/sources/{made['id']}/tests", {}).json
    with transaction() as connection:
        connection.exec_driver_sql(
            "UPDATE source_tests SET created_at = now() - make_interval(secs => %s)",
            (source_tests.PATIENCE_SECONDS + 1,),
        )
    found = call("GET", f"/v1/sources/{made['id']}/tests/{asked['id']}").json
    assert found["state"] == "failed" and "worker" in found["report"]["advice"]


def test_tests_scan_the_network(call: Call) -> None:
    made = make(call)
    asked = [call("POST", f"/v1/sources/{made['id']}/tests", {}) for _ in range(source_tests.MOST_A_MINUTE + 1)]
    assert [each.status_code for each in asked][-2:] == [202, 429]


def test_two_accounts_name_a_source_alike_and_one_sends_with_the_others(tmp_path: Any) -> None:
    """A path bears the source's name; a ticket may carry both accounts' messages."""
    claimed = []
    for _ in range(2):
        account = an_account()
        with transaction() as connection:
            connection.exec_driver_sql("UPDATE sources SET name = 'ses' WHERE account_id = %s", (account.id,))
            ids = some_messages(connection, account, 1)
            routing.route(connection, ids)
            claimed += delivery.claim(connection, ids, UUID(int=1), 15.0)
    assert len({each.row.path for each in claimed}) == 1
    assert len(by_path(claimed)) == len(worker._by_scope(claimed)) == 2
