"""Supersede keys: the older code never arrives after the newer one, and nothing else is withdrawn."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from common.config import current_settings
from common.db.session import rows, transaction
from common.domain.ids import decode, new_id
from common.services import delivery, routing, writing
from tests.builders import a_draft, an_account
from tests.callers import Api, an_api, mail
from tests.pipeline import work_off


@pytest.fixture
def api(database: None) -> Iterator[Api]:
    with an_api() as found:
        yield found


def status(api: Api, sent: dict[str, Any], key: str | None = None) -> str:
    return str(api.read(sent["message_id"], key=key)["status"])


def test_an_older_message_outlives_a_newer_one(api: Api) -> None:
    first, second = (api.send(supersede_key="login", text=text) for text in ("1", "2"))
    found = api.read(first["message_id"])
    assert (found["status"], found["superseded_by"]) == ("cancelled", second["message_id"])
    event = api.read(first["message_id"], "/events")["data"][-1]
    assert event["type"] == "message.cancelled"
    assert (event["data"]["reason"], event["data"]["superseded_by"]) == ("superseded", second["message_id"])
    work_off()
    assert [each.get_content().strip() for each in api.caught("user@example.net")] == ["2"]
    third = api.send(supersede_key="login", text="3")
    assert status(api, second) == "delivered"
    work_off()
    assert status(api, third) == "delivered"


@pytest.mark.parametrize("other", [{"recipient": "b@example.net"}, {"supersede_key": "reset"}, {"supersede_key": ...}])
def test_another_message_is_withdrawn(api: Api, other: dict[str, Any]) -> None:
    first = api.send(supersede_key="login")
    api.send(**({"supersede_key": "login"} | other))
    assert status(api, first) == "queued"


def test_another_environment_or_account_is_withdrawn(api: Api) -> None:
    first = api.send(supersede_key="login")
    api.send(api.test, supersede_key="login")
    with transaction() as connection:
        writing.write(connection, current_settings(), [a_draft(an_account(), supersede_key="login")])
    assert status(api, first) == "queued"


@pytest.mark.parametrize("state", ["scheduled", "accepted", "deferred", "held"])
def test_an_older_message_in_another_state_is_forgotten(api: Api, state: str) -> None:
    ahead = {"scheduled_time": "2026-12-24T00:00:00Z"} if state == "scheduled" else {}
    first = api.send(supersede_key="login", **ahead)
    which = decode("msg", first["message_id"])
    with transaction() as connection:
        if state == "held":
            connection.exec_driver_sql("UPDATE messages SET held = true")
        elif state != "scheduled":
            connection.exec_driver_sql("UPDATE messages SET status = %s WHERE id = %s", (state, which))
    api.send(supersede_key="LOGIN")
    assert status(api, first) != "cancelled"
    api.send(supersede_key="login")
    assert status(api, first) == "cancelled"


def test_a_message_that_is_being_sent_is_withdrawn(api: Api) -> None:
    first = api.send(supersede_key="login")
    which = decode("msg", first["message_id"])
    assert which is not None
    with transaction() as connection:
        routing.route(connection, [which])
        assert delivery.claim(connection, [which], new_id(), 60)
    second = api.send(supersede_key="login")
    assert status(api, first) == "accepted" and status(api, second) == "queued"


def test_a_batch_withdraws_all_or_none_of_its_own(api: Api) -> None:
    before = api.send(supersede_key="login")
    body = {"messages": [mail(supersede_key="login"), mail(recipient="b@example.net", supersede_key="login"),
                         mail(supersede_key="login")]}  # fmt: skip
    answer = api.call("POST", "/v1/messages/batch", body)
    assert answer.status_code == 202, answer.data
    first, other, last = answer.get_json()["data"]
    assert [status(api, each) for each in (before, first, other, last)] == [
        "cancelled",
        "cancelled",
        "queued",
        "queued",
    ]
    for each in (before, first):
        assert api.read(each["message_id"])["superseded_by"] == last["message_id"]


def test_a_repeated_request_withdraws_what_came_after_it(api: Api) -> None:
    body = mail(supersede_key="login")
    first = api.call("POST", "/v1/messages", body, Idempotency_Key="a").get_json()
    second = api.send(supersede_key="login")
    again = api.call("POST", "/v1/messages", body, Idempotency_Key="a")
    assert again.get_json() == first and again.headers["Idempotent-Replayed"] == "true"
    assert status(api, second) == "queued"


def test_two_at_once_both_survive(database: None) -> None:
    """Two processes accept for the same person at the same moment: one message is left."""
    account = an_account()
    start = threading.Barrier(6)

    def accept() -> None:
        drafts = [a_draft(account, supersede_key="login")]
        start.wait()
        with transaction() as connection:
            writing.write(connection, current_settings(), drafts)

    threads = [threading.Thread(target=accept) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with transaction() as connection:
        live = rows(connection, "SELECT queue_position FROM messages WHERE status = 'queued'")
        last = rows(connection, "SELECT max(queue_position) AS last FROM messages")[0].last
        assert [row.queue_position for row in live] == [last]
        assert not rows(connection, "SELECT * FROM invariant_violations")


def test_nobody_hears_of_it(api: Api) -> None:
    hook = {"url": "https://example.org/hook", "event_types": ["message.cancelled"]}
    assert api.call("POST", "/v1/webhooks", hook).status_code == 201
    api.send(supersede_key="login")
    api.send(supersede_key="login")
    with transaction() as connection:
        assert len(rows(connection, "SELECT FROM webhook_deliveries WHERE type = 'message.cancelled'")) == 1
