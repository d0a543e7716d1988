"""Delivery against a real SMTP conversation: what each failure leaves on the row and at the sink."""

import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from common import clock
from common.config import current_settings
from common.db.session import rows, transaction
from common.domain.lifecycle import ENDED
from common.services import delivery, due, routing
from tests.builders import Account, a_message, an_account, make_due, some_messages
from tests.chaos.sink import Sink, read_log
from workers.delivery import tasks as worker
from workers.delivery.leases import Leases

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture
def sink(tmp_path: Path) -> Iterator[Sink]:
    found = Sink(tmp_path / "sink.log", tempfail=0, drop=0, seed=1)
    yield found
    found.stop()


def route(ids: list[uuid.UUID]) -> None:
    with transaction() as connection:
        routing.route(connection, ids)


def deliver(ids: list[uuid.UUID]) -> None:
    worker.deliver_messages.run([str(each) for each in ids])


def status(message_id: uuid.UUID) -> str:
    with transaction() as connection:
        return str(rows(connection, "SELECT status FROM messages WHERE id = %s", message_id)[0].status)


def attempts(message_id: uuid.UUID) -> list[str]:
    with transaction() as connection:
        found = rows(connection, "SELECT state FROM attempts WHERE message_id = %s ORDER BY epoch", message_id)
        return [row.state for row in found]


def violations() -> list[object]:
    with transaction() as connection:
        return list(rows(connection, "SELECT * FROM invariant_violations"))


def test_a_batch_loses_or_repeats_a_mail(sink: Sink) -> None:
    account = an_account(sink_port=sink.port)
    with transaction() as connection:
        ids = some_messages(connection, account, 60)
    route(ids)
    deliver(ids)
    deliver(ids)
    received = [mail.recipient for mail in read_log(sink.log)]
    assert sorted(received) == sorted(f"user{number}@example.net" for number in range(60))
    assert {status(each) for each in ids} == {"delivered"}
    assert violations() == []


def test_mail_leaves_a_tier_out_of_order(sink: Sink) -> None:
    account = an_account(sink_port=sink.port)
    with transaction() as connection:
        ids = some_messages(connection, account, 40)
    route(list(reversed(ids)))
    deliver(list(reversed(ids)))
    assert [mail.recipient for mail in read_log(sink.log)] == [f"user{number}@example.net" for number in range(40)]


def test_an_answer_lost_after_the_dot_is_called_a_failure_or_a_success(tmp_path: Path) -> None:
    sink = Sink(tmp_path / "sink.log", tempfail=0, drop=100, seed=1)
    try:
        account = an_account(sink_port=sink.port)
        message_id = a_message(account)
        route([message_id])
        for _ in range(3):
            with transaction() as connection:
                make_due(connection, message_id)
            deliver([message_id])
        assert attempts(message_id) == ["unknown"] * 3
        assert status(message_id) == "failed"
        assert violations() == []
    finally:
        sink.stop()


def test_at_most_once_sends_again_after_an_unknown_outcome(tmp_path: Path) -> None:
    sink = Sink(tmp_path / "sink.log", tempfail=0, drop=100, seed=1)
    try:
        account = an_account(sink_port=sink.port, guarantee="at_most_once")
        message_id = a_message(account)
        route([message_id])
        deliver([message_id])
        assert (status(message_id), attempts(message_id)) == ("failed", ["unknown"])
        assert len(read_log(sink.log)) == 1
    finally:
        sink.stop()


def test_the_seventh_attempt_is_made(tmp_path: Path) -> None:
    sink = Sink(tmp_path / "sink.log", tempfail=100, drop=0, seed=1)
    try:
        account = an_account(sink_port=sink.port)
        message_id = a_message(account)
        route([message_id])
        for _ in range(8):
            if status(message_id) not in ENDED:
                with transaction() as connection:
                    make_due(connection, message_id)
            deliver([message_id])
        assert (status(message_id), len(attempts(message_id))) == ("bounced", 6)
        with transaction() as connection:
            assert rows(connection, "SELECT cause FROM dead_letters")[0].cause == "retries_exhausted"
            assert rows(connection, "SELECT count(*) AS n FROM suppressions")[0].n == 0
    finally:
        sink.stop()


def test_a_sink_being_restarted_costs_an_attempt() -> None:
    account = an_account(sink_port=1)
    message_id = a_message(account)
    route([message_id])
    deliver([message_id])
    assert (status(message_id), attempts(message_id)) == ("accepted", ["abandoned"])
    with transaction() as connection:
        assert rows(connection, "SELECT attempt_no FROM messages")[0].attempt_no == 0


def test_an_address_suppressed_since_routing_is_written_to(sink: Sink) -> None:
    account = an_account(sink_port=sink.port)
    message_id = a_message(account)
    route([message_id])
    suppress(account, "user0@example.net")
    deliver([message_id])
    assert (status(message_id), read_log(sink.log)) == ("suppressed", [])


def suppress(account: Account, address: str) -> None:
    with transaction() as connection:
        connection.exec_driver_sql(
            "INSERT INTO suppressions (id, account_id, recipient, recipient_key, reason) "
            "VALUES (uuidv7(), %s, %s, %s, 'manual')",
            (account.id, address, address),
        )


def test_a_frozen_worker_sends_what_another_has_taken_over(sink: Sink) -> None:
    account = an_account(sink_port=sink.port)
    message_id = a_message(account)
    route([message_id])
    with transaction() as connection:
        frozen = delivery.claim(connection, [message_id], uuid.uuid4(), 15)
        connection.exec_driver_sql("UPDATE messages SET lease_until = now() - interval '1 s'")
    with transaction() as connection:
        due.rescue(connection, current_settings())
    with transaction() as connection:
        make_due(connection, message_id)
    deliver([message_id])
    with transaction() as connection:
        assert not delivery.fence(connection, frozen, 15)
    assert len(read_log(sink.log)) == 1
    assert attempts(message_id) == ["abandoned", "delivered"]


def test_38_a_worker_dies_between_the_dot_and_the_record_and_nobody_knows(sink: Sink) -> None:
    account = an_account(sink_port=sink.port)
    message_id = a_message(account)
    route([message_id])
    with transaction() as connection:
        claimed = delivery.claim(connection, [message_id], uuid.uuid4(), 15)
    assert attempts(message_id) == ["started"]  # written before MAIL
    with transaction() as connection:
        assert delivery.fence(connection, claimed, 15).keys() == {message_id}
    with transaction() as connection:  # the mail is out, the worker is gone
        connection.exec_driver_sql("UPDATE messages SET lease_until = now() - interval '1 s'")
        due.rescue(connection, current_settings())
    assert (attempts(message_id), status(message_id)) == (["unknown"], "deferred")
    assert violations() == []


def test_a_fence_ends_before_its_lease_or_writes_indexes_for_nothing() -> None:
    message_id = a_message(an_account())
    route([message_id])
    with transaction() as connection:
        claimed = delivery.claim(connection, [message_id], uuid.uuid4(), 15)
    until = "SELECT lease_until AS at FROM messages WHERE id = %s"
    with transaction() as connection:
        first = rows(connection, until, message_id)[0].at
        left = delivery.fence(connection, claimed, 15)[message_id]
        assert rows(connection, until, message_id)[0].at == first
        assert 9 < left <= 15
    with transaction() as connection:
        connection.exec_driver_sql("UPDATE messages SET lease_until = clock_timestamp() + interval '5 s'")
        left = delivery.fence(connection, claimed, 15)[message_id]
        assert 14 < left <= 15
    leases = Leases(current_settings())
    leases.hold_for({message_id: left}, clock.monotonic() - left)
    assert not leases.may_finish(message_id)
    leases.drop([message_id])


def test_a_claim_that_the_database_has_forgotten_is_sent_by_two() -> None:
    """A claim is not waited for on the disk. After a crash of the database another worker has the same epoch."""
    message_id = a_message(an_account())
    route([message_id])
    with pytest.raises(ZeroDivisionError), transaction() as connection:
        lost = delivery.claim(connection, [message_id], uuid.uuid4(), 15)
        raise ZeroDivisionError  # the commit is gone
    with transaction() as connection:
        kept = delivery.claim(connection, [message_id], uuid.uuid4(), 15)
    assert lost[0].epoch == kept[0].epoch
    with transaction() as connection:
        assert not delivery.fence(connection, lost, 15)
        assert delivery.fence(connection, kept, 15).keys() == {message_id}


def test_what_is_told_with_a_claim_is_not_on_the_disk() -> None:
    account = an_account()
    message_id = a_message(account)
    route([message_id])
    asked = "SELECT current_setting('synchronous_commit') AS mode"
    suppress(account, "user0@example.net")
    with transaction() as connection:
        assert delivery.claim(connection, [message_id], uuid.uuid4(), 15) == []
        assert rows(connection, asked)[0].mode == "on"
    other = a_message(an_account())
    route([other])
    with transaction() as connection:
        assert delivery.claim(connection, [other], uuid.uuid4(), 15)
        assert rows(connection, asked)[0].mode == "off"
    with transaction() as connection:
        assert rows(connection, asked)[0].mode == "on"


def test_the_final_dot_is_written_after_the_lease() -> None:
    settings = current_settings()
    leases = Leases(settings)
    message_id = uuid.uuid4()
    leases.hold([message_id], clock.monotonic())
    assert leases.may_finish(message_id)
    leases.hold([message_id], clock.monotonic() - settings.lease_seconds)
    assert not leases.may_finish(message_id)
    assert not leases.may_finish(uuid.uuid4())
    leases.drop([message_id])


def test_a_message_with_an_unknown_outcome_is_risked_again_beside_others(
    sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = an_account(sink_port=sink.port)
    with transaction() as connection:
        ids = some_messages(connection, account, 5)
    route(ids)
    with transaction() as connection:
        connection.exec_driver_sql("UPDATE messages SET unknown_count = 1 WHERE id = %s", (ids[2],))
    windows: list[int] = []
    fence = delivery.fence

    def counted(connection: Connection, leases: Sequence[delivery.Claimed], seconds: float) -> dict[uuid.UUID, float]:
        windows.append(len(leases))
        return fence(connection, leases, seconds)

    monkeypatch.setattr(delivery, "fence", counted)
    deliver(ids)
    assert windows == [2, 1, 2]
    assert {status(each) for each in ids} == {"delivered"}


def test_an_outcome_is_lost_when_the_database_restarts_behind_the_dot(
    sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = an_account(sink_port=sink.port)
    message_id = a_message(account)
    route([message_id])
    record = delivery.record
    outages = iter([True, True])

    def away(*arguments: Any, **named: Any) -> Any:
        if next(outages, False):
            raise OperationalError("UPDATE", {}, Exception("the database system is starting up"))
        return record(*arguments, **named)

    monkeypatch.setattr(delivery, "record", away)
    deliver([message_id])
    assert (status(message_id), attempts(message_id)) == ("delivered", ["delivered"])
