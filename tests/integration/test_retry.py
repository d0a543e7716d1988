"""What follows a failed attempt: when it is tried again, over which source, and how it ends."""

import uuid
from dataclasses import replace
from datetime import datetime

import pytest

from common import clock
from common.config import current_settings
from common.db.session import rows, transaction
from common.domain.outcomes import Outcome
from common.services import delivery, messages, routing
from tests.builders import Account, a_message, an_account, make_due

pytestmark = pytest.mark.usefixtures("database")

DEFERRED = Outcome("deferred", "rcpt", 451, "4.3.0", "4.3.0 not now", "remote_error")
GREYLISTED = Outcome("deferred", "rcpt", 451, "4.7.1", "4.7.1 Greylisted, try again in 10 minutes", "greylisted")
BLOCKED = Outcome("bounced", "rcpt", 550, "5.7.1", "5.7.1 your IP is on our block list", "reputation", mx="mx.example")


def route(message_id: uuid.UUID) -> None:
    with transaction() as connection:
        routing.route(connection, [message_id])


def attempt(message_id: uuid.UUID, outcome: Outcome) -> None:
    """One attempt, now, with this outcome."""
    with transaction() as connection:
        make_due(connection, message_id)
    with transaction() as connection:
        claimed = delivery.claim(connection, [message_id], uuid.uuid4(), 15)
        delivery.record(connection, current_settings(), [(each, outcome) for each in claimed], clock.now())


def seen(account: Account, message_id: uuid.UUID) -> dict[str, object]:
    with transaction() as connection:
        return messages.get(connection, account.principal, message_id)


def wait_of(account: Account, message_id: uuid.UUID) -> float:
    moment = datetime.fromisoformat(str(seen(account, message_id)["next_attempt_at"]))
    return (moment - clock.now()).total_seconds()


def a_source(owner: uuid.UUID | None, name: str, kind: str = "direct", ip: str = "192.0.2.1") -> uuid.UUID:
    source_id = uuid.uuid4()
    with transaction() as connection:
        connection.exec_driver_sql(
            "INSERT INTO sources (id, account_id, name, kind, bind_ipv4) VALUES (%s, %s, %s, %s, %s)",
            (source_id, owner, name, kind, ip),
        )
    return source_id


def sends_over(account: Account, source_id: uuid.UUID) -> None:
    with transaction() as connection:
        connection.exec_driver_sql("UPDATE accounts SET default_source_id = %s WHERE id = %s", (source_id, account.id))


def test_a_wait_that_the_server_asked_for_is_ignored_or_kept_secret() -> None:
    account = an_account()
    message_id = a_message(account)
    route(message_id)
    attempt(message_id, GREYLISTED)
    assert 590.0 < wait_of(account, message_id) <= 661.0
    waiting = seen(account, message_id)["waiting"]
    assert isinstance(waiting, dict)
    assert (waiting["for"], waiting["until"]) == ("retry", seen(account, message_id)["next_attempt_at"])
    for words in ("refused on purpose", "Attempt 2 of 6", "asked to wait 600 s", "451 4.7.1 Greylisted"):
        assert words in waiting["detail"]


def test_a_greylisted_message_comes_back_from_elsewhere() -> None:
    account = an_account()
    first = a_source(account.id, "first")
    a_source(account.id, "second", ip="192.0.2.2")
    sends_over(account, first)
    message_id = a_message(account)
    route(message_id)
    for _ in range(3):
        attempt(message_id, GREYLISTED)
    with transaction() as connection:
        found = rows(connection, "SELECT DISTINCT source_id FROM attempts WHERE message_id = %s", message_id)
        assert [row.source_id for row in found] == [first]
    assert seen(account, message_id)["path"] == "first/example.net"


def test_a_block_is_final_although_another_source_is_free_or_goes_round_in_circles() -> None:
    account = an_account()
    first, second = a_source(account.id, "first"), a_source(account.id, "second", ip="192.0.2.2")
    a_source(account.id, "third", ip="192.0.2.3")
    sends_over(account, first)
    message_id = a_message(account)
    route(message_id)
    attempt(message_id, BLOCKED)
    shown = seen(account, message_id)
    assert (shown["status"], shown["source"], shown["path"]) == ("deferred", "second", "second/example.net")
    assert wait_of(account, message_id) < 10.0
    assert "goes over second instead of first" in shown["waiting"]["detail"]  # type: ignore[index]
    attempt(message_id, BLOCKED)
    assert seen(account, message_id)["status"] == "bounced"
    with transaction() as connection:
        found = rows(connection, "SELECT source_id FROM attempts WHERE message_id = %s ORDER BY epoch", message_id)
        assert [row.source_id for row in found] == [first, second]
        assert rows(connection, "SELECT count(*) AS n FROM suppressions")[0].n == 0


@pytest.mark.parametrize("other", ["a stranger's", "the operator's", "a relay", "the same address", "disabled"])
def test_blocked_mail_leaves_over_a_source_it_has_no_business_with(other: str) -> None:
    account = an_account()
    sends_over(account, a_source(account.id, "first"))
    owner = {"a stranger's": an_account().id, "the operator's": None}.get(other, account.id)
    kind = "relay" if other == "a relay" else "direct"
    spare = a_source(owner, "other", kind, ip="192.0.2.1" if other == "the same address" else "192.0.2.2")
    if other == "disabled":
        with transaction() as connection:
            connection.exec_driver_sql("UPDATE sources SET enabled = false WHERE id = %s", (spare,))
    message_id = a_message(account)
    route(message_id)
    attempt(message_id, BLOCKED)
    assert seen(account, message_id)["status"] == "bounced"


def test_the_last_attempt_is_rerouted_into_a_seventh() -> None:
    account = an_account()
    sends_over(account, a_source(account.id, "first"))
    a_source(account.id, "second", ip="192.0.2.2")
    message_id = a_message(account)
    route(message_id)
    for outcome in (*[DEFERRED] * 5, BLOCKED):
        attempt(message_id, outcome)
    assert (seen(account, message_id)["status"], seen(account, message_id)["attempts"]) == ("bounced", 6)


def test_patience_ends_after_six_attempts_or_never() -> None:
    account = an_account()
    with transaction() as connection:
        connection.exec_driver_sql("UPDATE accounts SET retry_preset = 'patient' WHERE id = %s", (account.id,))
    message_id = a_message(account)
    route(message_id)
    for _ in range(8):
        attempt(message_id, DEFERRED)
    assert 86_400.0 <= wait_of(account, message_id) + 1 < 86_520.0
    attempt(message_id, replace(DEFERRED, reply="4.3.0 for the last time"))
    assert (seen(account, message_id)["status"], seen(account, message_id)["waiting"]) == ("bounced", None)
    with transaction() as connection:
        letter = rows(connection, "SELECT cause, detail FROM dead_letters WHERE message_id = %s", message_id)[0]
        assert (letter.cause, letter.detail) == ("retries_exhausted", "4.3.0 for the last time")
        last = rows(connection, "SELECT data FROM events WHERE message_id = %s ORDER BY seq DESC LIMIT 1", message_id)
        assert last[0].data["bounce"] == {"type": "soft", "reason": "retries_exhausted"}
        assert (last[0].data["attempt"], last[0].data["attempts"]) == (9, 9)
        assert rows(connection, "SELECT * FROM invariant_violations") == []


def test_a_wait_is_longer_than_the_life_that_is_left() -> None:
    account = an_account()
    message_id = a_message(account, ttl=120)
    route(message_id)
    attempt(message_id, replace(DEFERRED, reply="4.3.0 try again in 30 minutes"))
    assert wait_of(account, message_id) < 30.0
