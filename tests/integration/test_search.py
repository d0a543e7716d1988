"""Mail that search or a filter does not find, finds twice, or finds in another account."""

from typing import Any
from uuid import UUID

import pytest

from common.db.session import rows, run, transaction
from common.domain.ids import decode
from common.services import indexing, listing
from common.services.listing import Filters
from tests.builders import Account, an_account, some_messages

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture(autouse=True)
def few_are_near(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "NEAR", (1, 3))


def index() -> None:
    with transaction() as connection:
        while indexing.index(connection, most=7).more:
            pass


def found(account: Account, filters: Filters, limit: int = 4) -> list[UUID]:
    """Every page, forward, and the same again backward."""
    forward: list[UUID] = []
    backward: list[UUID] = []
    turn = None
    with transaction() as connection:
        while True:
            page = listing.find(connection, account.principal, filters, limit=limit, turn=turn)
            forward += [_id(each) for each in page.data]
            if page.older is None:
                break
            turn = page.older
        while page is not None:
            backward = [_id(each) for each in page.data] + backward
            if page.newer is None:
                break
            page = listing.find(connection, account.principal, filters, limit=limit, turn=page.newer)
    assert backward == forward
    return forward


def _id(message: dict[str, Any]) -> UUID:
    message_id = decode("msg", message["message_id"])
    assert message_id is not None
    return message_id


FILTERS = {
    "part of an address": Filters(words="SER1@exam"),
    "part of a subject": Filters(words="voice 10"),
    "a subject in Japanese": Filters(words="のお知らせ"),
    "a tag": Filters(words="receipt"),
    "a percent sign": Filters(words="100%"),
    "the tag filter": Filters(tag="receipt"),
    "the template filter": Filters(template="none-such"),
    "metadata": Filters(metadata={"order": "1017"}),
    "metadata and words": Filters(metadata={"order": "1017"}, words="invoice"),
    "two tags' worth of nothing": Filters(tag="receipt", words="のお知らせ"),
}


@pytest.mark.parametrize("name", FILTERS)
def test_what_is_entered_is_found_as_what_is_not_yet(name: str) -> None:
    account, other = an_account(), an_account()
    with transaction() as connection:
        for _ in range(2):
            for each in (account, other):
                some_messages(connection, each, 3, subject="Invoice 1017", metadata={"order": 1017}, tags=["receipt"])
                some_messages(connection, each, 2, subject="「春のお知らせ」100%", tags=["receipts", "news"])
            some_messages(connection, account, 5, subject="Nothing of it")
    before = found(account, FILTERS[name])
    index()
    assert found(account, FILTERS[name]) == before
    with transaction() as connection:
        some_messages(connection, account, 3, subject="Invoice 1017", metadata={"order": 1017}, tags=["receipt"])
    half = found(account, FILTERS[name])
    index()
    assert found(account, FILTERS[name]) == half
    if "nothing" not in name and "template" not in name:
        assert before, "the filter finds nothing, so this proves nothing"


def test_the_words_of_a_server_are_found_however_old_the_message() -> None:
    account = an_account()
    with transaction() as connection:
        (old,) = some_messages(connection, account, 1)
        some_messages(connection, account, 9)
        run(
            connection,
            "INSERT INTO events (id, message_id, account_id, environment, seq, type, timestamp, data)"
            " VALUES (uuidv7(), %s, %s, 'live', 2, 'message.delivered', now(), "
            """'{"smtp": {"reply": "ok: queued as 4FZX9"}}')""",
            old, account.id,
        )  # fmt: skip
    index()
    assert found(account, Filters(words="queued as 4fz")) == [old]


def test_a_sensitive_subject_is_not_entered() -> None:
    account = an_account()
    with transaction() as connection:
        (secret,) = some_messages(connection, account, 1, subject="847291 is your code", sensitive=True)
    index()
    with transaction() as connection:
        words = [
            row.words for row in rows(connection, "SELECT words FROM search_entries WHERE message_id = %s", secret)
        ]
    assert words == ["user0@example.net"]


def test_an_event_is_entered_once_however_often_indexing_starts_again() -> None:
    account = an_account()
    with transaction() as connection:
        some_messages(connection, account, 20, tags=["once"])
    index()
    with transaction() as connection:
        run(connection, "UPDATE search_cursors SET transaction_no = -1 WHERE account_id = %s", account.id)
    index()
    assert len(found(account, Filters(tag="once"), limit=30)) == 20


def test_two_letters_are_looked_for_among_the_newest_only() -> None:
    account = an_account()
    with transaction() as connection:
        some_messages(connection, account, 1, subject="zq")
    with transaction() as connection:
        some_messages(connection, account, 5)
    assert found(account, Filters(words="zq")) == []
    with transaction() as connection:
        some_messages(connection, account, 1, subject="zq")
    assert len(found(account, Filters(words="zq"))) == 1
