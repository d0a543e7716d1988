"""The dashboard's pages over a real database: each is there, full and empty, and does what the API does."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import event

from common.db import session
from tests.callers import Api
from tests.pipeline import work_off

OURS = {"Sec-Fetch-Site": "same-origin"}
PASSWORD = "correct horse battery"
LISTS = ("", "/analytics", "/messages", "/inbox", "/queues", "/dead-letters", "/templates", "/suppressions", "/domains",
         "/webhooks", "/keys", "/people", "/me", "/audit", "/settings", "/workers")  # fmt: skip


def person(api: Api, email: str, role: str = "owner") -> FlaskClient:
    """A browser in which somebody with this role is signed in."""
    made = api.call("POST", "/v1/users", {"email": email, "role": role}).get_json()
    client = api.client.application.test_client()
    client.post("/" + made["invitation_url"].split("/", 3)[3], data={"password": PASSWORD}, headers=OURS)
    return client


@pytest.fixture(scope="module")
def owner(api: Api) -> FlaskClient:
    return person(api, "owner@people.example")


@pytest.fixture(scope="module")
def support(api: Api) -> FlaskClient:
    return person(api, "support@people.example", "support")


def done(client: FlaskClient, deed: str, **form: Any) -> Any:
    return client.post(f"/dashboard/do/{deed}", data=form, headers=OURS)


@pytest.mark.parametrize("path", LISTS)
def test_a_page_fails_when_there_is_nothing(owner: FlaskClient, path: str) -> None:
    answer = owner.get(f"/dashboard{path}")
    assert answer.status_code == 200
    assert "<h1" in answer.text and "unsafe" not in answer.headers["Content-Security-Policy"]


def test_a_message_does_not_say_what_became_of_it(api: Api, owner: FlaskClient) -> None:
    sent = api.send(recipient="lost@example.net", subject="Where <am> I?", tags=["lost"])["message_id"]
    path = f"/dashboard/messages/{sent}"
    waiting = owner.get(path).text
    assert "Waits for: routing" in waiting and "Cancel" in waiting
    work_off()
    page = owner.get(path).text
    assert "At its end:" in page and "The server took it." in page and "Attempt 1: the conversation" in page
    assert "RCPT TO" in page, "line by line"
    assert "Where &lt;am&gt; I?" in page and "Where <am>" not in page
    assert f"curl -X POST $SENDARIX_URL/v1/messages/{sent}/resend" in page or "Send again" in page
    assert sent in owner.get("/dashboard/messages?q=lost@example.net").text
    assert sent not in owner.get("/dashboard/messages?status=bounced").text
    listed = owner.get("/dashboard/inbox?recipient=lost@example.net").text
    mail = re.search(r"/dashboard/inbox/mbx_\w+", listed)
    assert mail is not None
    for view in ("html", "text", "headers", "source"):
        assert owner.get(f"{mail[0]}?view={view}").status_code == 200
    frame = owner.get(f"{path}/html")
    assert (
        "sandbox" in frame.headers["Content-Security-Policy"]
        and "script" not in frame.headers["Content-Security-Policy"]
    )


@pytest.mark.parametrize(("deed", "status"), [("mail_bounced", "bounced"), ("mail_complained", "complained")])
def test_a_caught_mail_cannot_come_back(api: Api, owner: FlaskClient, deed: str, status: str) -> None:
    fields = {"html": '<p><a href="https://example.com/reset">Choose <b>another</b></a></p>', "text": "Choose."}
    fields |= {"attachments": [{"filename": "a.txt", "content_type": "text/plain", "content": "YQ=="}]}  # type: ignore[dict-item]
    sent = api.send(recipient=f"{status}-mark@example.net", subject="Mark", **fields)["message_id"]
    work_off()
    mail = api.call("GET", f"/v1/mailbox/messages?recipient={status}-mark@example.net").get_json()["data"][0]["id"]
    whole = api.call("GET", f"/v1/mailbox/messages/{mail}").get_json()
    assert whole["message_id"] == sent
    assert whole["links"] == [{"url": "https://example.com/reset", "text": "Choose another"}]
    assert whole["attachments"] == [{"filename": "a.txt", "content_type": "text/plain", "size": 1}]
    assert {each["name"]: each["state"] for each in whole["checks"]}["Text part"] == "ok"
    page = owner.get(f"/dashboard/inbox/{mail}").text
    assert "https://example.com/reset" in page and "a.txt" in page
    assert api.call("POST", f"/v1/mailbox/messages/{mail}/bounce", key=api.test).status_code == 404, "of live mail"
    done(owner, deed, mail_id=mail, next=f"/dashboard/inbox/{mail}")
    assert api.read(sent)["status"] == status
    again = api.call("POST", f"/v1/mailbox/messages/{mail}/complain")
    assert (again.status_code, again.get_json()["message_status"]) == (409, status)
    told = api.read(sent, "/webhook-deliveries")
    assert [each["message_id"] for each in told["data"]] == [sent] * len(told["data"])


def test_a_button_does_something_else_than_the_api(api: Api, owner: FlaskClient) -> None:
    sent = api.send(recipient="button@example.net")["message_id"]
    answer = done(owner, "cancel", message_id=sent, next=f"/dashboard/messages/{sent}")
    assert answer.location == f"/dashboard/messages/{sent}"
    assert api.read(sent)["status"] == "cancelled"
    page = owner.get(answer.location).text
    assert "Cancelled." in page and "Cancelled." not in owner.get(answer.location).text, "said once"
    again = done(owner, "resend", message_id=sent, once="one-click")
    twice = done(owner, "resend", message_id=sent, once="one-click")
    assert again.location == twice.location != f"/dashboard/messages/{sent}", "a double click sends once"
    late = done(owner, "cancel", message_id=sent.replace(sent[-4:], "zzzz"), next="/dashboard/messages")
    assert "No such message." in owner.get(late.location).text


def test_support_changes_something(api: Api, support: FlaskClient) -> None:
    sent = api.send(recipient="support@example.net")["message_id"]
    page = support.get(f"/dashboard/messages/{sent}").text
    assert "support@example.net" in page and "/dashboard/do/" not in page
    done(support, "cancel", message_id=sent)
    assert api.read(sent)["status"] == "queued"
    assert "lacks the scope messages:cancel" in support.get("/dashboard").text
    for deed, form in (
        ("invite", {"email": "x@example.com", "role": "owner"}),
        ("add_key", {"name": "x", "scopes": "messages:read"}),
        ("suppress", {"recipient": "x@example.com"}),
    ):
        assert done(support, deed, **form).status_code == 303
        assert "lacks the scope" in support.get("/dashboard").text


def test_a_secret_is_shown_twice_or_never(api: Api, owner: FlaskClient) -> None:
    answer = done(
        owner, "add_key", name="from a page", scopes=["messages:read", "messages:send"], next="/dashboard/keys"
    )
    secret = re.search(r"sk_live_sdx_\w{54}", answer.text)
    assert answer.status_code == 200 and secret is not None
    assert api.call("GET", "/v1/messages", key=secret[0]).status_code == 200
    listed = owner.get("/dashboard/keys").text
    assert "from a page" in listed and secret[0] not in listed


def test_a_queue_cannot_be_stopped_or_domain_added(api: Api, owner: FlaskClient) -> None:
    done(owner, "pause_queue", queue="delivery.bulk", reason="bad offer", next="/dashboard/queues")
    page = owner.get("/dashboard/queues").text
    assert "The queue stands still." in page and "bad offer" in page
    done(owner, "resume_queue", queue="delivery.bulk", next="/dashboard/queues")
    assert "bad offer" not in owner.get("/dashboard/queues").text
    added = done(owner, "add_domain", name="pages.example")
    assert re.fullmatch(r"/dashboard/domains/dom_\w+", added.location)
    page = owner.get(added.location).text
    assert "Expected" in page and "DKIM" in page
    hook = done(owner, "add_webhook", url="https://example.com/hooks", event_types="message.delivered, message.bounced")
    assert "whsec_" in hook.text
    (found,) = re.findall(r"/dashboard/webhooks/whk_\w+", owner.get("/dashboard/webhooks").text)
    assert "message.delivered, message.bounced" in owner.get(found).text
    assert owner.get("/dashboard/templates/otp-code").status_code == 200
    assert owner.get("/dashboard/templates/otp-code/html").text.startswith("<!")


WRONG = ("/messages/msg_x", "/messages/" + "x" * 999, "/inbox/mbx_x", "/domains/x", "/webhooks/x", "/templates/none",
         "/messages?cursor=x", "/messages?status=x", "/messages?q=%00", "/messages?created_after=x", "/keys?cursor=%ff",
         "/suppressions?q=" + "x" * 999)  # fmt: skip


@pytest.mark.parametrize("path", WRONG)
def test_a_wrong_address_is_a_defect_of_ours(owner: FlaskClient, path: str) -> None:
    answer = owner.get(f"/dashboard{path}")
    assert answer.status_code in (200, 400, 404, 422) and answer.mimetype == "text/html"


def test_a_page_is_spoken_in_the_wrong_language(owner: FlaskClient) -> None:
    assert 'lang="ja"' in owner.get("/dashboard", headers={"Accept-Language": "ja,en;q=0.5"}).text
    assert 'lang="en"' in owner.get("/dashboard", headers={"Accept-Language": "fr"}).text
    owner.post("/dashboard/preferences", data={"language": "ja", "theme": "dark"}, headers=OURS)
    page = owner.get("/dashboard").text
    assert 'lang="ja"' in page and 'data-theme="dark"' in page
    owner.post("/dashboard/preferences", data={"language": "en", "theme": "auto"}, headers=OURS)


def test_test_mail_is_among_live_mail(api: Api, owner: FlaskClient) -> None:
    sent = api.send(key=api.test, recipient="testing@example.net")["message_id"]
    assert sent not in owner.get("/dashboard/messages").text
    owner.post("/dashboard/preferences", data={"environment": "test"}, headers=OURS)
    assert sent in owner.get("/dashboard/messages").text
    owner.post("/dashboard/preferences", data={"environment": "live"}, headers=OURS)


@pytest.fixture
def statements() -> Iterator[list[str]]:
    """What is asked of the database."""
    heard: list[str] = []

    def hear(_: Any, __: Any, statement: str, *___: Any) -> None:
        heard.append(statement)

    event.listen(session.engine(), "before_cursor_execute", hear)
    yield heard
    event.remove(session.engine(), "before_cursor_execute", hear)


MOST_QUERIES = {"": 12, "/messages": 8, "/queues": 14}


@pytest.mark.parametrize("path", LISTS)
def test_a_page_asks_more_the_more_there_is(api: Api, owner: FlaskClient, statements: list[str], path: str) -> None:
    owner.get(f"/dashboard{path}")
    statements.clear()
    owner.get(f"/dashboard{path}")
    before = len(statements)
    for number in range(5):
        api.send(recipient=f"many{number}{len(path)}@example.net")
        api.call("POST", "/v1/suppressions", {"recipient": f"many{number}{len(path)}@example.org"})
        api.call("POST", "/v1/webhooks", {"url": f"https://example.com/{number}/{len(path)}"})
        api.call("POST", "/v1/api-keys", {"scopes": ["messages:read"]})
    work_off()
    owner.get(f"/dashboard{path}")
    statements.clear()
    owner.get(f"/dashboard{path}")
    assert len(statements) == before <= MOST_QUERIES.get(path, 8), statements
