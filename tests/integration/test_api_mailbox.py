"""The mailbox over HTTP: hostile mail stays mail, and only the quickstart's keys read it."""

from typing import Any

import pytest
from flask.testing import FlaskClient

from api import create_app
from common import clock
from common.config import current_settings, read_settings
from common.db import session
from common.domain.ids import encode, new_id
from common.services import keys, mailbox, quickstart
from tests.builders import an_account

SOURCE = (
    b"From: hello@example.com\r\nTo: user@example.com\r\nSubject: <script>alert(1)</script>\r\n"
    b"Content-Type: text/html; charset=utf-8\r\n\r\n<script>alert(2)</script><p>Hi</p>\r\n"
)


@pytest.fixture
def tokens(database: None) -> dict[str, str]:
    keys.forget()
    with session.transaction() as connection:
        return quickstart.prepare(connection, current_settings())


@pytest.fixture
def client(tokens: dict[str, str]) -> FlaskClient:
    client = create_app(read_settings(mailbox_page=True)).test_client()
    client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {tokens['live_key']}"
    return client


@pytest.fixture
def mail_ids(tokens: dict[str, str]) -> list[str]:
    caught = [
        mailbox.Caught(new_id(), "hello@example.com", f"user{each % 2}@example.com", clock.now(), SOURCE)
        for each in range(3)
    ]
    with session.transaction() as connection:
        mailbox.store(connection, caught)
    return [encode("mbx", mail.id) for mail in caught]


def test_mail_is_listed_newest_first_and_paged(client: FlaskClient, mail_ids: list[str]) -> None:
    first = client.get("/v1/mailbox/messages?limit=2").json
    rest = client.get(f"/v1/mailbox/messages?limit=2&cursor={first['next_cursor']}").json
    assert [each["id"] for each in first["data"] + rest["data"]] == mail_ids[::-1]
    assert rest["has_more"] is False
    assert len(client.get("/v1/mailbox/messages?recipient=User1@example.com").json["data"]) == 1


def test_one_mail_has_its_parts(client: FlaskClient, mail_ids: list[str]) -> None:
    found = client.get(f"/v1/mailbox/messages/{mail_ids[0]}").json
    assert {"text", "html", "headers", "source", "id", "from", "recipient", "subject", "received_at", "size"} <= set(
        found
    )
    assert client.get("/v1/mailbox/messages/mbx_01h455vb4pex5vsknk084sn02q").status_code == 404


def test_another_account_sees_no_mailbox(client: FlaskClient) -> None:
    account = an_account()
    with session.transaction() as connection:
        made = keys.create(connection, account.id, environment="live", scopes=["messages:read"])
    stranger = {"Authorization": f"Bearer {made.token}"}
    assert client.get("/v1/mailbox/messages", headers=stranger).status_code == 404


def test_hostile_mail_never_becomes_page(client: FlaskClient, mail_ids: list[str]) -> None:
    listing: Any = client.get("/mailbox")
    assert b"<script>" not in listing.data
    for view in ("html", "text", "headers", "source", "nonsense"):
        page = client.get(f"/mailbox/{mail_ids[0]}?view={view}")
        assert page.status_code == 200
        assert b"<script>" not in page.data
        assert page.headers["Content-Security-Policy"].startswith("default-src 'none'; style-src 'self'")
    frame = client.get(f"/mailbox/{mail_ids[0]}/html")
    assert frame.headers["Content-Security-Policy"].startswith("sandbox")
    assert "allow-scripts" not in frame.headers["Content-Security-Policy"]


def test_without_the_setting_there_is_no_page(tokens: dict[str, str], mail_ids: list[str]) -> None:
    client = create_app(read_settings({}, redis_url=current_settings().redis_url)).test_client()
    assert client.get("/mailbox").status_code == 404
    assert client.get(f"/mailbox/{mail_ids[0]}/html").status_code == 404
