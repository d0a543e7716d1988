"""Requirements that concern every call, webhooks and reading: one test each, named by its number.

Those of the message calls stand in test_requirements.py.
"""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from api.problems import PROBLEMS
from common.db import session
from common.domain.principals import SCOPES
from common.domain.roles import scopes_of
from common.domain.simulator import DOMAIN
from common.services import keys
from common.services.quickstart import QUICKSTART_ACCOUNT
from tests.callers import Api, mail
from tests.pipeline import work_off


def a_key(scopes: list[str]) -> str:
    with session.transaction() as connection:
        return keys.create(connection, QUICKSTART_ACCOUNT, environment="live", scopes=scopes, name="rest").token


def count(table: str) -> int:
    with session.transaction() as connection:
        return int(session.rows(connection, f"SELECT count(*) AS n FROM {table}")[0].n)


def test_s9_only_the_first_of_several_faults_is_told_or_something_is_queued(api: Api) -> None:
    before = count("messages"), count("events")
    wrong = mail(recipient="nobody", subject=7, tags=["a,b"], priority="fast", colour="red")
    answer = api.call("POST", "/v1/messages", wrong).get_json()
    told = [(each["field"], each["code"]) for each in answer["errors"]]
    assert {field.partition(".")[0] for field, _ in told} == {"recipient", "subject", "tags", "priority", "colour"}
    assert ("colour", "unknown_field") in told and ("recipient", "invalid_email") in told
    assert all(each["pointer"].startswith("#/") and each["message"] for each in answer["errors"])
    assert (count("messages"), count("events")) == before


@pytest.mark.parametrize("code", PROBLEMS)
def test_s11_a_client_is_told_to_retry_what_fails_for_good(code: str) -> None:
    """429 waits for the reset, 5xx is tried again with a backoff, every other 4xx is for good."""
    problem = PROBLEMS[code]
    passing = problem.status >= 500 or problem.status in (408, 429) or code == "idempotency_in_flight"
    assert problem.retryable == passing


def test_s14_a_refusal_of_the_quota_does_not_say_when_to_come_back(api: Api) -> None:
    with session.transaction() as connection:
        connection.exec_driver_sql("UPDATE accounts SET requests_per_minute = 1")
    keys.forget()
    try:
        answer = [api.call("GET", "/v1/messages") for _ in range(2)][1]
    finally:
        with session.transaction() as connection:
            connection.exec_driver_sql("UPDATE accounts SET requests_per_minute = NULL")
        keys.forget()
    assert (answer.status_code, answer.get_json()["code"]) == (429, "rate_limited")
    assert 1 <= int(answer.headers["Retry-After"]) <= 61
    assert int(answer.headers["X-RateLimit-Reset"]) > 1_700_000_000, "seconds since the epoch"
    assert answer.get_json()["retryable"] is True


def test_s19_under_load_an_answer_looks_otherwise(api: Api) -> None:
    def send(number: int) -> Any:
        client = api.client.application.test_client()
        body = mail(recipient=f"s19-{number}@example.net")
        return client.post("/v1/messages", json=body, headers={"Authorization": f"Bearer {api.live}"})

    alone = send(0)
    with ThreadPoolExecutor(8) as pool:
        many = list(pool.map(send, range(1, 200)))
    assert {each.status_code for each in many} == {alone.status_code} == {202}
    assert {frozenset(each.get_json()) for each in many} == {frozenset(alone.get_json())}
    assert {frozenset(each.headers.keys()) for each in many} == {frozenset(alone.headers.keys())}
    assert len({each.get_json()["message_id"] for each in many}) == 199


ENDS = ("delivered", "bounced", "deferred-then-delivered", "complained", "unsubscribed")
TOLD = {"queued", "accepted", "delivered", "bounced", "deferred", "complained", "unsubscribed"}


def told(api: Api, webhook_id: str, message_id: str) -> list[dict[str, Any]]:
    """What a webhook is told of a message, oldest first, with the payload."""
    base = f"/v1/webhooks/{webhook_id}/deliveries"
    found = api.call("GET", f"{base}?message_id={message_id}&limit=100").get_json()["data"]
    return [api.call("GET", f"{base}/{each['id']}").get_json() for each in reversed(found)]


def test_s60_s61_s65_a_change_of_state_is_not_told_or_not_whose_it_is(api: Api) -> None:
    hook = api.call("POST", "/v1/webhooks", {"url": "https://example.com/hook"}).get_json()
    types = set()
    for name in ENDS:
        order = {"order": f"s60-{name}"}
        message_id = api.send(recipient=f"{name}+s60@{DOMAIN}", metadata=order)["message_id"]
        work_off(retries=1)
        payloads = [each["payload"] for each in told(api, hook["id"], message_id)]
        own = [each for each in payloads if each["type"].startswith("message.")]
        assert own and all(each["data"]["message_id"] == message_id for each in own)
        assert all(each["data"]["metadata"] == order for each in own), "who pays needs to know which order it was"
        assert [each["data"]["seq"] for each in own] == list(range(1, len(own) + 1))
        types |= {each["type"].removeprefix("message.") for each in own}
    assert types >= TOLD


def test_s71_events_webhooks_and_the_message_tell_different_stories(api: Api) -> None:
    hook = api.call("POST", "/v1/webhooks", {"url": "https://example.com/hook"}).get_json()
    message_id = api.send(recipient="s71@example.net")["message_id"]
    work_off()
    timeline = api.read(message_id, "/events")["data"]
    stream = api.call("GET", f"/v1/events?message_id={message_id}").get_json()["data"]
    hooks = [each["payload"] for each in told(api, hook["id"], message_id)]
    facts = [[(each["id"], each["type"], each["timestamp"]) for each in told] for told in (timeline, stream, hooks)]
    assert facts[0] == facts[1] == facts[2] and len(facts[0]) == 3
    shown = api.read(message_id)
    assert (shown["last_event"]["type"], shown["last_event"]["timestamp"]) == facts[0][-1][1:]
    attempts = api.read(message_id, "/attempts")["data"]
    assert len(attempts) == 1 and attempts[0]["started_at"] <= shown["delivered_at"]


def test_s72_support_cannot_search_or_can_do_more(api: Api) -> None:
    scopes = sorted(scopes_of("support", admin=False))
    assert set(scopes) <= set(SCOPES) and "messages:send" not in scopes
    support = a_key(scopes)
    message_id = api.send(recipient="s72-customer@example.net", subject="Your parcel")["message_id"]
    for words in ("s72-customer", "parcel", message_id):
        found = api.call("GET", f"/v1/messages?q={words}", key=support).get_json()["data"]
        assert message_id in [each["message_id"] for each in found], words
    for method, path, body in (
        ("POST", "/v1/messages", mail()),
        ("POST", "/v1/webhooks", {"url": "https://example.com/hook"}),
        ("POST", "/v1/api-keys", {"scopes": scopes}),
        ("POST", "/v1/senders", {"email": "a@example.com"}),
    ):
        answer = api.call(method, path, body, support)
        assert (answer.status_code, answer.get_json()["code"]) == (403, "insufficient_scope"), path
