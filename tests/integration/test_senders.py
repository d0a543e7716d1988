"""Senders over HTTP, and who a message is from when it does not say."""

from collections.abc import Iterator
from typing import Any

import pytest

from common.config import current_settings
from common.db import session
from common.services import composing, domains, keys, quickstart
from common.services.quickstart import QUICKSTART_ACCOUNT
from tests.callers import Api
from tests.pipeline import work_off

NUMBERS = iter(range(100))


def add(api: Api, **fields: Any) -> dict[str, Any]:
    answer = api.call("POST", "/v1/senders", {"email": f"s{next(NUMBERS)}@example.com"} | fields)
    assert answer.status_code == 201, answer.data
    found: dict[str, Any] = answer.get_json()
    return found


def a_verified_domain(name: str, default: str | None) -> None:
    with session.transaction() as connection:
        domains.declare_verified(connection, current_settings(), QUICKSTART_ACCOUNT, name)
        connection.exec_driver_sql("UPDATE domains SET default_sender = %s WHERE name = %s", (default, name))
    composing.forget()


def account_default(value: str | None) -> None:
    with session.transaction() as connection:
        connection.exec_driver_sql("UPDATE accounts SET default_sender = %s", (value,))
    keys.forget()


@pytest.fixture(autouse=True)
def usual(api: Api) -> Iterator[None]:
    """Every test finds the account's own default sender, and no other domain."""
    yield
    account_default(quickstart.SENDER)
    with session.transaction() as connection:
        connection.exec_driver_sql("DELETE FROM domains WHERE name <> 'example.com'")
    composing.forget()


def the_mail(api: Api, recipient: str, key: str | None = None, **fields: Any) -> Any:
    api.send(key, recipient=recipient, **fields)
    work_off()
    (found,) = api.caught(recipient)
    return found


def test_a_sender_loses_what_it_was_made_with(api: Api) -> None:
    made = add(api, name="Shop", reply_to="Help <help@example.com>")
    assert (made["name"], made["reply_to"], made["default"]) == ("Shop", "Help <help@example.com>", False)
    assert (made["domain"], made["verified"]) == ("example.com", True)
    assert api.call("GET", f"/v1/senders/{made['id']}").get_json() == made
    assert made in api.call("GET", "/v1/senders?domain=EXAMPLE.com").get_json()["data"]
    assert api.call("GET", "/v1/senders?domain=example.org").get_json()["data"] == []
    assert api.call("POST", "/v1/senders", {"email": made["email"].upper()}).status_code == 409
    assert api.call("DELETE", f"/v1/senders/{made['id']}").status_code == 204
    assert api.call("GET", f"/v1/senders/{made['id']}").status_code == 404


def test_a_change_clears_what_it_does_not_name(api: Api) -> None:
    made = add(api, email="Shop <change@example.com>", reply_to="help@example.com")
    assert made["name"] == "Shop"
    changed = api.call("PATCH", f"/v1/senders/{made['id']}", {"reply_to": None}).get_json()
    assert (changed["name"], changed["reply_to"]) == ("Shop", None)
    assert api.call("PATCH", f"/v1/senders/{made['id']}", {"email": "b@example.com"}).status_code == 422


def test_s6_a_sender_of_a_domain_that_is_not_ours_is_taken(api: Api) -> None:
    answer = api.call("POST", "/v1/senders", {"email": "me@elsewhere.example"})
    assert (answer.status_code, answer.get_json()["code"]) == (403, "sender_not_verified")
    assert answer.get_json()["errors"][0]["field"] == "email"
    assert "POST /v1/domains" in answer.get_json()["errors"][0]["message"]


def test_a_message_has_neither_the_name_nor_the_answers_of_its_sender(api: Api) -> None:
    made = add(api, name="Shop", reply_to="Help <help@example.com>")
    found = the_mail(api, "named@example.net", **{"from": made["email"]})
    assert (found["From"], found["Reply-To"]) == (f"Shop <{made['email']}>", "Help <help@example.com>")
    own = {"from": f"Other <{made['email']}>", "reply_to": "me@example.com"}
    found = the_mail(api, "own@example.net", **own)
    assert (found["From"], found["Reply-To"]) == (f"Other <{made['email']}>", "me@example.com"), (
        "the request goes first"
    )


def test_the_default_sender_is_not_the_one_that_was_chosen(api: Api) -> None:
    one, two = add(api, name="One", default=True), add(api, name="Two")
    assert one["default"]
    assert the_mail(api, "default1@example.net")["From"] == f"One <{one['email']}>"
    assert api.call("PATCH", f"/v1/senders/{two['id']}", {"default": True}).get_json()["default"]
    assert not api.call("GET", f"/v1/senders/{one['id']}").get_json()["default"], "an account has one default"
    assert the_mail(api, "default2@example.net")["From"] == f"Two <{two['email']}>"
    assert api.call("DELETE", f"/v1/senders/{two['id']}").status_code == 204
    answer = api.call("POST", "/v1/messages", {"recipient": "a@example.net", "subject": "s", "text": "t"})
    assert (answer.status_code, answer.get_json()["errors"][0]["field"]) == (422, "from")


def test_the_default_of_a_domain_is_not_used(api: Api) -> None:
    a_verified_domain("later.example", "Later <hello@later.example>")
    assert the_mail(api, "account@example.net")["From"] == quickstart.SENDER, "the account's goes first"
    account_default(None)
    assert the_mail(api, "domain@example.net")["From"] == "Later <hello@later.example>"


def test_a_key_of_one_domain_falls_back_to_a_sender_it_may_not_use(api: Api) -> None:
    a_verified_domain("other.example", "hello@other.example")
    with session.transaction() as connection:
        made = keys.create(connection, QUICKSTART_ACCOUNT, environment="live", scopes=["messages:send"], name="other")
        connection.exec_driver_sql("UPDATE api_keys SET sender_domains = '{other.example}' WHERE id = %s", (made.id,))
    keys.forget()
    assert the_mail(api, "restricted@example.net", made.token)["From"] == "hello@other.example"


def test_the_default_of_an_unproved_domain_is_used(api: Api) -> None:
    account_default(None)
    made = api.call("POST", "/v1/domains", {"name": "unproved.example", "default_sender": "a@unproved.example"})
    assert made.status_code == 201
    answer = api.call("POST", "/v1/messages", {"recipient": "a@example.net", "subject": "s", "text": "t"})
    assert (answer.status_code, answer.get_json()["errors"][0]["field"]) == (422, "from")


@pytest.mark.parametrize(
    "bad", [{"email": "x"}, {"email": "a@example.com\r\nBcc: b"}, {"name": "a\nb"}, {"reply_to": "x"}, {"default": 1}]
)
def test_s9_a_sender_that_is_none_is_taken(api: Api, bad: dict[str, Any]) -> None:
    answer = api.call("POST", "/v1/senders", {"email": "bad@example.com"} | bad)
    assert (answer.status_code, answer.get_json()["errors"][0]["field"]) == (422, next(iter(bad)))
