"""A hold that a rule makes ends when the rule says so, and what it kept back goes as though the rule were not there."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from common import clock
from common.config import current_settings
from common.db import session
from common.db.session import rows, transaction
from tests.callers import Api, an_api
from tests.pipeline import work_off
from workers.scheduler.rounds import Rounds


@pytest.fixture
def api(database: None) -> Iterator[Api]:
    with an_api() as found:
        yield found


def publish(api: Api, *rules: dict[str, Any]) -> None:
    assert api.call("PUT", "/v1/policy/draft", {"rules": list(rules)}).status_code == 200
    answer = api.call("POST", "/v1/policy/publish", {"reason": "a test"})
    assert answer.status_code == 201, answer.data


def a_hold(**fields: Any) -> dict[str, Any]:
    return {"name": "wait", "when": {"tag": ["promo"]}, "act": "hold", "reason": "421"} | fields


def a_round() -> None:
    Rounds(current_settings(), session.engine()).run()


def let_pass(seconds: float) -> None:
    """As though everything had happened so much earlier."""
    with transaction() as connection:
        connection.exec_driver_sql(
            "UPDATE messages SET created_at = created_at - make_interval(secs => %s),"
            " next_attempt_at = next_attempt_at - make_interval(secs => %s)",
            (seconds, seconds),
        )


def test_a_hold_for_a_time_does_not_end(api: Api) -> None:
    publish(api, a_hold(duration=600), {"name": "rest", "act": "automatic", "retry": "otp"})
    sent = api.send(tags=["promo"])["message_id"]
    told = api.call("POST", "/v1/routing/explain", {"message_id": sent}).get_json()["decision"]
    work_off()
    found = api.read(sent)
    assert (found["status"], found["held"], found["waiting"]["for"]) == ("queued", True, "hold")
    until = datetime.fromisoformat(found["held_by"]["until"])
    assert abs(until - datetime.fromisoformat(found["created_at"]) - timedelta(seconds=600)) < timedelta(milliseconds=5)
    assert found["waiting"]["until"] == found["next_attempt_at"] == found["held_by"]["until"]
    assert found["waiting"]["since"] == found["held_by"]["since"] is not None
    held = api.read(sent, "/events")["data"][-1]
    assert held["type"] == "message.held" and held["data"]["until"] == told["until"] == found["held_by"]["until"]
    a_round()
    work_off()
    assert api.read(sent)["held"]

    let_pass(601)
    told = api.call("POST", "/v1/routing/explain", {"message_id": sent}).get_json()
    assert told["rules"][0]["failed"]["term"] == "duration" and told["rules"][0]["failed"]["wanted"] == 600
    assert told["rules"][0]["failed"]["found"] >= 600
    a_round()
    assert not api.read(sent)["held"]
    work_off()
    found = api.read(sent)
    assert (found["status"], found["held_by"]) == ("delivered", None) and len(api.caught("user@example.net")) == 1
    assert api.read(sent, "/routing")["decision"]["rule"] == "rest"
    with transaction() as connection:
        assert rows(connection, "SELECT * FROM invariant_violations") == []


def test_a_hold_until_a_time_holds_what_comes_after_it(api: Api) -> None:
    ahead = clock.now() + timedelta(hours=2)
    publish(api, a_hold(until=f"{ahead:%Y-%m-%dT%H:%M:%SZ}"))
    sent = api.send(tags=["promo"])["message_id"]
    work_off()
    assert api.read(sent)["held_by"]["until"] == f"{ahead:%Y-%m-%dT%H:%M:%S.000Z}"
    publish(api, a_hold(until="2026-01-01T00:00:00Z"))
    work_off()
    assert api.read(sent)["status"] == "delivered"
    work_off()
    late = api.send(tags=["promo"], recipient="late@example.net")["message_id"]
    failed = api.call("POST", "/v1/routing/explain", {"message_id": late}).get_json()["rules"][0]["failed"]
    assert failed["term"] == "until" and failed["wanted"].startswith("2026-01-01")
    work_off()
    assert api.read(late)["status"] == "delivered"


def test_a_scheduled_message_is_held_from_its_acceptance(api: Api) -> None:
    publish(api, a_hold(duration=600))
    ahead = clock.now() + timedelta(hours=1)
    sent = api.send(tags=["promo"], scheduled_time=clock.rfc3339(ahead))["message_id"]
    with transaction() as connection:
        connection.exec_driver_sql("UPDATE messages SET next_attempt_at = now()")
    work_off()
    work_off()
    until = datetime.fromisoformat(api.read(sent)["held_by"]["until"])
    assert abs(until - ahead - timedelta(seconds=600)) < timedelta(seconds=1)


def test_a_hold_without_an_end_lets_go_or_says_no_next_time(api: Api) -> None:
    publish(api, a_hold())
    sent = api.send(tags=["promo"])["message_id"]
    work_off()
    found = api.read(sent)
    first = datetime.fromisoformat(found["waiting"]["until"])
    assert abs(first - clock.now() - timedelta(hours=24)) < timedelta(minutes=1)
    let_pass(86_401)
    a_round()
    work_off()
    again = api.read(sent)
    assert again["held"] and datetime.fromisoformat(again["waiting"]["until"]) > clock.now()
    assert again["waiting"]["since"] == found["waiting"]["since"]
    publish(api, {"name": "rest", "act": "automatic"})
    work_off()
    assert api.read(sent)["status"] == "delivered"


def test_a_held_message_that_is_moved_stays_where_it_is_for_ever(api: Api) -> None:
    publish(api, a_hold())
    sent = api.send(tags=["promo"])["message_id"]
    work_off()
    assert api.read(sent)["held"]
    ahead = clock.rfc3339(clock.now() + timedelta(hours=1))
    moved = api.call("PATCH", f"/v1/messages/{sent}", {"scheduled_time": ahead}).get_json()
    assert (moved["status"], moved["held"], moved["waiting"]["for"]) == ("scheduled", False, "time")
    publish(api, {"name": "rest", "act": "automatic"})
    let_pass(3601)
    work_off()
    work_off()
    assert api.read(sent)["status"] == "delivered"


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"act": "reject", "duration": 60}, "rules.0.duration"),
        ({"until": "2026-04-20T08:00:00Z", "duration": 60}, "rules.0.duration"),
        ({"until": "2026-02-31T08:00:00Z"}, "rules.0.until"),
        ({"until": "tomorrow"}, "rules.0.until"),
        ({"duration": 0}, "rules.0.duration"),
    ],
)
def test_an_end_that_cannot_be_is_published(api: Api, fields: dict[str, Any], field: str) -> None:
    api.send(tags=["promo"])
    draft = api.call("PUT", "/v1/policy/draft", {"rules": [a_hold(**fields)]})
    if draft.status_code == 200:
        assert api.call("POST", "/v1/policy/draft/backtest", {"hours": 1}).status_code == 200
        draft = api.call("POST", "/v1/policy/publish", {"reason": "a test"})
    assert draft.status_code == 422 and field in [each["field"] for each in draft.get_json()["errors"]]
