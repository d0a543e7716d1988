"""docs/runbooks/policy-under-421.md, step by step, with the API alone."""

from typing import Any

from common.db.session import rows, transaction
from common.domain.ids import decode
from common.services import keys, ruling
from common.services.quickstart import QUICKSTART_ACCOUNT
from tests.callers import Api
from tests.fakes.scripted import Expect, Scripted, hello
from tests.pipeline import work_off
from workers.delivery import tasks as worker


def test_an_operator_cannot_help_when_a_provider_answers_421(api: Api) -> None:
    ruling.forget()
    with transaction() as connection:
        made = keys.create(connection, QUICKSTART_ACCOUNT, environment="live", scopes=("admin",), name="operator")

    def ask(method: str, path: str, body: Any = None, key: str | None = None) -> Any:
        answer = api.call(method, path, body, key)
        assert answer.status_code < 300, answer.data
        return answer.get_json()

    with Scripted([*hello("PIPELINING"), Expect("MAIL", "421 4.7.0 too many messages, slow down")]) as server:
        relay = {
            "name": "lab",
            "kind": "relay",
            "host": "127.0.0.1",
            "port": server.port,
            "tls": "none",
            "shared": True,
        }
        source = ask("POST", "/v1/sources", relay, made.token)
        document = {
            "rules": [{"name": "letters", "when": {"stream": ["news"]}, "act": "pool", "pool": "new"}],
            "pools": {"new": {"members": [{"source": "lab"}]}},
        }
        ask("PUT", "/v1/policy/draft", document)
        ask("POST", "/v1/policy/publish", {"reason": "letters by the new relay"})
        sent = api.send(stream="news", tags=["promo"])["message_id"]
        work_off()

    # 1. Why does it wait?
    [waiting] = ask("GET", "/v1/messages?status=deferred")["data"]
    assert waiting["message_id"] == sent and "421" in waiting["waiting"]["detail"]
    assert ask("GET", f"/v1/messages/{sent}/attempts")["data"][0]["code"] == 421
    routing = ask("GET", f"/v1/messages/{sent}/routing")
    assert (routing["decision"]["rule"], routing["decision"]["source"], routing["policy_version"]) == (
        "letters",
        "lab",
        2,
    )
    assert [each["number"] for each in routing["attempts"]] == [2, 3, 4, 5, 6]
    assert ask("GET", "/v1/policy/versions")["data"][0]["reason"] == "letters by the new relay"
    assert {each["key"] for each in ask("GET", "/v1/policy/draft/diff?from=1&to=2")["changes"]} == {
        "rules.letters", "pools.new",
    }  # fmt: skip

    # 2. Slow it: a shared source is the operator's to slow.
    whose = "?for=installation"
    ask("PUT", f"/v1/policy/draft{whose}", {"pacing": [{"connections": 1, "per_second": 0.5}]}, made.token)
    ask("POST", f"/v1/policy/publish{whose}", {"reason": "421"}, made.token)
    which = decode("src", source["id"])
    assert which is not None
    worker._ways._limits.forget()
    scope = worker._ways.scope_of(which, "example.net")
    assert scope is not None and (scope.levels[0].connections, scope.levels[0].per_second) == (1, 0.5)

    # 3. Hold a tag, tried on what was sent first.
    hold = {"name": "stop-promo", "when": {"tag": ["promo"]}, "act": "hold", "reason": "421"}
    ask("PUT", "/v1/policy/draft", {**document, "rules": [hold, *document["rules"]]})
    assert ask("POST", "/v1/policy/draft/validate")["valid"]
    assert ask("POST", "/v1/policy/draft/backtest", {"hours": 1})["changed"] == 1
    ask("POST", "/v1/policy/publish", {"reason": "promo waits"})
    held = api.send(stream="news", tags=["promo"])["message_id"]
    work_off()
    assert api.read(held)["held_by"]["kind"] == "policy"

    # 4. Take the rules back.
    ask("POST", "/v1/policy/versions/1/rollback", {"reason": "letters are answered 421"})
    effective = {each["key"]: each["origin"] for each in ask("GET", "/v1/policy/effective")["data"]}
    assert "rules.letters" not in effective and effective["pacing.0"] == "operator"
    work_off()
    assert api.read(held)["status"] == "delivered" and api.read(held)["source"] == "mailbox"
    with transaction() as connection:
        assert not rows(connection, "SELECT * FROM invariant_violations")
    ruling.forget()
