"""The way out of a mail: one click, the page, the wish taken back; and everybody who must not be able to use it."""

from uuid import uuid4

import pytest
from flask.testing import FlaskClient

from api import create_app
from common.config import current_settings, read_settings
from common.db.session import rows, run, transaction
from common.domain.unsubscribe_tokens import Unsubscription, write_token
from common.services.keys import server_secret
from tests.builders import a_message, an_account

pytestmark = pytest.mark.usefixtures("database")
WHO = "user0@example.net"


@pytest.fixture
def client() -> FlaskClient:
    return create_app(read_settings()).test_client()


def link(scope: str = "stream:news", sent: bool = True) -> tuple[str, Unsubscription]:
    account = an_account()
    message = a_message(account) if sent else uuid4()
    what = Unsubscription(account.id, message, WHO, scope)
    return f"/u/{write_token(server_secret(current_settings()), what)}", what


def stopped(what: Unsubscription) -> list[tuple[str, str]]:
    with transaction() as connection:
        found = rows(
            connection,
            "SELECT scope, reason FROM suppressions WHERE account_id = %s AND recipient_key = %s ORDER BY scope",
            what.account_id,
            what.recipient,
        )
    return [(row.scope, row.reason) for row in found]


def told(what: Unsubscription, kind: str) -> int:
    with transaction() as connection:
        return len(rows(connection, "SELECT 1 FROM events WHERE account_id = %s AND type = %s", what.account_id, kind))


def one_click(client: FlaskClient, url: str) -> int:
    return client.post(
        url, data="List-Unsubscribe=One-Click", content_type="application/x-www-form-urlencoded"
    ).status_code


def test_s50_one_click_leaves_no_suppression_or_no_event(client: FlaskClient) -> None:
    url, what = link()
    assert one_click(client, url) == 200
    assert stopped(what) == [("stream:news", "user_unsubscribed")]
    assert (told(what, "message.unsubscribed"), told(what, "suppression.created")) == (1, 1)


def test_a_form_in_parts_is_no_one_click(client: FlaskClient) -> None:
    url, what = link()
    assert (
        client.post(url, data={"List-Unsubscribe": "One-Click"}, content_type="multipart/form-data").status_code == 200
    )
    assert stopped(what) == [("stream:news", "user_unsubscribed")]


def test_a_click_repeated_tells_it_again(client: FlaskClient) -> None:
    url, what = link()
    assert [one_click(client, url) for _ in range(3)] == [200, 200, 200]
    assert told(what, "message.unsubscribed") == 1


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_e10_a_scanner_that_opens_links_unsubscribes(client: FlaskClient, method: str) -> None:
    url, what = link()
    assert client.open(url, method=method).status_code == 200
    assert stopped(what) == []


def test_the_page_stops_more_than_was_chosen(client: FlaskClient) -> None:
    url, what = link()
    assert client.post(url, data={"choice": "scope"}).status_code == 200
    assert stopped(what) == [("stream:news", "user_unsubscribed")]
    assert client.post(url, data={"choice": "all"}).status_code == 200
    assert stopped(what) == [("all", "user_unsubscribed"), ("stream:news", "user_unsubscribed")]


def test_a_wish_taken_back_frees_an_address_that_bounced(client: FlaskClient) -> None:
    url, what = link()
    one_click(client, url)
    with transaction() as connection:
        run(
            connection,
            "INSERT INTO suppressions (id, account_id, environment, recipient, recipient_key, reason, scope)"
            " VALUES (uuidv7(), %s, 'live', %s, %s, 'hard_bounce', 'all')",
            what.account_id, WHO, WHO,
        )  # fmt: skip
    assert client.post(url, data={"choice": "none"}).status_code == 200
    assert stopped(what) == [("all", "hard_bounce")]


def test_the_link_dies_with_the_rows_of_its_message(client: FlaskClient) -> None:
    url, what = link(sent=False)
    assert one_click(client, url) == 200
    assert stopped(what) == [("stream:news", "user_unsubscribed")]


@pytest.mark.parametrize("change", [lambda t: t[:-2], lambda t: t[:9] + "A" + t[10:], lambda _: "x", lambda _: "%00"])
def test_b8_a_forged_link_suppresses_a_victim(client: FlaskClient, change: object) -> None:
    url, what = link()
    forged = "/u/" + change(url.removeprefix("/u/"))  # type: ignore[operator]
    assert client.get(forged).status_code == 404 and client.post(forged, data={"choice": "all"}).status_code == 404
    assert stopped(what) == []


def test_a_form_without_a_choice_decides_for_the_recipient(client: FlaskClient) -> None:
    url, what = link()
    assert client.post(url, data={"choice": "everything"}).status_code == 400
    assert stopped(what) == []


@pytest.mark.parametrize(("locale", "browser", "language"), [
    ("ja-JP", "de", "ja"), (None, "fr-CH, en;q=0.5", "fr"), ("xx", "pt", "en"), (None, "", "en"),
])  # fmt: skip
def test_the_page_speaks_another_language_than_the_mail(
    client: FlaskClient, locale: str | None, browser: str, language: str
) -> None:
    url, what = link()
    with transaction() as connection:
        run(connection, "UPDATE message_contents SET locale = %s WHERE message_id = %s", locale, what.message_id)
    page = client.get(url, headers={"Accept-Language": browser}).text
    assert f'<html lang="{language}">' in page and WHO in page and "<script" not in page


def sent_about(what: Unsubscription, *topics: str | None, environment: str = "live") -> None:
    with transaction() as connection:
        run(
            connection,
            "INSERT INTO messages (id, account_id, environment, status, tier, created_at, updated_at, next_attempt_at,"
            " recipient, recipient_key, recipient_domain, policy_version, topic)"
            " SELECT uuidv7(), %s, %s, 'delivered', 1, now(), now(), now(), %s, %s, 'example.net', 1, t"
            " FROM unnest(%s::text[]) t",
            what.account_id, environment, WHO, WHO, list(topics),
        )  # fmt: skip


def test_the_page_offers_topics_of_others_or_none(client: FlaskClient) -> None:
    url, what = link()
    assert 'name="topic"' not in client.get(url).text
    sent_about(what, "weekly", "weekly", "product-updates", None)
    sent_about(what, "trial", environment="test")
    _, other = link()
    sent_about(other, "secret")
    page = client.get(url).text
    assert [name for name in ("weekly", "product-updates", "trial", "secret") if f'value="{name}"' in page] == [
        "weekly", "product-updates"]  # fmt: skip
    assert page.count(" checked>") == 3 and "product updates" in page, "both topics, and the choice of the kind"


def test_a_topic_that_was_left_out_still_comes_or_a_chosen_one_stops(client: FlaskClient) -> None:
    url, what = link()
    sent_about(what, "weekly", "offers")
    page = client.post(url, data={"choice": "topics", "topic": ["weekly", "nobodys"]})
    assert page.status_code == 200 and 'value="weekly" checked' in page.text and 'value="offers">' in page.text
    assert stopped(what) == [("topic:offers", "user_unsubscribed")]
    assert (told(what, "message.unsubscribed"), told(what, "suppression.created")) == (1, 1)
    client.post(url, data={"choice": "topics", "topic": ["offers"]})
    assert stopped(what) == [("topic:weekly", "user_unsubscribed")]
    assert told(what, "suppression.deleted") == 1
    client.post(url, data={"choice": "topics"})
    assert [scope for scope, _ in stopped(what)] == ["topic:offers", "topic:weekly"]


def test_a_topic_that_the_account_stopped_is_freed_by_its_reader(client: FlaskClient) -> None:
    url, what = link()
    sent_about(what, "weekly")
    with transaction() as connection:
        run(
            connection,
            "INSERT INTO suppressions (id, account_id, environment, recipient, recipient_key, reason, scope)"
            " VALUES (uuidv7(), %s, 'live', %s, %s, 'manual', 'topic:weekly')",
            what.account_id, WHO, WHO,
        )  # fmt: skip
    client.post(url, data={"choice": "topics", "topic": ["weekly"]})
    assert stopped(what) == [("topic:weekly", "manual")]


def test_who_stopped_everything_is_offered_single_topics(client: FlaskClient) -> None:
    url, what = link()
    sent_about(what, "weekly")
    client.post(url, data={"choice": "all"})
    assert 'name="topic"' not in client.get(url).text
