"""The policy through the API and through routing: published, obeyed, rolled back, and nobody else's."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest

from common.db.session import rows, transaction
from common.domain.ids import decode
from common.services import canaries, keys, routing, ruling
from tests.callers import Api
from tests.pipeline import waiting, work_off


@pytest.fixture(autouse=True)
def clean(api: Api) -> Iterator[None]:
    ruling.forget()
    yield
    with transaction() as connection:
        connection.exec_driver_sql("TRUNCATE policies, policy_drafts, policy_canaries, messages")
        connection.exec_driver_sql("UPDATE accounts SET policy_version = 1, canary_version = NULL")
        connection.exec_driver_sql("DELETE FROM sources WHERE name LIKE 'relay-%%'", ())
    ruling.forget()


@pytest.fixture(scope="module")
def admin(api: Api) -> str:
    with transaction() as connection:
        account = rows(connection, "SELECT account_id FROM api_keys LIMIT 1")[0].account_id
        return _an_admin(connection, account)


def _an_admin(connection: Any, account_id: UUID) -> str:
    return keys.create(connection, account_id, environment="live", scopes=("admin",), name="operator").token


def ask(api: Api, method: str, path: str, body: Any = None, key: str | None = None, status: int = 200) -> Any:
    answer = api.call(method, f"/v1/policy{path}", body, key)
    assert answer.status_code == status, answer.data
    return answer.get_json() if answer.data else None


def publish(api: Api, document: dict[str, Any], key: str | None = None, whose: str = "") -> Any:
    ask(api, "PUT", f"/draft{whose}", document, key)
    return ask(api, "POST", f"/publish{whose}", {"reason": "a test"}, key, 201)


def a_relay(api: Api, name: str) -> None:
    body = {"name": name, "kind": "relay", "host": "smtp.example.org", "tls": "required"}
    assert api.call("POST", "/v1/sources", body).status_code == 201


def routed(api: Api, **fields: Any) -> dict[str, Any]:
    sent = api.send(**fields)
    route_all()
    found: dict[str, Any] = api.read(sent["message_id"])
    return found


def route_all() -> None:
    with transaction() as connection:
        routing.route(connection, [row.id for row in waiting(connection, "queued")])


def test_nothing_is_published(api: Api) -> None:
    found = ask(api, "GET", "")
    assert (found["version"], found["document"], found["is_published"]) == (1, {}, True)
    assert routed(api)["policy_version"] == 1
    effective = {each["key"]: each for each in ask(api, "GET", "/effective")["data"]}
    assert effective["retry"]["origin"] == "built_in"


def test_a_policy_is_not_obeyed(api: Api) -> None:
    a_relay(api, "relay-a")
    made = publish(
        api,
        {
            "rules": [
                {"name": "hold-promo", "when": {"tag": ["promo"]}, "act": "hold", "reason": "complaints"},
                {"name": "no-bulk", "when": {"tier": ["bulk"]}, "act": "reject"},
                {
                    "name": "letters", "when": {"stream": ["news"]}, "act": "pool", "pool": "p", "retry": [7, 70],
                    "max_age": 900, "guarantee": "at_most_once",
                },
            ],
            "pools": {"p": {"members": [{"source": "relay-a"}]}},
        },
    )  # fmt: skip
    assert (made["version"], made["is_published"], made["author"]) == (2, True, "quickstart live_key")

    held = routed(api, tags=["promo"])
    assert (held["status"], held["held"], held["policy_version"]) == ("queued", True, 2)
    assert "hold-promo: complaints" in held["waiting"]["detail"]
    assert held["last_event"]["type"] == "message.held"

    rejected = routed(api, priority="bulk")
    assert rejected["status"] == "failed"
    event = api.read(rejected["message_id"], "/events")["data"][-1]["data"]
    assert (event["reason"], event["rule"], event["policy_version"]) == ("rejected_by_policy", "no-bulk", 2)

    letter = routed(api, stream="news")
    assert (letter["source"], letter["path"], letter["guarantee"]) == ("relay-a", "relay-a/relay", "at_most_once")
    event = api.read(letter["message_id"], "/events")["data"][-1]["data"]
    assert (event["rule"], event["pool"]) == ("letters", "p")
    with transaction() as connection:
        row = rows(
            connection,
            "SELECT retry_preset, extract(epoch FROM expires_at - created_at) AS life, rule, decision FROM messages"
            " WHERE id = %s",
            decode("msg", letter["message_id"]),
        )[0]
    assert (row.retry_preset, round(row.life), row.rule) == ("custom:7,70", 900, "letters")
    assert row.decision["candidates"][0]["source"] == "relay-a"

    plain = routed(api)
    assert (plain["source"], plain["policy_version"]) == ("mailbox", 2)


def test_what_is_held_is_not_let_go_by_the_next_policy(api: Api) -> None:
    publish(api, {"rules": [{"name": "all", "act": "hold"}]})
    held = routed(api)
    assert held["held"]
    event = api.call("GET", "/v1/events?type=policy.published").get_json()["data"][-1]["data"]
    assert (event["version"], event["previous"], event["reason"]) == (2, 1, "a test")
    back = ask(api, "POST", "/versions/1/rollback", {"reason": "wrong"}, status=201)
    assert (back["version"], back["restores"], back["document"]) == (3, 1, {})
    work_off()
    assert api.read(held["message_id"])["status"] == "delivered"
    with transaction() as connection:
        assert not rows(connection, "SELECT * FROM invariant_violations")


def test_a_schedule_of_ones_own_is_not_kept(api: Api) -> None:
    publish(api, {"retry": [1, 1, 1, 1, 1, 1, 1, 1]})
    sent = api.send(api.test, recipient="deferred@simulator.sendarix.test")
    work_off(retries=9)
    found = api.read(sent["message_id"], key=api.test)
    assert (found["status"], found["attempts"]) == ("bounced", 9)
    with transaction() as connection:
        assert not rows(connection, "SELECT * FROM invariant_violations")


def test_a_wrong_document_is_taken(api: Api) -> None:
    wrong = {"rules": [{"name": "x", "act": "hold", "wen": {}}, {"name": "y", "act": "pool", "when": {"tags": ["a"]}}]}
    answer = ask(api, "PUT", "/draft", wrong, status=422)
    assert {each["field"]: each["message"] for each in answer["errors"]} == {
        "rules.0.wen": "is not a field here; did you mean when?",
        "rules.1.when.tags": "is not a field here; did you mean tag?",
    }
    ask(api, "PUT", "/draft", {"rules": [{"name": "x", "act": "pool", "pool": "nobody"}]})
    found = ask(api, "POST", "/draft/validate")
    assert not found["valid"] and found["errors"][0]["pointer"] == "#/rules/0/pool"
    assert ask(api, "POST", "/publish", {"reason": "x"}, status=422)["errors"][0]["field"] == "rules.0.pool"
    ask(api, "DELETE", "/draft", status=204)
    assert ask(api, "POST", "/publish", {"reason": "x"}, status=409)["code"] == "conflict"


def test_versions_change_or_are_lost(api: Api) -> None:
    for number in range(2, 5):
        publish(api, {"ttl": {"tiers": {"bulk": number}}})
    first = api.call("GET", "/v1/policy/versions?limit=2").get_json()
    assert [each["version"] for each in first["data"]] == [4, 3]
    second = api.call("GET", f"/v1/policy/versions?limit=2&cursor={first['next_cursor']}").get_json()
    assert [each["version"] for each in second["data"]] == [2] and not second["has_more"]
    ask(api, "PUT", "/draft", {"ttl": {"tiers": {"bulk": 9}}})
    changes = ask(api, "GET", "/draft/diff")["changes"]
    assert changes == [{"key": "ttl.tiers.bulk", "change": "changed", "before": 4, "after": 9}]
    assert ask(api, "GET", "/draft/diff?from=2&to=3")["changes"][0]["after"] == 3
    ask(api, "GET", "/versions/9", status=404)


def test_defaults_of_the_installation_are_an_accounts_to_change(api: Api, admin: str) -> None:
    whose = "?for=installation"
    ask(api, "PUT", f"/draft{whose}", {}, status=403)
    made = publish(api, {"rules": [{"name": "stop", "when": {"tag": ["x"]}, "act": "hold"}]}, admin, whose)
    assert (made["version"], made["for"]) == (1, "installation")
    assert routed(api, tags=["x"])["held"]
    assert not routed(api)["held"]
    effective = {each["key"]: each["origin"] for each in ask(api, "GET", "/effective")["data"]}
    assert effective["rules.stop"] == "operator"
    publish(api, {"rules": [{"name": "go", "when": {"tag": ["x"]}, "act": "automatic"}]})
    assert not routed(api, tags=["x"])["held"]


def test_the_schema_and_the_reader_disagree(api: Api) -> None:
    schema = ask(api, "GET", "/schema")
    assert schema["additionalProperties"] is False
    assert schema["properties"]["rules"]["anyOf"][0]["items"]["required"] == ["name", "act"]


def test_an_explanation_is_not_what_happens(api: Api) -> None:
    a_relay(api, "relay-a")
    a_relay(api, "relay-b")
    publish(
        api,
        {
            "rules": [
                {"name": "promo", "when": {"tag": ["promo"]}, "act": "hold"},
                {"name": "all", "act": "pool", "pool": "p", "retry": "otp"},
            ],
            "pools": {"p": {"members": [{"source": "relay-a"}, {"source": "relay-b", "weight": 2}]}},
            "ttl": {"tiers": {"normal": 500}},
        },
    )
    body = {"recipient": "user@gmail.com", "subject": "Hello", "text": "Hello.", "tags": ["otp"]}
    answer = api.call("POST", "/v1/routing/explain", body)
    assert answer.status_code == 200, answer.data
    told = answer.get_json()
    assert (told["message_id"], told["provider"], told["policy_version"]) == (None, "google", 2)
    assert told["rules"][0]["failed"] == {"term": "tag", "wanted": ["promo"], "found": ["otp"]}
    assert (told["decision"]["rule"], told["decision"]["recorded_at"]) == ("all", None)
    terms = {each["key"]: (each["value"], each["origin"]) for each in told["terms"]}
    assert terms["retry"] == ("otp", "rule all") and terms["guarantee"] == ("at_least_once", "built_in")
    assert terms["expires_at"][1] == "account"
    assert [each["number"] for each in told["attempts"]] == [1, 2, 3, 4, 5, 6]
    assert told["expires_at"] > told["attempts"][-1]["at"]

    for number in range(20):
        sent = api.send(recipient=f"user{number}@gmail.com")["message_id"]
        before = api.call("POST", "/v1/routing/explain", {"message_id": sent}).get_json()
        route_all()
        message, after = api.read(sent), api.read(sent, "/routing")
        assert before["decision"]["source"] == message["source"] == after["decision"]["source"]
        assert before["decision"]["candidates"] == after["decision"]["candidates"]
        assert before["terms"] == after["terms"] and after["decision"]["recorded_at"] == message["accepted_at"]
        assert before["expires_at"] == message["expires_at"] == after["expires_at"]

    publish(api, {"rules": [{"name": "none", "act": "reject"}]})
    assert api.read(sent, "/routing")["decision"]["source"] == message["source"]
    assert api.read(sent, "/routing")["policy_version"] == 2


def test_a_suppressed_address_is_explained_as_sent(api: Api) -> None:
    assert (
        api.call("POST", "/v1/suppressions", {"recipient": "gone@example.net", "reason": "manual"}).status_code == 201
    )
    body = {"recipient": "gone@example.net", "subject": "Hello", "text": "Hello."}
    told = api.call("POST", "/v1/routing/explain", body).get_json()
    assert (told["suppression"], told["attempts"]) == ("manual", [])
    assert api.call("POST", "/v1/routing/explain", {"recipient": "x@example.net"}).status_code == 422
    assert api.call("POST", "/v1/routing/explain", body | {"from": "x@else.org"}).status_code == 403


def test_a_backtest_does_not_see_what_would_change(api: Api) -> None:
    for tag in ("promo", "promo", "otp"):
        routed(api, tags=[tag])
    ask(api, "PUT", "/draft", {"rules": [{"name": "p", "when": {"tag": ["promo"]}, "act": "hold"}], "retry": "otp"})
    found = ask(api, "POST", "/draft/backtest", {"hours": 1})
    assert (found["messages"], found["complete"], found["changed"]) == (3, True, 3)
    changes = {(each["key"], each["after"]): each["messages"] for each in found["changes"]}
    assert changes[("act", "hold")] == 2 and changes[("retry", "otp")] == 3 and changes[("source", "")] == 2
    assert {each["after"]["act"] for each in found["examples"]} == {"hold", "send"}
    ask(api, "PUT", "/draft", {"pools": {}})
    assert ask(api, "POST", "/draft/backtest", {})["changed"] == 0


def try_out(api: Api, document: dict[str, Any], **canary: Any) -> Any:
    ask(api, "PUT", "/draft", document)
    return ask(api, "POST", "/publish", {"reason": "a trial", "canary": canary}, status=201)


def canary_states(api: Api) -> list[str]:
    found = api.call("GET", "/v1/events?type=policy.canary").get_json()["data"]
    return [each["data"]["state"] for each in found]


def test_a_bad_canary_stays(api: Api) -> None:
    made = try_out(api, {"retry": "otp"}, percent=50, least_messages=5)
    assert (made["version"], made["is_published"]) == (2, False)
    assert api.call("POST", "/v1/policy/publish", {"reason": "x"}).status_code == 409
    ids = [routed(api)["message_id"] for _ in range(40)]
    versions = {each: api.read(each)["policy_version"] for each in ids}
    tried = [each for each, version in versions.items() if version == 2]
    assert 8 < len(tried) < 32
    assert ask(api, "GET", "/canary")["verdict"] == "go_on"
    with transaction() as connection:
        connection.exec_driver_sql("UPDATE messages SET attempt_no = 1")
        connection.exec_driver_sql("UPDATE messages SET attempt_no = 2 WHERE policy_version = 2")
    found = ask(api, "GET", "/canary")
    assert (found["verdict"], found["canary"]["deferral_rate"], found["base"]["deferral_rate"]) == ("roll_back", 1.0, 0)
    with transaction() as connection:
        assert [verdict for _, verdict in canaries.check(connection)] == ["roll_back"]
        assert canaries.check(connection) == []
    ask(api, "GET", "/canary", status=404)
    assert ask(api, "GET", "")["version"] == 1
    assert {routed(api)["policy_version"] for _ in range(6)} == {1}
    assert canary_states(api)[-2:] == ["started", "rolled_back"]


def test_a_good_canary_is_never_published(api: Api) -> None:
    try_out(api, {"retry": "otp"}, percent=99, least_messages=3, minutes=1)
    for _ in range(6):
        routed(api)
    with transaction() as connection:
        connection.exec_driver_sql("UPDATE messages SET attempt_no = 1")
        assert canaries.check(connection) == []
        connection.exec_driver_sql("UPDATE policy_canaries SET ends_at = now()")
        assert [verdict for _, verdict in canaries.check(connection)] == ["promote"]
    found = ask(api, "GET", "")
    assert (found["version"], found["document"], found["is_published"]) == (2, {"retry": "otp"}, True)


def test_what_a_stopped_canary_held_waits_for_ever(api: Api) -> None:
    try_out(api, {"rules": [{"name": "all", "act": "hold"}]}, percent=99)
    held = [routed(api) for _ in range(5)]
    assert any(each["held"] for each in held)
    ask(api, "DELETE", "/canary", status=204)
    route_all()
    assert not any(api.read(each["message_id"])["held"] for each in held)
    assert ask(api, "GET", "")["version"] == 1


def test_the_installations_defaults_are_tried_on_a_share(api: Api, admin: str) -> None:
    ask(api, "PUT", "/draft?for=installation", {"retry": "otp"}, admin)
    body = {"reason": "x", "canary": {"percent": 5}}
    assert ask(api, "POST", "/publish?for=installation", body, admin, 422)["errors"][0]["field"] == "canary"


def test_a_password_does_not_reach_who_unsubscribed(api: Api) -> None:
    publish(api, {"suppression": {"unsubscribed_receive": ["critical"]}})
    for number, reason in enumerate(("user_unsubscribed", "manual")):
        listed = {"recipient": f"left{number}@example.net", "reason": reason}
        assert api.call("POST", "/v1/suppressions", listed).status_code == 201
    ids = [api.send(recipient=f"left{number}@example.net", priority=tier)["message_id"]
           for number in range(2) for tier in ("critical", "normal")]  # fmt: skip
    assert api.call("POST", "/v1/routing/explain", {"message_id": ids[0]}).get_json()["suppression_passed"]
    assert api.call("POST", "/v1/routing/explain", {"message_id": ids[1]}).get_json()["attempts"] == []
    work_off()
    assert [api.read(each)["status"] for each in ids] == ["delivered", "suppressed", "suppressed", "suppressed"]


def test_a_broken_promise_is_not_seen(api: Api) -> None:
    publish(api, {"objectives": {"critical": {"seconds": 60, "share": 0.9}, "bulk": {"seconds": 60, "share": 0.9}}})
    for _ in range(3):
        api.send(priority="critical"), api.send(priority="bulk")
    work_off()
    with transaction() as connection:
        late = "UPDATE messages SET created_at = created_at - interval '2 minutes' WHERE tier = 2"
        connection.exec_driver_sql(late)
    critical, normal, bulk = api.call("GET", "/v1/latency").get_json()["data"]
    assert (critical["messages"], critical["met"]) == (3, True)
    assert critical["objective"] == {"seconds": 60, "share": 0.9, "origin": "account"}
    assert (normal["messages"], normal["objective"]["origin"]) == (0, "built_in")
    assert (bulk["error_budget"]["late"], bulk["met"]) == (3, False) and bulk["first_attempt"]["p50"] > 119
    assert ask(api, "GET", "/effective")["data"][0]["key"].startswith("objectives.")
