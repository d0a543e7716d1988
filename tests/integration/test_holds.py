"""Holds: what is held is never sent, what is released is never stuck, and nobody holds another's mail."""

import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from common import clock
from common.config import current_settings
from common.db import session
from common.db.session import rows, transaction
from common.domain.ids import decode, new_id
from common.services import delivery, due, holding, issuing, keys, messages, quickstart, routing, settling
from tests.builders import Account, an_account, some_messages
from tests.callers import Api, an_api
from tests.pipeline import work_off
from workers.scheduler.rounds import Rounds


@pytest.fixture
def api(database: None) -> Iterator[Api]:
    with an_api() as found:
        yield found


def hold(api: Api, match: dict[str, Any], **fields: Any) -> dict[str, Any]:
    answer = api.call("POST", "/v1/holds", {"match": match, "reason": "wrong price", "author": "anna"} | fields)
    assert answer.status_code == 201, answer.data
    found: dict[str, Any] = answer.get_json()
    return found


def post(api: Api, path: str, body: Any = None, status: int = 200, key: str | None = None) -> Any:
    answer = api.call("POST", path, body, key)
    assert answer.status_code == status, answer.data
    return answer.get_json()


def a_round() -> None:
    """One round of the scheduler, its tickets lost."""
    Rounds(current_settings(), session.engine()).run()


def violations() -> list[Any]:
    with transaction() as connection:
        return rows(connection, "SELECT * FROM invariant_violations")


MATCHES = {
    "priority": ({"priority": "bulk"}, {"priority": "bulk"}, {"priority": "normal"}),
    "domain": ({"recipient_domain": "Example.NET"}, {}, {"recipient": "user@example.org"}),
    "tag": ({"tag": "offer"}, {"tags": ["a", "offer"]}, {"tags": ["offers"]}),
    "template": (
        {"template": "welcome"},
        {"template": "welcome", "template_data": {"product": "Shop"}, "text": ..., "subject": ...},
        {},
    ),
    "two": ({"tag": "offer", "priority": "bulk"}, {"tags": ["offer"], "priority": "bulk"}, {"tags": ["offer"]}),
    "all": ({}, {"tags": ["x"]}, None),
}


@pytest.mark.parametrize("which", MATCHES)
def test_a_hold_lets_its_mail_through_or_keeps_other_mail(api: Api, which: str) -> None:
    match, fits, other = MATCHES[which]
    before, sent = api.send(**fits), None if other is None else api.send(**other)
    made = hold(api, match)
    after = api.send(**fits)
    work_off()
    for each in (before, after):
        found = api.read(each["message_id"])
        assert (found["status"], found["held"]) == ("queued", True)
        assert found["held_by"] == {
            "id": made["id"], "kind": "hold", "reason": "wrong price", "author": "anna",
            "since": found["waiting"]["since"], "until": made["expires_at"],
        }  # fmt: skip
        assert found["waiting"]["for"] == "hold" and found["waiting"]["until"] == made["expires_at"]
    if sent is not None:
        assert api.read(sent["message_id"])["status"] == "delivered"
    assert api.call("GET", f"/v1/holds/{made['id']}").get_json()["messages"] == 2
    released = post(api, f"/v1/holds/{made['id']}/release")
    assert (released["state"], released["messages"]) == ("released", 0)
    assert post(api, f"/v1/holds/{made['id']}/release")["released_at"] == released["released_at"]
    work_off()
    for each in (before, after):
        found = api.read(each["message_id"])
        assert (found["status"], found["held"], found["held_by"]) == ("delivered", False, None)
    assert not violations()


def test_a_hold_by_key_keeps_the_mail_of_another_key(api: Api) -> None:
    with transaction() as connection:
        fields = {"environment": "live", "scopes": ["messages:send"]}
        other = issuing.create_for(connection, quickstart.QUICKSTART_ACCOUNT, fields)
    hold(api, {"key_id": other["id"]})
    kept, gone = api.send(other["secret"]), api.send()
    work_off()
    assert api.read(kept["message_id"])["held"] and api.read(gone["message_id"])["status"] == "delivered"


def test_a_hold_reaches_another_environment_or_account(api: Api) -> None:
    other = an_account()
    hold(api, {})
    sent = api.send(api.test)
    with transaction() as connection:
        (theirs,) = some_messages(connection, other, 1)
        routing.route(connection, [theirs])
    work_off()
    assert api.read(sent["message_id"], key=api.test)["status"] == "delivered"
    with transaction() as connection:
        assert rows(connection, "SELECT status FROM messages WHERE id = %s", theirs)[0].status != "queued"
    mine = api.call("GET", "/v1/holds?state=active").get_json()["data"]
    assert len(mine) == 1 and api.call("GET", "/v1/holds", key=api.test).get_json()["data"] == []
    assert api.call("GET", f"/v1/holds/{mine[0]['id']}", key=api.test).status_code == 404
    assert api.call("POST", f"/v1/holds/{mine[0]['id']}/release", key=api.test).status_code == 404


def test_an_account_holds_or_frees_what_is_everybodys(api: Api) -> None:
    with transaction() as connection:
        fields = {"environment": "live", "scopes": ["admin"]}
        admin = issuing.create_for(connection, an_account().id, fields)["secret"]
    body = {"match": {}, "reason": "the network is down"}
    assert api.call("POST", "/v1/holds?everywhere=true", body).get_json()["code"] == "insufficient_scope"
    assert api.call("GET", "/v1/queues?everywhere=true").status_code == 403
    made = post(api, "/v1/holds?everywhere=true", body, 201, admin)
    sent, tested = api.send(), api.send(api.test)
    work_off()
    assert api.read(sent["message_id"])["held_by"]["author"] == "operator"
    assert api.read(tested["message_id"], key=api.test)["held_by"]["id"] == made["id"]
    assert api.call("GET", f"/v1/holds/{made['id']}").get_json()["messages"] == 2
    assert api.call("POST", f"/v1/holds/{made['id']}/release").status_code == 403
    post(api, f"/v1/holds/{made['id']}/release", key=admin)
    work_off()
    assert api.read(sent["message_id"])["status"] == "delivered"
    keys.forget()


def test_a_hold_outlives_its_end_or_its_messages_stay_behind(api: Api) -> None:
    made, sent = hold(api, {}), api.send()
    work_off()
    assert api.read(sent["message_id"])["held"]
    with transaction() as connection:
        connection.exec_driver_sql("UPDATE holds SET expires_at = now() - interval '1 s'")
    a_round()
    work_off()
    assert api.read(sent["message_id"])["status"] == "delivered"
    found = api.call("GET", f"/v1/holds/{made['id']}").get_json()
    assert (found["state"], found["released_by"], found["messages"]) == ("released", "expiry", 0)


def test_more_than_a_portion_stays_behind(database: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settling, "_SETTLE", settling._SETTLE.replace("LIMIT 2000", "LIMIT 3"))
    monkeypatch.setattr(settling, "_EMPTY", settling._EMPTY.replace("LIMIT 2000", "LIMIT 3"))
    monkeypatch.setattr(settling, "PORTION", 3)
    monkeypatch.setattr(settling, "INLINE_SECONDS", 0.0)
    account = an_account()
    with transaction() as connection:
        ids = some_messages(connection, account, 10)
        hold_id = _a_hold(connection, account)
    for _ in range(6):
        a_round()
    with transaction() as connection:
        assert rows(connection, "SELECT count(*) AS n FROM messages WHERE held")[0].n == 10
        connection.exec_driver_sql("UPDATE holds SET released_at = now()")
    assert settling.empty_now([hold_id]) == []
    for _ in range(6):
        a_round()
    with transaction() as connection:
        assert rows(connection, "SELECT count(*) AS n FROM messages WHERE held OR hold_id IS NOT NULL")[0].n == 0
        routed, _ = routing.route(connection, ids)
        assert sum(len(each.ids) for each in routed) == 10


def _a_hold(connection: Any, account: Account, **columns: Any) -> Any:
    row = {"id": new_id(), "account_id": account.id, "environment": "live", "kind": "hold", "reason": "r",
           "author": "a", "expires_at": clock.now() + timedelta(hours=1)} | columns  # fmt: skip
    connection.exec_driver_sql(
        f"INSERT INTO holds ({', '.join(row)}) VALUES ({', '.join(['%s'] * len(row))})", tuple(row.values())
    )
    return row["id"]


def test_held_mail_outlives_its_ttl_or_its_cancellation(api: Api) -> None:
    hold(api, {})
    old, unwanted = api.send(ttl=600), api.send()
    work_off()
    which = decode("msg", old["message_id"])
    with transaction() as connection:
        connection.exec_driver_sql("UPDATE messages SET expires_at = now() - interval '1 s' WHERE id = %s", (which,))
        assert len(due.expire(connection)) == 1
    assert api.call("DELETE", f"/v1/messages/{unwanted['message_id']}").status_code == 200
    for each, status in ((old, "expired"), (unwanted, "cancelled")):
        found = api.read(each["message_id"])
        assert (found["status"], found["held"], found["held_by"], found["waiting"]) == (status, False, None, None)


def test_mail_is_sent_that_nobody_had_claimed_when_the_hold_was_made(database: None) -> None:
    """Claims race with the hold: once it is settled, each message is held or was claimed, and no claim follows."""
    account = an_account()
    for _ in range(5):
        with transaction() as connection:
            ids = some_messages(connection, account, 120)
            routing.route(connection, ids)
        owner, start, claimed = new_id(), threading.Barrier(4), []

        def claim(part: int, ids: Any = ids, owner: Any = owner, start: Any = start, claimed: Any = claimed) -> None:
            start.wait()
            for at in range(part * 40, part * 40 + 40, 2):
                with transaction() as connection:
                    claimed += [each.id for each in delivery.claim(connection, ids[at : at + 2], owner, 60)]

        threads = [threading.Thread(target=claim, args=(part,)) for part in range(3)]
        for thread in threads:
            thread.start()
        start.wait()
        with transaction() as connection:
            hold_id = _a_hold(connection, account)
        settling.settle_now(hold_id)
        with transaction() as connection:
            leased = rows(connection, "SELECT id, held FROM messages WHERE lease_until IS NOT NULL")
        for thread in threads:
            thread.join()
        with transaction() as connection:
            found = {row.id: row for row in rows(connection, "SELECT id, held, lease_epoch FROM messages")}
            connection.exec_driver_sql("DELETE FROM holds")
            connection.exec_driver_sql("UPDATE messages SET lease_until = now() WHERE lease_until IS NOT NULL")
            connection.exec_driver_sql("TRUNCATE messages, attempts")
        assert {row.id for row in leased} == set(claimed)
        for each in ids:
            assert found[each].held != (each in claimed), "neither held nor claimed, or both"


def test_a_message_is_marked_by_a_hold_that_was_just_released(database: None) -> None:
    account = an_account()
    with transaction() as connection:
        ids = some_messages(connection, account, 1)
        hold_id = _a_hold(connection, account)
    with transaction() as first:
        found = rows(first, f"SELECT m.id, {holding.held_by('routing')} AS hold, NULL AS suppressed FROM messages m")
        assert found[0].hold == hold_id
        with transaction() as second:
            second.exec_driver_sql("UPDATE holds SET released_at = now()")
        assert settling.empty_now([hold_id]) == []
        assert holding.keep_back(first, found) == []
    with transaction() as connection:
        assert not rows(connection, "SELECT FROM messages WHERE held")
        connection.exec_driver_sql("UPDATE messages SET next_attempt_at = now() - interval '3 s'")
        assert [each.id for each in due.sweep(connection, {("routing", 1): 0.0})] == ids


def test_a_retry_escapes_a_hold(api: Api) -> None:
    sent = api.send(api.test, recipient="deferred-then-delivered@simulator.sendarix.test")
    work_off()
    assert api.read(sent["message_id"], key=api.test)["status"] == "deferred"
    answer = api.call("POST", "/v1/holds", {"match": {}, "reason": "why"}, api.test)
    assert answer.status_code == 201
    work_off(retries=1)
    assert api.read(sent["message_id"], key=api.test)["held"]
    post(api, f"/v1/holds/{answer.get_json()['id']}/release", key=api.test)
    work_off(retries=1)
    assert api.read(sent["message_id"], key=api.test)["status"] == "delivered"


def test_a_repeated_request_makes_two_holds(api: Api) -> None:
    body = {"match": {"tag": "offer"}, "reason": "wrong price"}
    first, second = (api.call("POST", "/v1/holds", body, Idempotency_Key="one") for _ in range(2))
    assert first.get_json() == second.get_json()
    assert len(api.call("GET", "/v1/holds").get_json()["data"]) == 1


@pytest.mark.parametrize(
    ("body", "field", "code"),
    [
        ({"match": {}}, "reason", "required"),
        ({"reason": "r"}, "match", "required"),
        ({"match": {"colour": "red"}, "reason": "r"}, "match.colour", "unknown_field"),
        ({"match": {"priority": "high"}, "reason": "r"}, "match.priority", "not_in_enum"),
        ({"match": {}, "reason": "r", "expires_at": "2020-01-01T00:00:00Z"}, "expires_at", "in_past"),
        ({"match": {}, "reason": "r", "expires_at": "2220-01-01T00:00:00Z"}, "expires_at", "too_far"),
    ],
)
def test_a_bad_hold_is_made(api: Api, body: dict[str, Any], field: str, code: str) -> None:
    answer = api.call("POST", "/v1/holds", body)
    assert answer.status_code == 422
    assert (answer.get_json()["errors"][0]["field"], answer.get_json()["errors"][0]["code"]) == (field, code)


def test_the_look_for_holds_reads_messages(database: None) -> None:
    """Without a hold, claiming asks one empty index once a statement, whatever the number of messages."""
    with transaction() as connection:
        some_messages(connection, an_account(), 50)
        plan = "\n".join(row[0] for row in connection.exec_driver_sql(
            f"EXPLAIN (ANALYZE, COSTS OFF) SELECT m.id, {holding.held_by('routing')} FROM messages m"))  # fmt: skip
    never = [line for line in plan.splitlines() if "never executed" in line]
    assert len(never) >= 3 and "loops=50" not in plan, plan


def test_the_events_of_a_held_message_have_gaps(api: Api) -> None:
    hold(api, {})
    sent = api.send()
    work_off()
    with transaction() as connection:
        which = decode("msg", sent["message_id"])
        assert which is not None
        row = rows(connection, "SELECT account_id FROM messages WHERE id = %s", which)[0]
        assert row.account_id == quickstart.QUICKSTART_ACCOUNT
    assert [each["type"] for each in api.read(sent["message_id"], "/events")["data"]] == ["message.queued"]
    assert messages.COLUMNS and not violations()
