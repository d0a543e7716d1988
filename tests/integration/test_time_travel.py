"""The test clock and scripted outcomes: hours of retries in one call, for test mail alone. And forecasts."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest

from common import clock
from common.db.session import rows, transaction
from common.domain.simulator import DOMAIN, script_of
from tests.callers import Api, an_api, mail
from tests.pipeline import work_off

SCHEDULE = 27_331 + 5 * 60
"""All waits, and their jitter."""


@pytest.fixture
def api(database: None) -> Iterator[Api]:
    with an_api() as found:
        yield found


def advance(api: Api, seconds: int, message_id: str | None = None, status: int = 200) -> int:
    answer = api.call("POST", "/v1/test-clock/advance", {"seconds": seconds, "message_id": message_id}, api.test)
    assert answer.status_code == status, answer.data
    return int(answer.get_json().get("messages", 0))


def statuses(api: Api, message_id: str) -> list[str]:
    found = api.read(message_id, "/events", api.test)["data"]
    return [each["type"].removeprefix("message.") for each in found]


def test_one_call_stops_short_of_the_last_retry(api: Api) -> None:
    sent = api.send(api.test, recipient=f"deferred@{DOMAIN}")["message_id"]
    assert advance(api, SCHEDULE, sent) == 1
    for _ in range(6):
        work_off()
    assert statuses(api, sent) == ["queued", "accepted", *["deferred"] * 5, "bounced"]
    with transaction() as connection:
        assert not rows(connection, "SELECT * FROM invariant_violations")
    advance(api, 1, sent, 404)


def test_a_wait_is_cut_short_by_more_than_was_asked(api: Api) -> None:
    sent = api.send(api.test, recipient=f"deferred@{DOMAIN}")["message_id"]
    work_off()
    assert advance(api, 40) == 1
    work_off()
    work_off()
    assert statuses(api, sent) == ["queued", "accepted", "deferred", "deferred"]
    left = datetime.fromisoformat(api.read(sent, key=api.test)["next_attempt_at"]) - clock.now()
    assert timedelta(seconds=250) < left < timedelta(seconds=340)


def test_a_deadline_stands_still(api: Api) -> None:
    sent = api.send(api.test, recipient=f"deferred@{DOMAIN}", ttl=3600)["message_id"]
    work_off()
    advance(api, 2 * 86400, sent)
    for _ in range(6):
        work_off()
    assert api.read(sent, key=api.test)["status"] in ("expired", "bounced")


def test_a_scheduled_message_waits_all_the_same(api: Api) -> None:
    ahead = clock.rfc3339(clock.now() + timedelta(days=2))
    sent = api.send(api.test, scheduled_time=ahead)["message_id"]
    advance(api, 2 * 86400 + 1, sent)
    work_off()
    work_off()
    assert api.read(sent, key=api.test)["status"] == "delivered"


def test_live_mail_travels_in_time(api: Api) -> None:
    live = api.send(recipient=f"deferred@{DOMAIN}")["message_id"]
    work_off()
    before = api.read(live)["next_attempt_at"]
    assert api.call("POST", "/v1/test-clock/advance", {"seconds": 60}).get_json()["code"] == "conflict"
    assert advance(api, 60) == 0
    advance(api, 60, live, 404)
    assert api.read(live)["next_attempt_at"] == before


@pytest.mark.parametrize(
    ("script", "timeline"),
    [
        ("defer-defer-deliver", ["deferred", "deferred", "delivered"]),
        ("defer-bounce+case7", ["deferred", "bounced"]),
        ("deliver", ["delivered"]),
        ("nonsense", ["bounced"]),
    ],
)
def test_a_script_is_not_followed(api: Api, script: str, timeline: list[str]) -> None:
    sent = api.send(api.test, recipient=f"Scripted+{script}@{DOMAIN}")["message_id"]
    work_off(retries=3)
    assert statuses(api, sent) == ["queued", "accepted", *timeline]


def test_a_script_is_read_otherwise() -> None:
    assert script_of(f"scripted+DEFER-deliver+x@{DOMAIN}") == ("defer", "deliver")
    assert script_of(f"scripted@{DOMAIN}") == () == script_of(f"scripted+defer-@{DOMAIN}")


def test_a_forecast_comes_unasked_or_says_nothing(api: Api) -> None:
    plain = api.call("POST", "/v1/messages", mail()).get_json()
    assert set(plain) == {"message_id", "status", "recipient", "created_at"}
    body = mail(tags=["offer"], priority="bulk")
    first = api.call("POST", "/v1/messages?forecast=true", body, Idempotency_Key="a").get_json()
    assert first["queue_position"] == 1 and first["held_by"] is None
    soon = datetime.fromisoformat(first["estimated_first_attempt_at"]) - clock.now()
    assert timedelta(seconds=-5) < soon < timedelta(seconds=5)
    hold = api.call("POST", "/v1/holds", {"match": {"tag": "offer"}, "reason": "wrong price"}).get_json()
    second = api.call("POST", "/v1/messages?forecast=true", body).get_json()
    assert second["held_by"]["id"] == hold["id"] and second["estimated_first_attempt_at"] >= hold["expires_at"]
    again = api.call("POST", "/v1/messages?forecast=true", body, Idempotency_Key="a").get_json()
    assert again["message_id"] == first["message_id"] and again["held_by"]["id"] == hold["id"]
    ahead = clock.rfc3339(clock.now() + timedelta(days=1))
    later = api.call("POST", "/v1/messages?forecast=true", mail(scheduled_time=ahead)).get_json()
    assert later["estimated_first_attempt_at"] >= ahead
    assert api.call("POST", "/v1/messages?forecast=maybe", mail()).status_code == 400


def test_a_batch_is_told_nothing_of_what_to_expect(api: Api) -> None:
    batch = {"messages": [mail(priority="bulk"), mail(), mail(priority="bulk", tags=["offer"]), {"recipient": "x"},
                          mail(priority="bulk")], "on_error": "partial"}  # fmt: skip
    hold = api.call("POST", "/v1/holds", {"match": {"tag": "offer"}, "reason": "wrong price"}).get_json()
    plain = api.call("POST", "/v1/messages/batch", batch).get_json()["data"]
    assert "queue_position" not in plain[0]
    found = api.call("POST", "/v1/messages/batch?forecast=true", batch).get_json()["data"]
    assert [each.get("queue_position") for each in found] == [4, 2, 5, None, 6]
    assert [each.get("held_by") and each["held_by"]["id"] for each in found] == [None, None, hold["id"], None, None]
    assert found[2]["estimated_first_attempt_at"] >= hold["expires_at"] > found[4]["estimated_first_attempt_at"]
    alone = api.call("POST", "/v1/messages?forecast=true", mail(priority="bulk")).get_json()
    assert alone["queue_position"] == 7
    assert api.call("POST", "/v1/messages/batch?forecast=1", batch).status_code == 400
