"""Queues as things: what they count, and what pausing, draining, resuming and reprioritising do."""

from collections.abc import Iterator
from typing import Any

import pytest

from common.db.session import rows, transaction
from common.domain.ids import decode
from common.services import reprioritising
from tests.callers import Api, an_api
from tests.pipeline import work_off


@pytest.fixture
def api(database: None) -> Iterator[Api]:
    with an_api() as found:
        yield found


def queue(api: Api, name: str, key: str | None = None) -> dict[str, Any]:
    answer = api.call("GET", f"/v1/queues/{name}", key=key)
    assert answer.status_code == 200, answer.data
    found: dict[str, Any] = answer.get_json()
    return found


def stop(api: Api, name: str, how: str = "pause", **fields: Any) -> dict[str, Any]:
    answer = api.call("POST", f"/v1/queues/{name}/{how}", {"reason": "the offer is wrong"} | fields)
    assert answer.status_code == 200, answer.data
    found: dict[str, Any] = answer.get_json()
    return found


def resume(api: Api, name: str) -> dict[str, Any]:
    answer = api.call("POST", f"/v1/queues/{name}/resume")
    assert answer.status_code == 200, answer.data
    found: dict[str, Any] = answer.get_json()
    return found


def status(api: Api, sent: dict[str, Any]) -> tuple[str, bool]:
    found = api.read(sent["message_id"])
    return found["status"], found["held"]


def test_a_queue_counts_what_is_not_in_it(api: Api) -> None:
    names = [each["name"] for each in api.call("GET", "/v1/queues").get_json()["data"]]
    assert names == [f"{stage}.{tier}" for stage in ("routing", "delivery") for tier in ("critical", "normal", "bulk")]
    for _ in range(3):
        api.send(priority="bulk")
    api.send(api.test, priority="bulk")
    found = queue(api, "routing.bulk")
    assert (found["depth"], found["held"], found["later"], found["in_progress"]) == (3, 0, 0, 0)
    assert found["in_per_minute"] == 3 and found["out_per_minute"] == 0 and found["drain_seconds"] is None
    assert found["oldest_age_seconds"] >= 0 and found["oldest_since"] is not None and found["paused"] is None
    assert queue(api, "routing.normal")["depth"] == 0 and queue(api, "routing.normal")["drain_seconds"] == 0
    assert queue(api, "routing.bulk", api.test)["depth"] == 1
    work_off()
    found = queue(api, "delivery.bulk")
    assert (found["depth"], found["in_per_minute"], found["out_per_minute"]) == (0, 3, 3)


def test_an_unknown_queue_is_a_server_error(api: Api) -> None:
    for path in ("delivery.high", "retry", "delivery", "."):
        assert api.call("GET", f"/v1/queues/{path}").status_code == 404
    assert api.call("POST", "/v1/queues/delivery.high/pause", {"reason": "r"}).status_code == 404
    assert api.call("POST", "/v1/queues/delivery.bulk/pause", {}).status_code == 422
    assert api.call("GET", "/v1/queues?tier=1").status_code == 400


def test_a_pause_stops_another_tier_or_another_stage(api: Api) -> None:
    found = stop(api, "delivery.bulk", author="anna")
    assert found["paused"]["kind"] == "pause" and found["paused"]["author"] == "anna"
    bulk, normal = api.send(priority="bulk"), api.send()
    work_off()
    assert status(api, bulk) == ("accepted", True) and status(api, normal) == ("delivered", False)
    assert api.read(bulk["message_id"])["held_by"]["kind"] == "pause"
    assert queue(api, "delivery.bulk")["held"] == 1
    again = stop(api, "delivery.bulk", reason="still wrong")
    assert again["paused"]["reason"] == "still wrong" and again["held"] == 1
    assert resume(api, "delivery.bulk")["paused"] is None
    assert resume(api, "delivery.bulk")["held"] == 0
    work_off()
    assert status(api, bulk) == ("delivered", False)


def test_a_paused_routing_queue_chooses_a_way_out(api: Api) -> None:
    stop(api, "routing.critical")
    sent = api.send(priority="critical")
    work_off()
    assert status(api, sent) == ("queued", True)
    resume(api, "routing.critical")
    work_off()
    assert status(api, sent) == ("delivered", False)


def test_a_drain_keeps_what_was_there_or_lets_in_what_comes(api: Api) -> None:
    there = api.send(priority="bulk")
    found = stop(api, "delivery.bulk", "drain")
    assert found["paused"]["kind"] == "drain"
    late = api.send(priority="bulk")
    work_off()
    assert status(api, there) == ("delivered", False) and status(api, late) == ("accepted", True)
    resume(api, "delivery.bulk")
    work_off()
    assert status(api, late) == ("delivered", False)


def test_a_resumed_queue_frees_what_another_hold_keeps(api: Api) -> None:
    stop(api, "delivery.bulk")
    sent = api.send(priority="bulk", tags=["offer"])
    work_off()
    answer = api.call("POST", "/v1/holds", {"match": {"tag": "offer"}, "reason": "wrong price"})
    resume(api, "delivery.bulk")
    work_off()
    assert api.read(sent["message_id"])["held_by"]["id"] == answer.get_json()["id"]


def test_reprioritising_forgets_some_or_takes_others(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reprioritising, "_MOVE", reprioritising._MOVE.replace("LIMIT 2000", "LIMIT 2"))
    monkeypatch.setattr(reprioritising, "PORTION", 2)
    wanted = [api.send(tags=["code"], recipient=f"user{number}@example.net") for number in range(5)]
    other, tested = api.send(), api.send(api.test, tags=["code"])
    body = {"match": {"tag": "code"}, "priority": "critical", "reason": "people wait for them"}
    answer = api.call("POST", "/v1/queues/reprioritise", body)
    assert answer.status_code == 202, answer.data
    job = answer.get_json()
    assert (job["state"], job["total"], job["counts"]) == ("done", 5, {"moved": 5})
    assert {api.read(each["message_id"])["priority"] for each in wanted} == {"critical"}
    assert api.read(other["message_id"])["priority"] == "normal"
    assert api.read(tested["message_id"], key=api.test)["priority"] == "normal"
    with transaction() as connection:
        found = rows(connection, "SELECT id FROM messages WHERE tier = 0 ORDER BY queue_position")
    assert [row.id for row in found] == [decode("msg", each["message_id"]) for each in wanted]
    work_off()
    assert {status(api, each) for each in wanted} == {("delivered", False)}
    assert api.call("POST", "/v1/queues/reprioritise", body).get_json()["total"] == 0


def test_reprioritising_moves_what_is_being_sent(api: Api) -> None:
    sent = api.send()
    with transaction() as connection:
        connection.exec_driver_sql("UPDATE messages SET status = 'accepted', lease_until = now() + interval '1 m'")
    body = {"match": {}, "priority": "bulk", "reason": "later"}
    assert api.call("POST", "/v1/queues/reprioritise", body).get_json()["counts"] == {"moved": 0}
    assert api.read(sent["message_id"])["priority"] == "normal" and queue(api, "delivery.normal")["in_progress"] == 1
