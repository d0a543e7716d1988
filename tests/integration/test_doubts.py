"""Nobody knows whether a server kept a mail: what the policy says follows, and nothing is sent again but by choice."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from common import clock
from common.config import current_settings
from common.db import session
from common.db.session import rows, transaction
from common.domain.ids import decode, new_id
from common.services import delivery, due, routing
from tests.callers import Api, an_api
from tests.pipeline import work_off
from workers.scheduler.rounds import Rounds


@pytest.fixture
def api(database: None) -> Iterator[Api]:
    with an_api() as found:
        yield found


def publish(api: Api, document: dict[str, Any]) -> None:
    assert api.call("PUT", "/v1/policy/draft", document).status_code == 200
    answer = api.call("POST", "/v1/policy/publish", {"reason": "a test"})
    assert answer.status_code == 201, answer.data


def lose(message_id: str) -> None:
    """Its worker dies after the final dot."""
    which = decode("msg", message_id)
    with transaction() as connection:
        routing.route(connection, [which] if which else [])
    with transaction() as connection:
        claimed = delivery.claim(connection, [which] if which else [], new_id(), 60)
        delivery.fence(connection, claimed, 60)
        connection.exec_driver_sql("UPDATE messages SET lease_until = now() WHERE id = %s", (which,))
    with transaction() as connection:
        due.rescue(connection, current_settings())


def in_doubt(api: Api, **fields: Any) -> str:
    message_id: str = api.send(**fields)["message_id"]
    lose(message_id)
    return message_id


def decide(api: Api, message_id: str, choice: str, status: int = 200, **headers: str) -> Any:
    body = {"choice": choice, "reason": "ticket 1017", "author": "anna"}
    answer = api.call("POST", f"/v1/messages/{message_id}/in-doubt", body, **headers)
    assert answer.status_code == status, answer.data
    return answer.get_json()


def change(sql: str) -> None:
    with transaction() as connection:
        connection.exec_driver_sql(sql)


def events(api: Api, message_id: str) -> list[Any]:
    found: list[Any] = api.read(message_id, "/events")["data"]
    return found


def violations() -> list[Any]:
    with transaction() as connection:
        return rows(connection, "SELECT * FROM invariant_violations")


WANTED: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "nothing": ({}, {}, "resend"),
    "all": ({"in_doubt": {"default": "hold"}}, {}, "hold"),
    "tier": ({"in_doubt": {"default": "hold", "tiers": {"bulk": "fail"}}}, {"priority": "bulk"}, "fail"),
    "stream": (
        {"in_doubt": {"tiers": {"bulk": "fail"}, "streams": {"news": "hold"}}},
        {"priority": "bulk", "stream": "news"},
        "hold",
    ),
    "template": (
        {"in_doubt": {"streams": {"news": "fail"}, "templates": {"welcome": "hold"}}},
        {"stream": "news", "template": "welcome", "template_data": {"product": "Shop"}, "text": ..., "subject": ...},
        "hold",
    ),
    "rule": (
        {"rules": [{"name": "r", "act": "automatic", "in_doubt": "hold"}], "in_doubt": {"default": "fail"}},
        {},
        "hold",
    ),
    "promise": (
        {"rules": [{"name": "r", "act": "automatic", "guarantee": "at_most_once"}], "in_doubt": {"default": "resend"}},
        {},
        "fail",
    ),
}


@pytest.mark.parametrize("which", WANTED)
def test_the_policy_says_one_thing_and_another_follows(api: Api, which: str) -> None:
    document, fields, choice = WANTED[which]
    if document:
        publish(api, document)
    message_id = api.send(**fields)["message_id"]
    told = api.call("POST", "/v1/routing/explain", {"message_id": message_id}).get_json()
    assert next(each["value"] for each in told["terms"] if each["key"] == "in_doubt") == choice
    lose(message_id)
    found, last = api.read(message_id), events(api, message_id)[-1]
    assert last["data"]["in_doubt"] == choice and last["data"]["outcome"] == "unknown"
    if choice == "resend":
        assert (found["status"], found["held"], found["waiting"]["for"]) == ("deferred", False, "retry")
        assert found["in_doubt"] == {"unknown_attempts": 1, "choice": "resend"}
    elif choice == "hold":
        assert (found["status"], found["held"], found["waiting"]["for"]) == ("deferred", True, "decision")
        assert found["in_doubt"] == {"unknown_attempts": 1, "choice": "hold"} and last["type"] == "message.held"
        assert found["held_by"]["kind"] == "in_doubt" and found["held_by"]["author"] == "policy"
        until = datetime.fromisoformat(found["waiting"]["until"])
        assert abs(until - clock.now() - timedelta(hours=72)) < timedelta(minutes=1)
        assert last["data"]["next_attempt_at"] is None
        assert abs(datetime.fromisoformat(last["data"]["until"]) - until) < timedelta(seconds=5)
    else:
        assert (found["status"], found["held"], found["in_doubt"]) == ("failed", False, None)
        assert last["data"]["reason"] == "outcome_unknown"
    assert violations() == []


def test_a_message_in_doubt_is_sent_again_by_nobody_s_choice(api: Api) -> None:
    publish(api, {"in_doubt": {"default": "hold"}})
    message_id = in_doubt(api)
    work_off()
    Rounds(current_settings(), session.engine()).run()
    assert api.caught("user@example.net") == [] and api.read(message_id)["held"]
    listed = api.call("GET", "/v1/messages?in_doubt=true").get_json()["data"]
    assert [each["message_id"] for each in listed] == [message_id]

    found = decide(api, message_id, "resend")
    assert (found["held"], found["held_by"], found["waiting"]["for"]) == (False, None, "retry")
    work_off()
    assert api.read(message_id)["status"] == "delivered" and len(api.caught("user@example.net")) == 1
    released = next(each for each in events(api, message_id) if each["type"] == "message.released")
    assert {name: released["data"][name] for name in ("in_doubt", "author", "reason", "unknown_attempts")} == {
        "in_doubt": "resend", "author": "anna", "reason": "ticket 1017", "unknown_attempts": 1,
    }  # fmt: skip
    assert [each["state"] for each in api.read(message_id, "/attempts")["data"]] == ["unknown", "delivered"]
    decide(api, message_id, "resend", 409)
    work_off(retries=1)
    assert len(api.caught("user@example.net")) == 1 and violations() == []


def test_a_choice_does_not_last_until_the_next_unknown_outcome(api: Api) -> None:
    publish(api, {"in_doubt": {"default": "hold"}, "guarantee": "at_most_once"})
    message_id = in_doubt(api)
    for count in (2, 3, 4, 5):
        decide(api, message_id, "resend")
        lose(message_id)
        found = api.read(message_id)
        assert (found["held"], found["in_doubt"]["unknown_attempts"]) == (True, count)
    assert violations() == []


def test_the_same_request_repeated_sends_another_copy(api: Api) -> None:
    publish(api, {"in_doubt": {"default": "hold"}})
    message_id = in_doubt(api)
    first = decide(api, message_id, "resend", Idempotency_Key="once")
    lose(message_id)
    assert decide(api, message_id, "resend", Idempotency_Key="once") == first
    assert api.read(message_id)["held"]


@pytest.mark.parametrize("choice", ["hold", "fail"])
def test_what_waits_to_be_sent_again_cannot_be_stopped(api: Api, choice: str) -> None:
    message_id = in_doubt(api)
    found = decide(api, message_id, choice)
    assert (found["status"], found["held"]) == (("deferred", True) if choice == "hold" else ("failed", False))
    last = events(api, message_id)[-1]
    assert last["type"] == ("message.held" if choice == "hold" else "message.failed")
    assert (
        last["data"]["author"] == "anna" and "ticket 1017" in last["data"]["reason" if choice == "hold" else "detail"]
    )
    work_off(retries=2)
    assert api.caught("user@example.net") == [] and violations() == []
    if choice == "hold":
        assert found["held_by"]["author"] == "anna" and found["held_by"]["reason"] == "in doubt: ticket 1017"
    else:
        assert (
            api.call("GET", "/v1/dead-letters?cause=outcome_unknown").get_json()["data"][0]["message_id"] == message_id
        )


def test_a_message_nobody_decides_about_waits_for_ever(api: Api) -> None:
    publish(api, {"in_doubt": {"default": "hold"}})
    short, long = in_doubt(api, ttl=600), in_doubt(api)
    until = datetime.fromisoformat(api.read(short)["waiting"]["until"])
    assert until <= datetime.fromisoformat(api.read(short)["expires_at"])
    change("UPDATE messages SET next_attempt_at = now(), expires_at = least(expires_at, now())")
    Rounds(current_settings(), session.engine()).run()
    for each in (short, long):
        last = events(api, each)[-1]
        assert (api.read(each)["status"], last["data"]["reason"]) == ("failed", "outcome_unknown")
        assert last["data"]["author"] == "expiry"
    assert violations() == []


def test_a_hold_of_somebody_else_ends_with_the_doubt(api: Api) -> None:
    message_id = in_doubt(api)
    made = api.call("POST", "/v1/holds", {"match": {}, "reason": "wrong price"}).get_json()
    assert api.read(message_id)["held_by"]["id"] == made["id"]
    found = decide(api, message_id, "resend")
    assert found["held_by"]["id"] == made["id"]
    decide(api, message_id, "hold")
    assert api.call("POST", f"/v1/holds/{made['id']}/release").status_code == 200
    work_off(retries=1)
    assert api.read(message_id)["held_by"]["kind"] == "in_doubt" and api.caught("user@example.net") == []


def test_a_decision_touches_what_is_not_in_doubt_or_another_s(api: Api) -> None:
    publish(api, {"in_doubt": {"default": "hold"}})
    doubted, waiting, gone = in_doubt(api), api.send()["message_id"], "msg_01k5qkz0v8fyw9m2q3r4s5t6v7"
    assert "not in doubt" in decide(api, waiting, "resend", 409)["detail"]
    decide(api, gone, "resend", 404)
    body = {"choice": "fail", "reason": "old"}
    assert api.call("POST", f"/v1/messages/{doubted}/in-doubt", body, api.test).status_code == 404
    answer = api.call("POST", "/v1/messages/in-doubt", {**body, "message_ids": [waiting, doubted, gone]}).get_json()
    assert answer["done"] == 1 and [each["done"] for each in answer["data"]] == [False, True, False]
    assert [each["error"] and each["error"]["code"] for each in answer["data"]] == ["conflict", None, "not_found"]
    assert (api.read(doubted)["status"], api.read(waiting)["status"]) == ("failed", "queued")
    cancelled = in_doubt(api)
    assert api.call("DELETE", f"/v1/messages/{cancelled}").status_code == 200
    assert api.read(cancelled)["held"] is False and violations() == []


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ({"in_doubt": {"default": "maybe"}}, "in_doubt.default"),
        ({"in_doubt": {"tiers": {"urgent": "hold"}}}, "in_doubt.tiers.urgent"),
        ({"guarantee": "at_most_once", "in_doubt": {"default": "resend"}}, "in_doubt.default"),
        (
            {"rules": [{"name": "r", "act": "automatic", "guarantee": "at_most_once", "in_doubt": "resend"}]},
            "rules.0.in_doubt",
        ),
    ],
)
def test_a_policy_that_contradicts_itself_is_published(api: Api, document: dict[str, Any], field: str) -> None:
    draft = api.call("PUT", "/v1/policy/draft", document)
    refused = draft if draft.status_code == 422 else api.call("POST", "/v1/policy/publish", {"reason": "a test"})
    assert refused.status_code == 422 and field in [each["field"] for each in refused.get_json()["errors"]]
