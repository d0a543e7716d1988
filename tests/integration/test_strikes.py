"""Addresses that keep bouncing: suppressed too early, too long, for ever, for the sender's fault, or never."""

import uuid
from datetime import timedelta

import pytest

from common import clock
from common.config import current_settings
from common.db.session import rows, transaction
from common.domain.categories import CATEGORIES
from common.domain.category_effects import effects
from common.domain.outcomes import Outcome
from common.services import delivery, routing
from tests.builders import Account, a_message, an_account, make_due

pytestmark = pytest.mark.usefixtures("database")


def refused(category: str, kind: str = "bounced") -> Outcome:
    return Outcome(kind, "rcpt", 550, "5.2.2", "5.2.2 no", category)  # type: ignore[arg-type]


def end(account: Account, outcome: Outcome, days_ago: float = 0) -> uuid.UUID:
    """One message to the same address that ends like this, so long ago."""
    message_id = a_message(account)
    with transaction() as connection:
        routing.route(connection, [message_id])
        if outcome.kind == "deferred":
            connection.exec_driver_sql("UPDATE messages SET attempt_no = 5 WHERE id = %s", (message_id,))
        make_due(connection, message_id)
        claimed = delivery.claim(connection, [message_id], uuid.uuid4(), 30)
        delivery.record(connection, current_settings(), [(each, outcome) for each in claimed], clock.now())
        connection.exec_driver_sql(
            "UPDATE messages SET ended_at = ended_at - make_interval(secs => %s),"
            " delivered_at = delivered_at - make_interval(secs => %s) WHERE id = %s",
            (days_ago * 86_400, days_ago * 86_400, message_id),
        )
    return message_id


def listed(account: Account) -> list[tuple[str, int | None]]:
    """The reasons, and the days that are left."""
    with transaction() as connection:
        found = rows(connection, "SELECT reason, expires_at FROM suppressions WHERE account_id = %s", account.id)
    soon = clock.now() + timedelta(hours=1)
    return [(each.reason, each.expires_at and (each.expires_at + (soon - clock.now()) - clock.now()).days)
            for each in found]  # fmt: skip


@pytest.mark.parametrize("kind", ["bounced", "deferred"])
def test_a_full_mailbox_is_suppressed_for_ever_or_never(kind: str) -> None:
    account, full = an_account(), refused("mailbox_full", kind)
    for days in (9, 6, 4, 2):
        end(account, full, days)
    assert listed(account) == []
    last = end(account, full)
    assert listed(account) == [("repeated_bounce", 30)]
    with transaction() as connection:
        row = rows(connection, "SELECT * FROM suppressions")[0]
        told = rows(connection, "SELECT data FROM events WHERE type = 'suppression.created'")
    assert row.source_message_id == last and row.note == "mailbox_full: 5 bounces and no delivery between them"
    assert [each.data["reason"] for each in told] == ["repeated_bounce"] and told[0].data["expires_at"]
    assert end(account, full) and status_of_newest() == "suppressed"


def status_of_newest() -> str:
    with transaction() as connection:
        return str(rows(connection, "SELECT status FROM messages ORDER BY queue_position DESC LIMIT 1")[0].status)


def test_five_bounces_of_one_day_or_with_a_delivery_between_suppress() -> None:
    account, full = an_account(), refused("mailbox_full")
    for _ in range(6):
        end(account, full)
    assert listed(account) == []
    other = an_account()
    for days in (20, 12, 11, 10):
        end(other, full, days)
    end(other, Outcome("delivered", "dot", 250, "2.0.0", "ok", "delivered"), 9)
    end(other, full)
    assert listed(other) == []


@pytest.mark.parametrize("category", sorted(name for name, what in CATEGORIES.items() if not what.strikes))
def test_what_is_not_the_recipient_s_fault_strikes_the_recipient(category: str) -> None:
    if CATEGORIES[category].suppress or category in ("delivered", "auto_reply"):
        return
    account = an_account()
    for days in (40, 20, 10, 8, 3, 0):
        end(account, refused(category), days)
    assert listed(account) == []


def test_a_category_suppresses_at_another_strike_or_for_other_days_than_said() -> None:
    for category, days, left in (("bad_domain", (2, 0), 90), ("recipient_filtered", (1, 0.5, 0), 90)):
        account = an_account()
        for each in days:
            assert listed(account) == []
            end(account, refused(category), each)
        assert listed(account) == [("repeated_bounce", left)]
        assert f"for {left} days after {len(days)} messages" in effects("bounced", category).address


def test_a_mailbox_that_is_switched_off_stays_suppressed_for_ever() -> None:
    account = an_account()
    end(account, refused("mailbox_disabled"))
    assert listed(account) == [("hard_bounce", 90)]
    with transaction() as connection:
        connection.exec_driver_sql("UPDATE suppressions SET expires_at = now() - interval '1 s'")
    end(account, refused("invalid_recipient"))
    assert listed(account) == [("hard_bounce", None)]
