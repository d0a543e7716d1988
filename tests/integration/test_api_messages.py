"""Reading, moving and repeating messages over HTTP: pages that hold, filters, search, content, conversations."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient

from api import create_app
from common import clock
from common.config import current_settings, read_settings
from common.db import session
from common.domain.outcomes import Outcome
from common.services import composing, delivery, keys, listing, quickstart, retention
from common.services.quickstart import QUICKSTART_ACCOUNT


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


def send(client: FlaskClient, number: int = 0, **fields: Any) -> str:
    mail = {"recipient": f"user{number}@example.net", "subject": f"Hello {number}", "text": "Hello."} | fields
    answer = client.post("/v1/messages", json=mail)
    assert answer.status_code == 202, answer.get_json()
    return str(answer.get_json()["message_id"])


def listed(client: FlaskClient, query: str = "") -> list[str]:
    answer = client.get(f"/v1/messages?limit=100&{query}")
    assert answer.status_code == 200, answer.get_json()
    return [each["message_id"] for each in answer.get_json()["data"]]


def in_hours(hours: float) -> str:
    return (clock.now() + timedelta(hours=hours)).isoformat()


def deliver(message_id: str, outcome: Outcome) -> None:
    """Take a message through routing and one attempt without a wire."""
    with session.transaction() as connection:
        connection.exec_driver_sql("UPDATE messages SET status = 'accepted' WHERE status = 'queued'")
        ids = [row[0] for row in connection.exec_driver_sql("SELECT id FROM messages WHERE status = 'accepted'")]
        claimed = delivery.claim(connection, ids, QUICKSTART_ACCOUNT, 15)
        delivery.record(connection, current_settings(), [(each, outcome) for each in claimed], clock.now())


LINES = ((0, "*", "connected"), (1, "S", "220 mx"), (2, "C", "MAIL FROM:<a@example.com>"))
DELIVERED = Outcome("delivered", "dot", 250, "2.0.0", "2.0.0 Queued as 4711", "delivered", "mx.example.net",
                    "192.0.2.1", "TLSv1.3", 12, LINES)  # fmt: skip


def test_s40_a_page_shows_a_message_twice_or_never_while_others_arrive(client: FlaskClient) -> None:
    before = [send(client, number) for number in range(9)]
    seen, query = [], "?limit=4"
    while True:
        answer = client.get(f"/v1/messages{query}").get_json()
        seen += [each["message_id"] for each in answer["data"]]
        send(client, 100 + len(seen))
        if answer["next_cursor"] is None:
            break
        query = f"?limit=4&cursor={answer['next_cursor']}"
    assert seen == before[::-1]


def test_s40_turning_back_shows_other_messages(client: FlaskClient) -> None:
    for number in range(9):
        send(client, number)
    first = client.get("/v1/messages?limit=4")
    second = client.get(f"/v1/messages?limit=4&cursor={first.get_json()['next_cursor']}")
    assert first.get_json()["prev_cursor"] is None
    assert 'rel="next"' in second.headers["Link"] and 'rel="prev"' in second.headers["Link"]
    back = client.get(f"/v1/messages?limit=4&cursor={second.get_json()['prev_cursor']}").get_json()
    assert back["data"] == first.get_json()["data"]


def test_s40_after_and_before_an_id_meet(client: FlaskClient) -> None:
    ids = [send(client, number) for number in range(5)]
    assert listed(client, f"after={ids[2]}") == [ids[1], ids[0]]
    assert listed(client, f"before={ids[2]}") == [ids[4], ids[3]]
    assert client.get("/v1/messages?after=msg_00000000000000000000000000").status_code == 404


def test_s41_a_filter_lets_others_through(client: FlaskClient) -> None:
    ids = [
        send(client, 0, tags=["red"], metadata={"order": 7, "kind": "a"}, priority="critical"),
        send(client, 1, tags=["blue"], metadata={"order": 8, "kind": "a"}),
        send(client, 2, template="otp-code", template_data={"code": "1", "expires_in": "5 minutes"}, text=None),
        send(client, 3, scheduled_time=in_hours(1)),
    ]
    cases = {
        "tag=red": [0],
        "metadata[kind]=a": [1, 0],
        "metadata[kind]=a&metadata[order]=8": [1],
        "priority=critical": [2, 0],
        "template=otp-code": [2],
        "status=scheduled": [3],
        "status=scheduled&status=queued": [3, 2, 1, 0],
        "recipient=USER1@example.net": [1],
        "created_before=2020-01-01": [],
        "recipient=user1@example.net&tag=red": [],
    }
    for query, expected in cases.items():
        assert listed(client, query) == [ids[number] for number in expected], query
    assert client.get("/v1/messages/count?tag=red").get_json() == {"count": 1, "estimated": False}
    assert client.get("/v1/messages/count?estimate=true").get_json() == {"count": 4, "estimated": False}
    for wrong in ("colour=red", "metadata[a]=1&metadata[a]=2", "batch_id=x", "priority=high", "metadatax[a]=1"):
        assert client.get(f"/v1/messages?{wrong}").status_code == 400, wrong


def test_s41_a_batch_is_not_found_by_its_id(client: FlaskClient) -> None:
    send(client)
    mails = [{"recipient": f"b{number}@example.net", "subject": "x", "text": "x"} for number in range(2)]
    batch = client.post("/v1/messages/batch", json={"messages": mails}).get_json()
    assert listed(client, f"batch_id={batch['batch_id']}") == [each["message_id"] for each in batch["data"]][::-1]


def test_s46_search_misses_what_support_knows(client: FlaskClient) -> None:
    found, other = send(client, 1, subject="Ihre Rechnung 100%", tags=["invoice"]), send(client, 2, tags=["otp"])
    deliver(found, DELIVERED)
    send(client, 3)
    for words in ("user1@", "rechnung", "100%25", "invoice", "queued%20as%204711", found):
        assert found in listed(client, f"q={words}"), words
    assert other not in listed(client, "q=rechnung") and other not in listed(client, f"q={found}")
    assert listed(client, "q=100%25x") == [] and listed(client, "q=%25%25%25") == []


@pytest.mark.parametrize("near", [2, 2_000])
def test_s46_a_search_over_several_pages_shows_a_message_twice_or_never(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch, near: int
) -> None:
    monkeypatch.setattr(listing, "NEAR", (1, near))
    wanted = [send(client, number, subject="Rechnung" if number % 2 else "Code") for number in range(10)][1::2]
    seen, query, back = [], "", ""
    while True:
        answer = client.get(f"/v1/messages?limit=2&q=rechnung{query}").get_json()
        seen += [each["message_id"] for each in answer["data"]]
        send(client, 50, subject="Rechnung") if len(seen) == 2 else None
        if answer["next_cursor"] is None:
            break
        query, back = f"&cursor={answer['next_cursor']}", query
    assert seen == wanted[::-1]
    before = client.get(f"/v1/messages?limit=2&q=rechnung&cursor={answer['prev_cursor']}").get_json()["data"]
    assert [each["message_id"] for each in before] == wanted[::-1][2:4]
    assert back


def test_s43_an_attempt_hides_its_conversation(client: FlaskClient) -> None:
    message_id = send(client)
    deliver(message_id, DELIVERED)
    (attempt,) = client.get(f"/v1/messages/{message_id}/attempts").get_json()["data"]
    assert (attempt["number"], attempt["state"], attempt["mx"], attempt["code"]) == (
        1,
        "delivered",
        "mx.example.net",
        250,
    )
    assert attempt["transcript"][2] == {"ms": 2, "from": "us", "line": "MAIL FROM:<a@example.com>"}


def test_content_is_not_what_the_recipient_reads(client: FlaskClient) -> None:
    data = {"code": "847291", "expires_in": "5 minutes"}
    found = client.get(f"/v1/messages/{send(client, template='otp-code', template_data=data, text=None)}/content")
    assert found.status_code == 200
    assert "847291" in found.get_json()["text"] and "847291" in found.get_json()["html"]
    file = {"filename": "a.txt", "content": "aGVsbG8=", "content_type": "text/plain"}
    shown = client.get(f"/v1/messages/{send(client, 2, attachments=[file])}/content").get_json()
    assert shown["attachments"] == [{"filename": "a.txt", "content_type": "text/plain", "content_id": None, "size": 5}]


def test_a33_a_sensitive_code_outlives_its_message(client: FlaskClient) -> None:
    message_id = send(client, sensitive=True, text="847291")
    with session.transaction() as connection:
        assert retention.purge_sensitive(connection) == []
    deliver(message_id, DELIVERED)
    with session.transaction() as connection:
        assert len(retention.purge_sensitive(connection)) == 1
        assert retention.purge_sensitive(connection) == []
        dump = connection.exec_driver_sql("SELECT string_agg(c::text, '') FROM message_contents c").scalar_one()
    assert "847291" not in dump
    gone = client.get(f"/v1/messages/{message_id}/content")
    assert (gone.status_code, gone.get_json()["code"]) == (410, "content_purged")
    assert client.post(f"/v1/messages/{message_id}/resend").status_code == 410
    assert client.get(f"/v1/messages/{message_id}").get_json()["content_purged_at"] is not None


def test_s31_a_moved_message_keeps_its_old_time(client: FlaskClient) -> None:
    message_id = send(client, scheduled_time=in_hours(1))
    moved = client.patch(f"/v1/messages/{message_id}", json={"scheduled_time": in_hours(5)})
    assert (moved.status_code, moved.get_json()["status"]) == (200, "scheduled")
    assert moved.get_json()["next_attempt_at"][:16] == moved.get_json()["scheduled_time"][:16]
    now = client.patch(f"/v1/messages/{message_id}", json={"scheduled_time": None}).get_json()
    assert (now["status"], now["scheduled_time"]) == ("queued", None)
    again = client.patch(f"/v1/messages/{message_id}", json={"scheduled_time": in_hours(2)}).get_json()
    assert again["status"] == "scheduled"
    events = client.get(f"/v1/messages/{message_id}/events").get_json()["data"]
    assert [each["data"]["seq"] for each in events] == [1, 2, 3, 4]
    assert all(each["data"]["rescheduled"] for each in events[1:])
    with session.transaction() as connection:
        assert not list(connection.exec_driver_sql("SELECT * FROM invariant_violations"))


def test_s31_a_message_on_its_way_is_moved(client: FlaskClient) -> None:
    message_id = send(client)
    deliver(message_id, DELIVERED)
    refused = client.patch(f"/v1/messages/{message_id}", json={"scheduled_time": in_hours(1)})
    assert (refused.status_code, refused.get_json()["code"]) == (409, "conflict")
    assert client.get(f"/v1/messages/{message_id}").get_json()["scheduled_time"] is None


def test_a_move_overwrites_one_it_has_not_seen(client: FlaskClient) -> None:
    message_id = send(client, scheduled_time=in_hours(1))
    tag = client.get(f"/v1/messages/{message_id}").headers["ETag"]
    path, body = f"/v1/messages/{message_id}", {"scheduled_time": in_hours(2)}
    assert client.patch(path, json=body, headers={"If-Match": tag}).status_code == 200
    assert client.patch(path, json=body, headers={"If-Match": tag}).status_code == 409
    assert client.patch(path, json=body, headers={"If-Match": "nonsense"}).status_code == 400


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "required"),
        ({"scheduled_time": "2020-01-01T00:00:00Z"}, "in_past"),
        ({"scheduled_time": "2099-01-01T00:00:00Z"}, "too_far"),
        ({"scheduled_time": "tomorrow"}, "invalid_format"),
        ({"scheduled_time": None, "subject": "x"}, "unknown_field"),
    ],
)
def test_a_bad_move_is_made(client: FlaskClient, body: dict[str, Any], code: str) -> None:
    answer = client.patch(f"/v1/messages/{send(client, scheduled_time=in_hours(1))}", json=body)
    assert (answer.status_code, answer.get_json()["errors"][0]["code"]) == (422, code)


def test_a_resent_message_is_the_old_one_or_sent_twice(client: FlaskClient) -> None:
    original = send(client, 1, tags=["a"], metadata={"order": 7}, ttl=600)
    first = client.post(f"/v1/messages/{original}/resend", headers={"Idempotency-Key": "again"})
    second = client.post(f"/v1/messages/{original}/resend", headers={"Idempotency-Key": "again"})
    assert (first.status_code, second.status_code) == (202, 202)
    assert first.data == second.data and second.headers["Idempotent-Replayed"] == "true"
    made = client.get(f"/v1/messages/{first.get_json()['message_id']}").get_json()
    assert made["message_id"] != original and made["resent_from"] == original
    assert (made["tags"], made["metadata"], made["subject"]) == (["a"], {"order": 7}, "Hello 1")
    assert made["expires_at"] is None
    assert len(listed(client)) == 2
    other = client.post(f"/v1/messages/{send(client, 2)}/resend", headers={"Idempotency-Key": "again"})
    assert (other.status_code, other.get_json()["code"]) == (422, "idempotency_key_reused")
    assert client.post("/v1/messages/msg_00000000000000000000000000/resend").status_code == 404


def test_e4_a_restricted_key_resends_what_it_may_not_send(client: FlaskClient) -> None:
    original = send(client, 1, tags=["payroll"])
    with session.transaction() as connection:
        made = keys.create(connection, QUICKSTART_ACCOUNT, environment="live", scopes=["messages:send"], name="narrow")
        connection.exec_driver_sql("UPDATE api_keys SET tags = '{otp}' WHERE id = %s", (made.id,))
    answer = client.post(f"/v1/messages/{original}/resend", headers={"Authorization": f"Bearer {made.token}"})
    assert (answer.status_code, answer.get_json()["code"]) == (403, "tag_not_allowed")


def test_s39_a_page_between_two_messages_holds_something_outside_of_them(client: FlaskClient) -> None:
    ids = [send(client, number) for number in range(5)]
    answer = client.get(f"/v1/messages?after={ids[4]}&before={ids[0]}&limit=2").get_json()
    assert [each["message_id"] for each in answer["data"]] == [ids[3], ids[2]]
    rest = client.get(f"/v1/messages?after={ids[4]}&before={ids[0]}&limit=2&cursor={answer['next_cursor']}").get_json()
    assert [each["message_id"] for each in rest["data"]] == [ids[1]] and not rest["has_more"]


@pytest.mark.parametrize("method", ["PATCH", "DELETE", "OPTIONS"])
def test_a_word_beside_an_id_is_taken_for_an_id(client: FlaskClient, method: str) -> None:
    answer = client.open("/v1/messages/count", method=method, json={})
    assert answer.status_code == 405
    assert {each.strip() for each in answer.headers["Allow"].split(",")} == {"GET", "HEAD"}
