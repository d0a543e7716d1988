"""Reply rules through the API: what operators say about refusals decides, within seconds, and unknown ones are seen."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from redis import Redis

from api import create_app
from common import clock
from common.config import current_settings, read_settings
from common.db.session import rows, transaction
from common.domain.outcomes import Outcome
from common.domain.reply_forms import normal_form
from common.services import composing, keys, quickstart, routing
from tests.builders import an_account, some_messages
from tests.fakes.scripted import Expect, Scripted, hello
from workers.delivery import tasks as worker
from workers.delivery.judging import Judging

Call = Callable[..., Any]
RULE = {
    "name": "acme-dormant",
    "category": "mailbox_disabled",
    "says": ["Quasar ... asleep"],
    "source": "https://acme.example/postmaster",
}
REPLY = "550 5.2.9 quasar 4711 has fallen asleep"


@pytest.fixture
def tokens(database: None, engines: Any) -> Iterator[dict[str, str]]:
    Redis.from_url(engines.redis_url).flushdb()
    keys.forget()
    composing.forget()
    with transaction() as connection:
        made = quickstart.prepare(connection, current_settings())
    yield made
    keys.forget()


@pytest.fixture
def call(tokens: dict[str, str]) -> Call:
    client = create_app(read_settings()).test_client()

    def ask(method: str, path: str, body: Any = None, *, key: str = "admin_key") -> Any:
        return client.open(path, method=method, json=body, headers={"Authorization": f"Bearer {tokens[key]}"})

    return ask


def make(call: Call, **fields: Any) -> dict[str, Any]:
    answer = call("POST", "/v1/reply-rules", RULE | fields)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json
    return found


def names(call: Call) -> list[str]:
    return [each["name"] for each in call("GET", "/v1/reply-rules?origin=operator").json["data"]]


def test_a_rule_has_no_source(call: Call) -> None:
    listed = call("GET", "/v1/reply-rules", key="live_key").json["data"]
    assert len(listed) > 40 and all(len(each["source"]) > 20 for each in listed)
    answer = call("POST", "/v1/reply-rules", {name: value for name, value in RULE.items() if name != "source"})
    assert [each["field"] for each in answer.json["errors"]] == ["source"]


def test_a_rule_is_not_what_was_asked_for(call: Call) -> None:
    made = make(call, provider="google", stages=["rcpt", "dot"], code_class=5, enhanced=["2.9"], codes=[550, 554])
    assert (made["says"], made["provider"], made["stages"]) == (["quasar ... asleep"], "google", ["rcpt", "dot"])
    assert call("GET", f"/v1/reply-rules/{made['id']}").json == made
    changed = call("PATCH", f"/v1/reply-rules/{made['id']}", {"provider": None, "kind": "deferred"}).json
    assert (changed["provider"], changed["kind"], changed["stages"]) == (None, "deferred", ["rcpt", "dot"])
    assert call("DELETE", f"/v1/reply-rules/{made['id']}").status_code == 204
    assert call("GET", f"/v1/reply-rules/{made['id']}").status_code == 404


@pytest.mark.parametrize(
    ("fields", "field", "code"),
    [
        ({"says": None}, "says", "required"),
        ({"says": None, "codes": [550]}, "says", "required"),
        ({"says": ["<user@example.com>"]}, "says.0", "invalid_format"),
        ({"category": "delivered"}, "category", "not_in_enum"),
        ({"codes": [250]}, "codes.0", "too_small"),
        ({"enhanced": ["5.7.1"]}, "enhanced.0", "invalid_format"),
        ({"regex": ".*"}, "regex", "unknown_field"),
    ],
)
def test_a_rule_that_fits_everything_is_kept(call: Call, fields: dict[str, Any], field: str, code: str) -> None:
    answer = call("POST", "/v1/reply-rules", RULE | fields)
    assert answer.status_code == 422, answer.text
    assert (answer.json["errors"][0]["field"], answer.json["errors"][0]["code"]) == (field, code)


def test_a_change_makes_a_rule_suppress_by_a_code_alone(call: Call) -> None:
    made = make(call, codes=[550])
    assert call("PATCH", f"/v1/reply-rules/{made['id']}", {"says": None}).status_code == 409
    mild = make(call, name="mild", says=None, codes=[571], category="policy")
    assert call("PATCH", f"/v1/reply-rules/{mild['id']}", {"category": "invalid_recipient"}).status_code == 409


def test_two_rules_have_one_name(call: Call) -> None:
    make(call)
    assert call("POST", "/v1/reply-rules", RULE).status_code == 409
    assert call("POST", "/v1/reply-rules", RULE | {"name": "user-unknown"}).status_code == 409


def test_the_order_is_not_the_operators(call: Call) -> None:
    ids = {name: make(call, name=name)["id"] for name in ("one", "two", "three")}
    first = make(call, name="first", position=1)
    assert names(call) == ["first", "one", "two", "three"]
    wanted = [ids["three"], first["id"], ids["one"], ids["two"]]
    assert call("PUT", "/v1/reply-rule-order", {"ids": wanted}).status_code == 200
    assert names(call) == ["three", "first", "one", "two"]
    assert call("PUT", "/v1/reply-rule-order", {"ids": wanted[1:]}).status_code == 409
    call("PATCH", f"/v1/reply-rules/{ids['two']}", {"position": 2})
    assert names(call) == ["three", "two", "first", "one"]
    call("DELETE", f"/v1/reply-rules/{first['id']}")
    make(call, name="last")
    assert names(call) == ["three", "two", "one", "last"]


def test_an_account_changes_what_all_share(call: Call) -> None:
    made = make(call)
    for method, path in (
        ("POST", "/v1/reply-rules"),
        ("PATCH", f"/v1/reply-rules/{made['id']}"),
        ("DELETE", f"/v1/reply-rules/{made['id']}"),
        ("PUT", "/v1/reply-rule-order"),
        ("GET", "/v1/unknown-replies"),
    ):
        answer = call(method, path, {} if method != "GET" else None, key="live_key")
        assert (answer.status_code, answer.json["code"]) == (403, "insufficient_scope")


def test_a_try_does_not_say_what_a_reply_means_or_what_a_draft_changes(call: Call) -> None:
    asked = {"reply": REPLY}
    before = call("POST", "/v1/reply-trials", asked, key="live_key").json
    assert (before["category"], before["rule"]["origin"]) == ("undetermined", "table")
    draft = {name: RULE[name] for name in ("category", "says")}
    tried = call("POST", "/v1/reply-trials", asked | {"draft": draft}).json
    assert (tried["kind"], tried["category"], tried["rule"]["origin"]) == ("bounced", "mailbox_disabled", "draft")
    assert tried["consequences"]["address"].startswith("It is suppressed for 90 days")
    made = make(call)
    after = call("POST", "/v1/reply-trials", asked).json
    assert after["rule"] == {
        "id": made["id"], "name": "acme-dormant", "origin": "operator", "source": RULE["source"],
    }  # fmt: skip
    at_banner = call("POST", "/v1/reply-trials", asked | {"stage": "banner"}).json
    assert (at_banner["kind"], at_banner["consequences"]["address"]) == ("deferred", "Nothing happens to it.")


def refused(reply: str = REPLY[4:], **changes: Any) -> Outcome:
    outcome = Outcome("bounced", "rcpt", 550, "5.2.9", reply, "undetermined", rule="enhanced_code")
    return replace(outcome, **changes)


def test_a_worker_goes_by_old_rules(call: Call) -> None:
    judging = Judging()
    assert judging.settle(refused()).category == "undetermined"
    make(call, kind="deferred", category="throttled")
    judging._rules.forget()  # what three seconds do
    settled = judging.settle(refused())
    assert (settled.kind, settled.category, settled.rule) == ("deferred", "throttled", "acme-dormant")
    ours = refused(rule=None)
    assert judging.settle(ours) is ours
    make(call, name="bounce-it", position=1, kind="bounced", category="policy")
    judging._rules.forget()
    assert judging.settle(refused(stage="banner", kind="deferred")).kind == "deferred"
    judging.flush()


def test_what_no_rule_knows_is_not_counted(call: Call) -> None:
    judging = Judging()
    for number in range(3):
        judging.settle(
            refused(f"5.2.9 quasar {number} of <user{number}@example.net> asleep, see https://x.example/{number}")
        )
    judging.settle(refused("5.1.1 user unknown", rule="user-unknown"))
    judging.flush()
    judging.settle(refused("5.2.9 quasar 77 of <me@example.net> asleep, see https://x.example/77"))
    judging.flush()
    listed = call("GET", "/v1/unknown-replies?category=undetermined").json["data"]
    assert [(each["form"], each["count"], each["stage"], each["code"]) for each in listed] == [
        ("quasar <n> of <address> asleep, see <link>", 4, "rcpt", 550)
    ]
    assert "example.net" not in str(listed)
    assert call("GET", f"/v1/unknown-replies/{listed[0]['id']}").json == listed[0]
    assert call("DELETE", f"/v1/unknown-replies/{listed[0]['id']}").status_code == 204
    assert call("GET", "/v1/unknown-replies").json["data"] == []


@pytest.mark.parametrize(
    ("reply", "form"),
    [
        ("5.7.1 [192.0.2.7] blocked by 4f9Qz1Lm23", "<ip> blocked by <id>"),
        ("4.3.0 <a@b.example>: 17 of 20 tries at mx-3.mail.example.net", "<address>: <n> of <n> tries at <host>"),
        ("queued as 01890a5d-ac96-774b-bcce-b302099a8057", "queued as <id>"),
        ("Host 2001:db8::1 is Not   Welcome", "host <ip> is not welcome"),
        ("", ""),
    ],
)
def test_equal_refusals_count_apart(reply: str, form: str) -> None:
    assert normal_form(reply) == form


def test_a_hostile_reply_takes_long_to_be_normalised() -> None:
    for text in (
        "a" * 4000,
        "1." * 2000,
        "a-1" * 1300,
        "<" * 4000,
        "@" * 4000,
        "a:" * 2000,
        "http://" * 500,
        "0" * 4000,
    ):
        since = clock.monotonic()
        normal_form(text)
        assert clock.monotonic() - since < 0.5, text[:8]


def test_an_attempt_does_not_tell_its_rule(call: Call) -> None:
    make(call)
    account = an_account()
    script = [*hello(), Expect("MAIL"), Expect("RCPT", REPLY)]
    with Scripted(script) as server:
        with transaction() as connection:
            connection.exec_driver_sql(
                "UPDATE sources SET port = %s, kind = 'relay' WHERE account_id = %s", (server.port, account.id)
            )
            connection.exec_driver_sql(
                "UPDATE sources SET account_id = NULL, is_default = true WHERE port = %s", (server.port,)
            )
            ids = some_messages(connection, account, 1)
            routing.route(connection, ids)
        worker._targets._judging._rules.forget()
        worker.deliver_messages.run([str(each) for each in ids])
    with transaction() as connection:
        attempt = rows(connection, "SELECT rule, category FROM attempts WHERE message_id = %s", ids[0])[0]
        listed = rows(connection, "SELECT reason FROM suppressions WHERE account_id = %s", account.id)
    assert (attempt.rule, attempt.category) == ("acme-dormant", "mailbox_disabled")
    assert [each.reason for each in listed] == ["hard_bounce"]
