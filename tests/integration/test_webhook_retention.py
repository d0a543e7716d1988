"""The log of webhooks ends: after its time, and with its webhook, without anything else waiting for it."""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import pytest

from common.db.session import engine, rows, run, transaction
from common.domain.ids import decode
from common.services import subscriptions, webhook_due, webhook_retention
from tests.builders import Account, a_message, an_account

pytestmark = pytest.mark.usefixtures("database")


def a_webhook(account: Account) -> UUID:
    with transaction() as connection:
        made = subscriptions.subscribe(connection, account.principal, {"url": "https://example.com/hook"})
    found = decode("whk", made["id"])
    assert found is not None
    return found


def a_log(webhook_id: UUID, count: int, days: int, state: str = "delivered") -> None:
    """Deliveries as if made and ended so many days ago, each with one attempt."""
    with transaction() as connection:
        run(
            connection,
            "INSERT INTO webhook_deliveries (id, webhook_id, account_id, event_id, type, payload, state,"
            " next_attempt_at, created_at, ended_at)"
            " SELECT uuidv7(make_interval(days => -%s)), %s, uuidv7(), uuidv7(), 'message.queued',"
            " '{}', %s, now(), now() - make_interval(days => %s), now() - make_interval(days => %s)"
            " FROM generate_series(1, %s)",
            days, webhook_id, state, days, days, count,
        )  # fmt: skip
        run(
            connection,
            "INSERT INTO webhook_attempts (delivery_id, epoch, started_at)"
            " SELECT id, 1, now() FROM webhook_deliveries ON CONFLICT DO NOTHING",
        )


def counted(table: str = "webhook_deliveries") -> int:
    with transaction() as connection:
        return int(rows(connection, f"SELECT count(*) AS n FROM {table}")[0].n)


def once(verb: Any, *arguments: Any) -> int:
    with transaction() as connection:
        return int(verb(connection, *arguments))


def test_a_log_is_kept_for_ever_or_forgotten_early() -> None:
    webhook_id = a_webhook(an_account())
    a_log(webhook_id, 5, days=31)
    a_log(webhook_id, 3, days=29)
    a_log(webhook_id, 2, days=31, state="held")
    assert once(webhook_retention.prune, 4) == 4, "in batches"
    assert once(webhook_retention.prune, 4) == 1
    assert (counted(), counted("webhook_attempts")) == (5, 5), "what is held is not dropped"


def test_an_old_event_that_was_replayed_lately_is_forgotten() -> None:
    a_log(a_webhook(an_account()), 1, days=40)
    with transaction() as connection:
        run(connection, "UPDATE webhook_deliveries SET ended_at = now()")
    assert once(webhook_retention.prune) == 0


def test_removing_a_webhook_waits_for_its_log_or_leaves_some_of_it() -> None:
    account = an_account()
    webhook_id, other = a_webhook(account), a_webhook(account)
    a_log(webhook_id, 20_000, days=1)
    a_log(webhook_id, 10, days=0, state="waiting")
    a_log(other, 7, days=1)
    began = time.perf_counter()
    with transaction() as connection:
        subscriptions.unsubscribe(connection, account.principal, webhook_id)
    assert time.perf_counter() - began < 0.5
    assert once(lambda connection: len(webhook_due.sweep(connection).deliveries)) == 0, "nothing more is posted"
    assert once(webhook_retention.sweep) == webhook_retention.BATCH
    while once(webhook_retention.sweep):
        pass
    assert (counted(), counted("removed_webhooks")) == (7, 1), "what commits late is still to be found"
    with transaction() as connection:
        run(connection, "UPDATE removed_webhooks SET removed_at = now() - interval '11 minutes'")
    assert once(webhook_retention.sweep) == 0 and counted("removed_webhooks") == 0


def test_accepting_waits_for_a_webhook_that_is_removed() -> None:
    account = an_account()
    webhook_id = a_webhook(account)
    removing = engine().connect()
    try:
        subscriptions.unsubscribe(removing, account.principal, webhook_id)
        with ThreadPoolExecutor(1) as pool:
            accepted = pool.submit(a_message, account)  # its event is told to the webhook that is being removed
            try:
                accepted.result(timeout=5)
            finally:
                removing.commit()
    finally:
        removing.close()
    while once(webhook_retention.sweep):
        pass
    assert counted() == 0
