"""Idempotency-Keys as api.md 1.4 has them: every route that creates, races, waits that end, look-up, end of life."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest

from api import create_app
from common import clock
from common.config import current_settings, read_settings
from common.db import session
from common.domain.ids import decode
from common.services import accounts, domains, due, keys
from common.services.quickstart import QUICKSTART_ACCOUNT
from tests.callers import Api, mail
from tests.pipeline import work_off

ROUTE = "POST /v1/messages"


def count(table: str, where: str, *values: Any) -> int:
    with session.transaction() as connection:
        return int(session.rows(connection, f"SELECT count(*) AS n FROM {table} WHERE {where}", *values)[0].n)


def together(times: int, call: Any) -> list[Any]:
    gate = threading.Barrier(times)

    def one(number: int) -> Any:
        gate.wait()
        return call(number)

    with ThreadPoolExecutor(times) as pool:
        return list(pool.map(one, range(times)))


@contextmanager
def a_running_request(key: str, route: str = ROUTE) -> Iterator[None]:
    """Somewhere else the first request with this key has written, and not committed."""
    with session.transaction() as connection:
        connection.exec_driver_sql(
            "INSERT INTO idempotency_keys (account_id, environment, route, key, fingerprint, request_id, message_id,"
            " status, response) VALUES (%s, 'live', %s, %s, '', 'req_1', %s, 202, '{}')",
            (QUICKSTART_ACCOUNT, route, key, QUICKSTART_ACCOUNT),
        )
        yield
        connection.rollback()


def test_s39_s59_fifty_identical_calls_make_two_mails(api: Api) -> None:
    body = mail(recipient="fifty@example.net")
    answers = together(50, lambda _: api.call("POST", "/v1/messages", body, Idempotency_Key="fifty"))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.data for answer in answers}) == 1
    assert sum("Idempotent-Replayed" not in answer.headers for answer in answers) == 1
    assert count("messages", "recipient_key = 'fifty@example.net'") == 1
    work_off()
    assert len(api.caught("fifty@example.net")) == 1


def test_another_payload_under_the_key_is_accepted_or_poorly_refused(api: Api) -> None:
    first = api.call("POST", "/v1/messages", mail(), Idempotency_Key="other")
    again = api.call("POST", "/v1/messages", mail(subject="Other"), Idempotency_Key="other")
    told = again.get_json()
    assert (again.status_code, told["code"], told["retryable"]) == (422, "idempotency_key_reused", False)
    assert told["first_request_id"] == first.headers["X-Request-Id"]
    assert told["errors"] == [
        {"field": "Idempotency-Key", "code": "conflict", "message": told["errors"][0]["message"], "location": "header"}
    ]


def test_white_space_order_and_nulls_make_another_payload(api: Api) -> None:
    spaced = b'{ "text":"a",\n "recipient" : "ws@example.net","subject":"b" , "html": null}'
    bodies = [{"recipient": "ws@example.net", "subject": "b", "text": "a"}, spaced]
    first, again = (api.call("POST", "/v1/messages", body, Idempotency_Key="spaces") for body in bodies)
    assert first.data == again.data


def test_a_new_api_key_or_the_test_environment_shares_what_it_should_not(api: Api) -> None:
    with session.transaction() as connection:
        rotated = keys.create(connection, QUICKSTART_ACCOUNT, environment="live", scopes=["messages:send"], name="new")
    one, two, three = (
        api.call("POST", "/v1/messages", mail(), key, Idempotency_Key="rotated")
        for key in (api.live, rotated.token, api.test)
    )
    assert one.data == two.data != three.data


def test_a_refused_request_uses_its_key_up(api: Api) -> None:
    assert api.call("POST", "/v1/messages", mail(recipient="no"), Idempotency_Key="mended").status_code == 422
    assert api.call("POST", "/v1/messages", mail(), Idempotency_Key="mended").status_code == 202


def test_a_retry_is_refused_because_time_has_passed_or_a_template_has_gone(api: Api) -> None:
    soon = clock.rfc3339(clock.now() + timedelta(hours=1))
    body = mail(recipient="late@example.net", scheduled_time=soon)
    batch = {"messages": [body]}
    with pytest.MonkeyPatch.context() as patch:
        first = api.call("POST", "/v1/messages", body, Idempotency_Key="late")
        whole = api.call("POST", "/v1/messages/batch", batch, Idempotency_Key="late")
        later = clock.now() + timedelta(hours=2)
        patch.setattr(clock, "now", lambda: later)
        assert api.call("POST", "/v1/messages", body, Idempotency_Key="too-late").status_code == 422
        again = api.call("POST", "/v1/messages", body, Idempotency_Key="late")
        whole_again = api.call("POST", "/v1/messages/batch", batch, Idempotency_Key="late")
    assert (again.status_code, again.data, again.headers["Idempotent-Replayed"]) == (202, first.data, "true")
    assert (whole_again.status_code, whole_again.data) == (202, whole.data)


CREATING: list[tuple[str, dict[str, Any], str]] = [
    ("/v1/suppressions", {"recipient": "once@example.net"}, "suppressions"),
    ("/v1/unsubscribes", {"recipient": "once-2@example.net"}, "suppressions"),
    ("/v1/webhooks", {"url": "https://hooks.example.com/once"}, "webhooks"),
    ("/v1/api-keys", {"name": "once", "scopes": ["messages:read"]}, "api_keys"),
]


@pytest.mark.parametrize(("path", "body", "table"), CREATING, ids=[each[0] for each in CREATING])
def test_a_creating_route_ignores_the_key(api: Api, path: str, body: dict[str, Any], table: str) -> None:
    before = count(table, "true")
    first, again = (api.call("POST", path, body, Idempotency_Key="once") for _ in range(2))
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.data == again.data and again.headers["Idempotent-Replayed"] == "true"
    assert count(table, "true") == before + 1
    other = next(iter(body.values())) + "x"
    refused = api.call("POST", path, body | {next(iter(body)): other}, Idempotency_Key="once")
    assert (refused.status_code, refused.get_json()["code"]) == (422, "idempotency_key_reused")
    assert count(table, "true") == before + 1


def test_a_secret_lies_open_in_the_stored_answer(api: Api) -> None:
    body = {"name": "sealed", "scopes": ["messages:read"]}
    made = api.call("POST", "/v1/api-keys", body, Idempotency_Key="sealed").get_json()
    secret = made["secret"]
    rotated = [
        api.call("POST", f"/v1/api-keys/{made['id']}/rotate", {}, Idempotency_Key="sealed").get_json()["secret"]
        for _ in range(2)
    ]
    assert rotated[0] == rotated[1] != secret
    for each in (secret, rotated[0]):
        assert count("idempotency_keys", "response LIKE %s", f"%{each[20:40]}%") == 0
    shown = api.call("GET", "/v1/idempotency-keys/sealed?route=POST%20/v1/api-keys").get_json()
    assert shown["answer"] is None and shown["status"] == 201


def test_many_at_once_make_two_of_a_thing_or_an_error_of_ours(api: Api) -> None:
    body = {"recipient": "crowd@example.net"}
    answers = together(20, lambda _: api.call("POST", "/v1/suppressions", body, Idempotency_Key="crowd"))
    codes = {answer.status_code for answer in answers}
    assert codes <= {201, 409} and 201 in codes
    assert len({answer.data for answer in answers if answer.status_code == 201}) == 1
    for answer in answers:
        if answer.status_code == 409:
            assert (answer.get_json()["code"], answer.headers["Retry-After"]) == ("idempotency_in_flight", "1")


def test_a_running_request_keeps_others_waiting_or_is_waited_for_for_ever(api: Api) -> None:
    answers: list[tuple[float, Any]] = []

    def call() -> None:
        since = time.monotonic()
        answer = api.call("POST", "/v1/messages", mail(), Idempotency_Key="busy")
        answers.append((time.monotonic() - since, answer))

    with a_running_request("busy"):
        threads = [threading.Thread(target=call) for _ in range(6)]
        for each in threads:
            each.start()
        since = time.monotonic()
        assert api.call("POST", "/v1/messages", mail(), Idempotency_Key="free").status_code == 202
        assert time.monotonic() - since < 1.5
        for each in threads:
            each.join(10)
    assert {answer.get_json()["code"] for _, answer in answers} == {"idempotency_in_flight"}
    assert all(answer.headers["Retry-After"] == "1" for _, answer in answers)
    assert max(spent for spent, _ in answers) < 5
    assert sum(spent > 1.5 for spent, _ in answers) == 2
    assert api.call("POST", "/v1/messages", mail(), Idempotency_Key="busy").status_code == 202


def test_a_creating_route_waits_for_ever_for_the_first_request(api: Api) -> None:
    with a_running_request("slow", "POST /v1/suppressions"):
        since = time.monotonic()
        answer = api.call("POST", "/v1/suppressions", {"recipient": "slow@example.net"}, Idempotency_Key="slow")
        waited = time.monotonic() - since
    assert (answer.status_code, answer.get_json()["code"]) == (409, "idempotency_in_flight")
    assert 1.5 < waited < 5


def test_a_used_key_cannot_be_looked_up(api: Api) -> None:
    key = "order/17 ?a=b&c"
    sent = api.call("POST", "/v1/messages", mail(), Idempotency_Key=key)
    path = "/v1/idempotency-keys/order/17%20%3Fa=b&c"
    found = api.call("GET", path)
    assert found.status_code == 200, found.data
    shown = found.get_json()
    assert (shown["key"], shown["route"], shown["status"]) == (key, ROUTE, 202)
    assert shown["message_id"] == sent.get_json()["message_id"] and shown["batch_id"] is None
    assert shown["answer"] == sent.get_json() and shown["request_id"] == sent.headers["X-Request-Id"]
    assert clock.rfc3339(clock.now() + timedelta(hours=23)) < shown["expires_at"]
    assert api.call("GET", path, key=api.test).status_code == 404
    assert api.call("GET", "/v1/idempotency-keys/never").status_code == 404
    batch = api.call("POST", "/v1/messages/batch", {"messages": [mail()]}, Idempotency_Key=key).get_json()
    assert api.call("GET", path).get_json()["batch_id"] == batch["batch_id"]
    assert api.call("GET", f"{path}?route=POST%20/v1/messages").get_json()["message_id"] == shown["message_id"]


def test_s36_a_key_lives_shorter_or_longer_than_its_day(api: Api) -> None:
    def age(seconds: int) -> None:
        with session.transaction() as connection:
            connection.exec_driver_sql(
                "UPDATE idempotency_keys SET created_at = now() - make_interval(secs => %s) WHERE key = 'aged'",
                (seconds,),
            )

    def prune() -> None:
        with session.transaction() as connection:
            due.forget_idempotency_keys(connection, current_settings())

    first = api.call("POST", "/v1/messages", mail(recipient="aged@example.net"), Idempotency_Key="aged")
    age(24 * 3600 - 5)
    prune()
    again = api.call("POST", "/v1/messages", mail(recipient="aged@example.net"), Idempotency_Key="aged")
    assert again.data == first.data
    age(24 * 3600 + 1)
    assert api.call("GET", "/v1/idempotency-keys/aged").status_code == 404
    prune()
    assert count("idempotency_keys", "key = 'aged'") == 0
    new = api.call("POST", "/v1/messages", mail(recipient="aged@example.net"), Idempotency_Key="aged")
    assert new.status_code == 202 and new.data != first.data
    listed = api.call("GET", "/v1/messages?idempotency_key=aged").get_json()["data"]
    assert {each["message_id"] for each in listed} == {each.get_json()["message_id"] for each in (first, new)}


def test_without_redis_a_key_no_longer_holds(api: Api, tmp_path: Any) -> None:
    settings = read_settings(redis_url=f"unix://{tmp_path}/none.sock?db=0", rate_limit_per_minute=100_000)
    alone = Api(create_app(settings).test_client(), api.live, api.test)
    body = mail(recipient="redisless@example.net")
    answers = together(20, lambda _: alone.call("POST", "/v1/messages", body, Idempotency_Key="redisless"))
    assert {answer.status_code for answer in answers} == {202} and len({answer.data for answer in answers}) == 1
    assert count("messages", "recipient_key = 'redisless@example.net'") == 1


def test_e5_a_key_guessed_by_another_account_answers_with_what_is_not_theirs(api: Api) -> None:
    with session.transaction() as connection:
        other = decode("acc", accounts.create(connection, {"name": "other", "default_sender": "a@example.com"})["id"])
        assert other is not None
        domains.declare_verified(connection, current_settings(), other, "example.com")
        theirs = keys.create(
            connection, other, environment="live", scopes=["messages:send", "messages:read"], name="other"
        ).token
    body = mail(recipient="guessed@example.net")
    first = api.call("POST", "/v1/messages", body, Idempotency_Key="guessed")
    second = api.call("POST", "/v1/messages", body, theirs, Idempotency_Key="guessed")
    assert (first.status_code, second.status_code) == (202, 202)
    assert first.get_json()["message_id"] != second.get_json()["message_id"]
    assert "Idempotent-Replayed" not in second.headers
    shown = api.call("GET", "/v1/idempotency-keys/guessed", key=theirs).get_json()
    assert shown["message_id"] == second.get_json()["message_id"]
    assert count("messages", "recipient_key = 'guessed@example.net'") == 2
