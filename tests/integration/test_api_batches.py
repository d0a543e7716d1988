"""Batches: one transaction, one answer for each message, two kinds of Idempotency-Keys."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import orjson
import pytest
from flask.testing import FlaskClient

from api import create_app
from common.config import current_settings, read_settings
from common.db import session
from common.services import composing, keys, quickstart


@pytest.fixture
def client(database: None, engines: Any) -> Iterator[FlaskClient]:
    keys.forget()
    composing.forget()
    with session.transaction() as connection:
        tokens = quickstart.prepare(connection, current_settings())
    made = create_app(read_settings(rate_limit_per_minute=100_000)).test_client()
    made.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {tokens['live_key']}"
    yield made
    keys.forget()


def a_mail(number: int = 0, **fields: Any) -> dict[str, Any]:
    return {"recipient": f"user{number}@example.net", "subject": "Hello", "text": "Hello."} | fields


def send(client: FlaskClient, items: Any, headers: dict[str, str] | None = None, **more: Any) -> Any:
    body = orjson.dumps({"messages": items, **more})
    return client.post("/v1/messages/batch", data=body, content_type="application/json", headers=headers or {})


def counted() -> int:
    with session.transaction() as connection:
        return int(connection.exec_driver_sql("SELECT count(*) FROM messages").scalar_one())


def test_a_batch_loses_or_reorders_a_message(client: FlaskClient) -> None:
    answer = send(client, [a_mail(number) for number in range(1000)])
    assert answer.status_code == 202
    body = answer.get_json()
    assert (body["accepted"], body["rejected"], counted()) == (1000, 0, 1000)
    assert [each["recipient"] for each in body["data"]] == [f"user{number}@example.net" for number in range(1000)]
    assert all(set(each) == {"index", "message_id", "status", "recipient", "created_at"} for each in body["data"])
    assert len({each["message_id"] for each in body["data"]}) == 1000
    assert body["batch_id"].startswith("bat_")
    assert client.get(f"/v1/messages/{body['data'][7]['message_id']}").get_json()["recipient"] == "user7@example.net"


def test_one_fault_of_a_whole_batch_lets_the_others_through(client: FlaskClient) -> None:
    items = [a_mail(0), a_mail(1, recipient="nobody"), a_mail(2, colour="red", html="<p>", template="otp-code")]
    answer = send(client, items)
    assert answer.status_code == 422
    told = {(each["field"], each["pointer"], each["code"]) for each in answer.get_json()["errors"]}
    assert ("messages.1.recipient", "#/messages/1/recipient", "invalid_email") in told
    assert ("messages.2.colour", "#/messages/2/colour", "unknown_field") in told
    assert counted() == 0


def test_a_foreign_sender_in_a_batch_is_a_validation_error(client: FlaskClient) -> None:
    answer = send(client, [a_mail(0), a_mail(1, **{"from": "me@elsewhere.example"})])
    assert answer.status_code == 403
    assert answer.get_json()["code"] == "sender_not_verified"
    assert answer.get_json()["errors"][0]["field"] == "messages.1.from"
    assert counted() == 0


def test_a_partial_batch_hides_what_it_refused(client: FlaskClient) -> None:
    answer = send(client, [a_mail(0), a_mail(1, recipient="nobody"), 7, a_mail(3)], on_error="partial")
    assert answer.status_code == 202
    body = answer.get_json()
    assert (body["accepted"], body["rejected"], counted()) == (2, 2, 2)
    assert [each["index"] for each in body["data"]] == [0, 1, 2, 3]
    assert body["data"][1]["error"]["errors"][0]["field"] == "recipient"
    assert body["data"][1]["error"]["code"] == "validation_error"
    assert "message_id" not in body["data"][1]


def test_a_batch_sent_again_sends_again(client: FlaskClient) -> None:
    items, key = [a_mail(number) for number in range(3)], {"Idempotency-Key": "batch-1"}
    first, second = send(client, items, key), send(client, items, key)
    assert (first.status_code, second.status_code, counted()) == (202, 202, 3)
    assert second.data == first.data
    assert second.headers["Idempotent-Replayed"] == "true" and "Idempotent-Replayed" not in first.headers
    other = send(client, items[:2], key)
    assert (other.status_code, other.get_json()["code"], counted()) == (422, "idempotency_key_reused", 3)


def test_an_items_own_key_is_forgotten_across_batches_and_single_sends(client: FlaskClient) -> None:
    single = client.post("/v1/messages", json=a_mail(0), headers={"Idempotency-Key": "order-0"}).get_json()
    body = send(client, [a_mail(0, idempotency_key="order-0"), a_mail(1, idempotency_key="order-1")]).get_json()
    assert body["data"][0]["message_id"] == single["message_id"] and body["data"][0]["replayed"] is True
    assert "replayed" not in body["data"][1]
    assert counted() == 2
    other = send(client, [a_mail(5, idempotency_key="order-1")])
    assert other.status_code == 422
    assert other.get_json()["errors"][0]["field"] == "messages.0.idempotency_key"
    mixed = send(client, [a_mail(5, idempotency_key="order-1"), a_mail(6)], on_error="partial").get_json()
    assert mixed["data"][0]["error"]["code"] == "idempotency_key_reused" and mixed["accepted"] == 1
    assert counted() == 3


def test_two_items_share_a_key(client: FlaskClient) -> None:
    answer = send(client, [a_mail(0, idempotency_key="k"), a_mail(1, headers={"X-Idempotency-Key": "k"})])
    assert answer.status_code == 422
    assert answer.get_json()["errors"][0] == {
        "field": "messages.1.idempotency_key",
        "pointer": "#/messages/1/idempotency_key",
        "code": "duplicate",
        "message": "is that of messages.0",
    }


def test_many_equal_batches_at_once_are_many_batches(client: FlaskClient) -> None:
    items, key = [a_mail(number) for number in range(5)], {"Idempotency-Key": "same"}
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: send(client.application.test_client(), items, key | {
            "Authorization": client.environ_base["HTTP_AUTHORIZATION"]}), range(8)))  # fmt: skip
    assert counted() == 5
    assert {each.status_code for each in answers} <= {202, 409}
    assert len({each.data for each in answers if each.status_code == 202}) == 1


@pytest.mark.parametrize(
    "items", [None, [], {}, "x", [a_mail()] * 1001], ids=["null", "none", "object", "text", "many"]
)
def test_a_list_that_is_no_batch_is_accepted(client: FlaskClient, items: Any) -> None:
    answer = send(client, items)
    assert (answer.status_code, answer.get_json()["errors"][0]["field"]) == (422, "messages")
    assert answer.get_json()["errors"][0]["code"] in ("required", "too_short", "invalid_type", "too_many")


def test_a_batch_counts_as_one_request(client: FlaskClient) -> None:
    before = int(send(client, [a_mail()]).headers["X-RateLimit-Remaining"])
    after = int(send(client, [a_mail(number) for number in range(95)]).headers["X-RateLimit-Remaining"])
    assert before - after == 10
