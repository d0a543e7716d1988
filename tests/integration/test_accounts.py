"""Accounts over HTTP and on the command line: made, limited, suspended, and only by an operator."""

from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from flask.testing import FlaskClient

from api import cli, create_app
from common.config import current_settings, read_settings
from common.db import session
from common.services import composing, keys, quickstart


@pytest.fixture
def tokens(database: None, engines: Any) -> Iterator[dict[str, str]]:
    keys.forget()
    composing.forget()
    with session.transaction() as connection:
        made = quickstart.prepare(connection, current_settings())
    yield made
    keys.forget()


@pytest.fixture
def client(tokens: dict[str, str]) -> FlaskClient:
    return create_app(read_settings()).test_client()


def ask(client: FlaskClient, method: str, path: str, key: str, body: Any = None) -> Any:
    return client.open(path, method=method, json=body, headers={"Authorization": f"Bearer {key}"})


def test_an_account_is_made_that_nobody_can_use(client: FlaskClient, tokens: dict[str, str]) -> None:
    admin = tokens["admin_key"]
    made = ask(client, "POST", "/v1/admin/accounts", admin, {"name": "Billing", "requests_per_minute": 5})
    assert (made.status_code, made.json["state"], made.json["requests_per_minute"]) == (201, "active", 5)
    path = f"/v1/admin/accounts/{made.json['id']}"
    assert ask(client, "GET", path, admin).json == made.json
    key = ask(client, "POST", f"{path}/api-keys", admin, {"scopes": ["messages:read", "templates:read"]})
    assert key.status_code == 201
    answer = ask(client, "GET", "/v1/messages", key.json["secret"])
    assert (answer.status_code, answer.headers["X-RateLimit-Limit"]) == (200, "5")
    slugs = [each["slug"] for each in ask(client, "GET", "/v1/templates", key.json["secret"]).json["data"]]
    assert "otp-code" in slugs
    (listed,) = ask(client, "GET", f"{path}/api-keys", admin).json["data"]
    assert listed["id"] == key.json["id"]
    names = [each["name"] for each in ask(client, "GET", "/v1/admin/accounts", admin).json["data"]]
    assert names == ["Billing", "Quickstart"]


def test_a_quota_is_changed_for_good_or_not_at_all(client: FlaskClient, tokens: dict[str, str]) -> None:
    admin = tokens["admin_key"]
    path = f"/v1/admin/accounts/{ask(client, 'GET', '/v1/admin/accounts', admin).json['data'][0]['id']}"
    for wanted, shown in ((7, "7"), (None, "1000")):
        changed = ask(client, "PATCH", path, admin, {"requests_per_minute": wanted})
        assert (changed.status_code, changed.json["requests_per_minute"]) == (200, wanted)
        assert changed.json["default_sender"] == quickstart.SENDER, "what is not named stays"
        assert ask(client, "GET", "/v1/messages", tokens["live_key"]).headers["X-RateLimit-Limit"] == shown


def test_a_suspended_account_sends_or_cannot_read(client: FlaskClient, tokens: dict[str, str]) -> None:
    admin, live = tokens["admin_key"], tokens["live_key"]
    mail = {"recipient": "a@example.com", "subject": "x", "text": "x"}
    path = f"/v1/admin/accounts/{ask(client, 'GET', '/v1/admin/accounts', admin).json['data'][0]['id']}"
    first = ask(client, "POST", f"{path}/suspend", admin).json
    assert (first["state"], ask(client, "POST", f"{path}/suspend", admin).json) == ("suspended", first)
    refused = ask(client, "POST", "/v1/messages", live, mail)
    assert (refused.status_code, orjson.loads(refused.data)["code"]) == (403, "account_paused")
    assert ask(client, "GET", "/v1/messages", live).status_code == 200
    assert ask(client, "GET", "/v1/admin/accounts?state=suspended", admin).json["data"] == [first]
    assert ask(client, "POST", f"{path}/resume", admin).json["suspended_at"] is None
    assert ask(client, "POST", "/v1/messages", live, mail).status_code == 202


def test_an_installation_without_a_key_stays_shut(
    client: FlaskClient, tokens: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["account", "create", "Mine", "--admin", "--requests-per-minute", "9"]) == 0
    made = orjson.loads(capsys.readouterr().out)
    shown = ask(client, "GET", f"/v1/admin/accounts/{made['id']}", made["admin_key"])
    assert shown.json == {name: value for name, value in made.items() if name != "admin_key"}
    assert cli.main(["account", "suspend", made["id"]]) == 0
    assert cli.main(["account", "list"]) == 0
    listed = [orjson.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [each["state"] for each in listed] == ["suspended", "suspended", "active"], "the answer, then both"
    with pytest.raises(SystemExit):
        cli.main(["account", "suspend", "acc_nobody"])


def test_a_retry_schedule_of_an_account_is_set_by_sql_only(client: FlaskClient, tokens: dict[str, str]) -> None:
    admin = tokens["admin_key"]
    made = ask(client, "POST", "/v1/admin/accounts", admin, {"name": "Patient", "retry_preset": "patient"}).get_json()
    path = f"/v1/admin/accounts/{made['id']}"
    assert made["retry_preset"] == "patient"
    assert ask(client, "PATCH", path, admin, {"retry_preset": "otp"}).get_json()["retry_preset"] == "otp"
    assert ask(client, "PATCH", path, admin, {"retry_preset": None}).get_json()["retry_preset"] is None
    assert ask(client, "PATCH", path, admin, {"retry_preset": "never"}).status_code == 422


def test_the_contact_of_an_account_cannot_be_set(client: FlaskClient, tokens: dict[str, str]) -> None:
    admin = tokens["admin_key"]
    path = f"/v1/admin/accounts/{ask(client, 'GET', '/v1/admin/accounts', admin).json['data'][0]['id']}"
    for wanted in ("ops@example.com", None):
        assert ask(client, "PATCH", path, admin, {"contact_address": wanted}).json["contact_address"] == wanted
    for wrong in ("nobody", 7, {"email": "ops@example.com"}, "a@b.example,c@d.example"):
        answer = ask(client, "PATCH", path, admin, {"contact_address": wrong})
        assert (answer.status_code, answer.json["errors"][0]["field"]) == (422, "contact_address"), wrong
