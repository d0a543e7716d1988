"""Events without a message, feedback that suppresses, and one fan-out with filters for all of them."""

from typing import Any
from uuid import UUID, uuid4

import orjson
import pytest

from common.db.session import rows, transaction
from common.domain.addresses import parse_address
from common.domain.ids import encode, new_id
from common.services import delivery, events, feedback, lifecycle, routing, suppressions
from common.services.events import NewEvent
from common.services.lifecycle import Change
from tests.builders import Account, a_message, an_account

pytestmark = pytest.mark.usefixtures("database")


def a_webhook(account: Account, **columns: Any) -> UUID:
    webhook_id = new_id()
    given = {"id": webhook_id, "account_id": account.id, "url": "https://example.com/hook"} | columns
    with transaction() as connection:
        connection.exec_driver_sql(
            f"INSERT INTO webhooks ({', '.join(given)}) VALUES ({', '.join(['%s'] * len(given))})",
            tuple(given.values()),
        )
    return webhook_id


def told(webhook_id: UUID) -> list[dict[str, Any]]:
    with transaction() as connection:
        found = rows(connection, "SELECT * FROM webhook_deliveries WHERE webhook_id = %s ORDER BY id", webhook_id)
    return [orjson.loads(row.payload) for row in found]


def types(webhook_id: UUID) -> list[str]:
    return [each["type"] for each in told(webhook_id)]


def deliver(message_id: UUID) -> None:
    with transaction() as connection:
        routing.route(connection, [message_id])
        claimed = delivery.claim(connection, [message_id], uuid4(), 60)
        change = Change(message_id, "deliver", claimed[0].epoch, attempt_state="delivered")
        assert lifecycle.apply(connection, [change])


def test_an_unsubscribe_tells_without_suppressing_or_suppresses_twice() -> None:
    """S50"""
    account = an_account()
    hook = a_webhook(account)
    message_id = a_message(account)
    deliver(message_id)
    for _ in range(2):
        with transaction() as connection:
            assert feedback.unsubscribe(connection, [message_id, message_id], source="one_click") == [message_id]
    assert types(hook)[-3:] == ["message.unsubscribed", "suppression.created", "message.unsubscribed"]
    first, created = told(hook)[-3:-1]
    assert first["data"]["seq"] == 4 and first["data"]["status"] == "delivered"
    assert created["data"]["message_id"] == encode("msg", message_id) and created["environment"] == "live"
    with transaction() as connection:
        found = suppressions.get(connection, account.principal, parse_address("user0@example.net").key)
        assert found["reason"] == "user_unsubscribed" and found["id"] == created["data"]["suppression_id"]
        assert not rows(connection, "SELECT * FROM invariant_violations")


def test_a_complaint_leaves_the_address_unsuppressed_or_untold() -> None:
    account = an_account()
    hook = a_webhook(account, event_types=["suppression.*", "message.complained"])
    message_id = a_message(account)
    deliver(message_id)
    with transaction() as connection:
        assert [done.status for done in feedback.complain(connection, [message_id])] == ["complained"]
    assert sorted(types(hook)) == ["message.complained", "suppression.created"]
    with transaction() as connection:
        listed = rows(connection, "SELECT id, reason FROM suppressions")
    assert [row.reason for row in listed] == ["complaint"]
    created = next(each for each in told(hook) if each["type"] == "suppression.created")
    assert created["data"]["suppression_id"] == encode("sup", listed[0].id)


def test_a_rolled_back_change_is_told() -> None:
    account = an_account()
    hook = a_webhook(account)
    with pytest.raises(ZeroDivisionError), transaction() as connection:
        events.record(connection, [NewEvent(account.id, "domain.verified", {"domain": "example.com"})])
        raise ZeroDivisionError
    assert told(hook) == []


@pytest.mark.parametrize(
    ("columns", "heard"),
    [
        ({}, True),
        ({"event_types": ["message.queued"]}, True),
        ({"event_types": ["message.*"]}, True),
        ({"event_types": ["message.delivered", "domain.*"]}, False),
        ({"tags": ["login", "other"]}, True),
        ({"tags": ["receipt"]}, False),
        ({"domains": ["example.com"]}, True),
        ({"domains": ["example.org"]}, False),
        ({"environment": "test"}, False),
        ({"state": "disabled"}, True),
    ],
    ids=str,
)
def test_a_filter_lets_through_what_it_should_not(columns: dict[str, Any], heard: bool) -> None:
    account = an_account()
    hook, foreign = a_webhook(account, **columns), a_webhook(an_account())
    a_message(account, tags=["login"])
    assert types(hook) == (["message.queued"] if heard else [])
    assert types(foreign) == []
    with transaction() as connection:
        states = [row.state for row in rows(connection, "SELECT state FROM webhook_deliveries")]
    assert states == ([("held" if columns.get("state") == "disabled" else "waiting")] if heard else [])


def test_an_event_for_one_webhook_reaches_another() -> None:
    account = an_account()
    hook, other = a_webhook(account, event_types=["message.queued"]), a_webhook(account)
    with transaction() as connection:
        left = events.record(connection, [NewEvent(account.id, "webhook.test", {}, target=hook)])
    assert len(left) == 1 and types(hook) == ["webhook.test"] and types(other) == []


def test_a_body_outgrows_what_receivers_take() -> None:
    account = an_account()
    hook = a_webhook(account)
    a_message(account, metadata={f"k{n}": "v" * 500 for n in range(50)})
    with transaction() as connection:
        row = rows(connection, "SELECT payload FROM webhook_deliveries WHERE webhook_id = %s", hook)[0]
    assert len(row.payload.encode()) <= events.MOST_BYTES
    assert orjson.loads(row.payload)["data"]["omitted"] == ["metadata"]
