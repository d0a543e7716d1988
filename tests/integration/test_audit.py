"""A change of which nobody can say afterwards who made it; an entry of what never happened; one that tells a secret."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from flask import Response
from flask.testing import FlaskClient
from werkzeug.routing import Rule

from api import cli, create_app
from api.answers import json_answer
from common.config import current_settings, read_settings
from common.db.session import rows, run, transaction
from common.domain.auditing import disclosed
from common.domain.ids import encode, new_id
from common.services import auditing, quickstart
from tests.callers import Api
from tests.integration.test_dashboard import done, person

READS = {"GET", "HEAD", "OPTIONS"}


def audited() -> list[Rule]:
    app = create_app(read_settings({}, mailbox_page=True))
    return [rule for rule in app.url_map.iter_rules() if getattr(app.view_functions[rule.endpoint], "audited", False)]


def entries(api: Api, key: str | None = None, **query: Any) -> list[dict[str, Any]]:
    answer = api.client.get("/v1/audit", query_string=query, headers={"Authorization": f"Bearer {key or api.live}"})
    assert answer.status_code == 200, answer.data
    found: list[dict[str, Any]] = answer.get_json()["data"]
    return found


@contextmanager
def instead(view: Any, stub: Callable[..., Response]) -> Iterator[None]:
    """The route with everything around its view, and `stub` in the place of the view."""
    (cell,) = [each for each in view.__closure__ if each.cell_contents is view.__wrapped__]
    before = cell.cell_contents
    cell.cell_contents = stub
    try:
        yield
    finally:
        cell.cell_contents = before


@pytest.fixture(scope="module")
def operator(api: Api) -> str:
    with transaction() as connection:
        return quickstart.prepare(connection, current_settings())["admin_key"]


@pytest.mark.parametrize("rule", audited(), ids=lambda rule: f"{min(rule.methods - READS)} {rule.rule}")
def test_a_route_changes_something_and_nobody_knows(api: Api, operator: str, rule: Rule) -> None:
    view = api.client.application.view_functions[rule.endpoint]  # type: ignore[attr-defined]
    method, mark = min((rule.methods or set()) - READS), encode("req", new_id())
    path = rule.rule
    for name in rule.arguments:
        path = path.replace(f"<{name}>", mark)

    def stub(**_: Any) -> Response:
        with transaction() as connection:
            run(connection, "UPDATE accounts SET name = name WHERE id = %s", quickstart.QUICKSTART_ACCOUNT)
        return json_answer({})

    with instead(view, stub):
        answer = api.call(method, path, {}, operator)
    assert answer.status_code == 200, answer.data
    found = entries(api, operator, action=rule.endpoint.rpartition(".")[2], limit=1)[0]
    assert found["request_id"] == answer.headers["X-Request-Id"]
    assert found["object_id"] == (mark if rule.arguments else None)
    assert found["author"]["kind"] == "key" and found["route"].startswith(f"{method} /v1/")


def test_a_creation_does_not_name_what_it_made(api: Api) -> None:
    made = api.call(
        "POST", "/v1/webhooks", {"url": "https://example.com/hooks/mail", "event_types": ["message.bounced"]}
    )
    assert made.status_code == 201, made.data
    webhook = made.get_json()["id"]
    assert [each["action"] for each in entries(api, object=webhook)] == ["create_webhook"]
    api.call("PATCH", f"/v1/webhooks/{webhook}", {"max_in_flight": 7, "description": "the shop of Ada"})
    changed, created = entries(api, object=webhook)
    assert changed["changes"] == {
        "given": ["max_in_flight", "description"],
        "values": {"max_in_flight": 7},
        "made": None,
    }
    assert created["changes"]["values"]["event_types"] == ["message.bounced"]


def test_what_was_refused_is_recorded(api: Api) -> None:
    before = entries(api, limit=100)
    assert api.call("POST", "/v1/webhooks", {"url": "no url"}).status_code == 422
    assert api.call("DELETE", f"/v1/webhooks/{encode('whk', new_id())}").status_code == 404
    assert api.call("POST", "/v1/queues/delivery.bulk/resume").status_code == 200, "of a queue that is not paused"
    assert entries(api, limit=100) == before


def test_a_repeated_request_is_two_changes(api: Api) -> None:
    body = {"recipient": "twice@example.net"}
    for _ in range(2):
        made = api.call("POST", "/v1/suppressions", body, Idempotency_Key="audit-1").get_json()
    assert len(entries(api, object=made["id"])) == 1
    api.call("DELETE", "/v1/suppressions/twice@example.net")
    assert [each["action"] for each in entries(api, object=made["id"])] == ["remove_suppression", "add_suppression"]
    assert "twice" not in str(entries(api, limit=100)), "an address is not an id"


def test_what_is_rolled_back_leaves_an_entry(api: Api) -> None:
    act = auditing.Act("fails", "nowhere", lambda: disclosed({}), account_id=quickstart.QUICKSTART_ACCOUNT)
    with pytest.raises(ZeroDivisionError), auditing.watching(act), transaction() as connection:
        run(connection, "UPDATE accounts SET name = name WHERE id = %s", quickstart.QUICKSTART_ACCOUNT)
        raise ZeroDivisionError
    assert entries(api, action="fails") == []


def test_at_the_dashboard_it_was_a_key_without_a_name(api: Api) -> None:
    owner: FlaskClient = person(api, "audited@people.example")
    done(owner, "pause_queue", queue="delivery.bulk", reason="too many complaints")
    done(owner, "resume_queue", queue="delivery.bulk")
    found = entries(api, object="delivery.bulk", limit=2)
    assert [each["action"] for each in found] == ["resume_queue", "pause_queue"]
    assert {each["author"]["name"] for each in found} == {"audited@people.example"}
    user_id = found[0]["author"]["user_id"]
    assert [each["action"] for each in entries(api, author=user_id)] == ["resume_queue", "pause_queue", "use_link"]
    assert [each["action"] for each in entries(api, object=user_id)] == ["use_link", "invite_user"]


def test_a_command_is_nobody(api: Api, operator: str, capsys: pytest.CaptureFixture[str]) -> None:
    account = encode("acc", quickstart.QUICKSTART_ACCOUNT)
    assert cli.main(["key", "create", "--scope", "messages:read", "--name", "reports"]) == 0
    secret = capsys.readouterr().out.strip()
    (found,) = entries(api, action="key create")
    assert found["author"]["kind"] == "command" and found["object_id"] == account
    assert found["changes"]["values"]["scopes"] == ["messages:read"]
    assert secret not in str(entries(api, limit=100))


def test_accounts_see_each_other(api: Api, operator: str) -> None:
    answer = api.call("POST", "/v1/admin/accounts", {"name": "Other"}, operator)
    assert answer.status_code == 201, answer.data
    other = answer.get_json()["id"]
    key = api.call(
        "POST",
        f"/v1/admin/accounts/{other}/api-keys",
        {"environment": "live", "scopes": ["audit:read", "webhooks:write"]},
        operator,
    ).get_json()["secret"]
    assert entries(api, key) == []
    hook = api.call(
        "POST", "/v1/webhooks", {"url": "https://example.com/hooks/other", "event_types": ["message.bounced"]}, key
    )
    assert [each["object_id"] for each in entries(api, key)] == [hook.get_json()["id"]]
    assert entries(api, object=hook.get_json()["id"]) == []
    assert len(entries(api, operator, object=hook.get_json()["id"], everywhere="true")) == 1
    refused = api.call("GET", "/v1/audit?everywhere=true")
    assert refused.status_code == 403 and refused.get_json()["code"] == "insufficient_scope"


def test_entries_are_kept_for_ever_or_forgotten_early(api: Api) -> None:
    with transaction() as connection:
        for days, action in (("401", "old"), ("399", "young")):
            run(
                connection,
                "INSERT INTO audit_entries (id, account_id, created_at, author_kind, author, action, route)"
                f" VALUES (%s, %s, now() - interval '{days} days', 'command', 'x', %s, 'x')",
                new_id(), quickstart.QUICKSTART_ACCOUNT, action,
            )  # fmt: skip
        assert auditing.prune(connection) == 1
        left = rows(connection, "SELECT action FROM audit_entries WHERE author = 'x'")
    assert [each.action for each in left] == ["young"]


SECRETS = {
    "password": "hunter2", "name": "ada", "recipient": "ada@example.com", "html": "hello",
    "smtp": {"password": "x", "port": 25}, "reason": "Ada said so", "state": "disabled",
    "scopes": ["a:b"], "headers": {"x-a": "b"}, "flag": True, "none": None,
}  # fmt: skip


def test_a_value_tells_of_a_secret_or_a_person() -> None:
    told = disclosed(SECRETS)
    assert told["values"] == {"smtp.port": 25, "state": "disabled", "scopes": ["a:b"], "flag": True, "none": None}
    assert set(told["given"]) == {*SECRETS, "smtp.password", "smtp.port"} - {"smtp"}
