"""Automations: which replies begin one, what it does, that it ends, and that it can be seen and lifted."""

import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from api import create_app
from common import clock
from common.config import current_settings, read_settings
from common.db.session import rows, transaction
from common.domain.automations import AUTOMATIONS, triggered
from common.domain.outcomes import Outcome
from common.domain.principals import Principal
from common.pacing import Level, Paces, Scope
from common.services import automations, messages, parking, routing
from tests.builders import Account, an_account, some_messages
from tests.fakes.counting import Receiver
from workers.delivery import tasks as worker
from workers.delivery.automations import Automations

pytestmark = pytest.mark.usefixtures("database")

RATE = Outcome("deferred", "mail", 421, "4.7.28", "4.7.28 unusual rate of mail", "throttled", provider="google")
SLOW = Outcome("deferred", "rcpt", 450, "4.7.1", "4.7.1 rate limited, slow down", "throttled")


@pytest.fixture
def watched() -> Iterator[tuple[Automations, Scope, Account]]:
    account = an_account()
    source_id = _a_relay(1)
    key = f"{source_id}/provider/google"
    scope = Scope(str(source_id), "google", "google", (Level(key, 5, 100.0, 5),))
    yield Automations(current_settings(), Paces(current_settings(), uuid.uuid4().hex)), scope, account


def _a_relay(port: int) -> uuid.UUID:
    source_id = uuid.uuid4()
    with transaction() as connection:
        connection.exec_driver_sql(
            "INSERT INTO sources (id, name, kind, host, port, tls) VALUES (%s, %s, 'relay', '127.0.0.1', %s, 'none')",
            (source_id, f"relay-{source_id}", port),
        )
    return source_id


def listed(principal: Principal, active: bool | None = None) -> list[dict[str, Any]]:
    with transaction() as connection:
        return automations.find(connection, principal, active=active, limit=50).data


def test_one_reply_is_enough_or_many_are_too_few(watched: tuple[Automations, Scope, Account]) -> None:
    found, scope, account = watched
    assert not found.watch(scope, [RATE])
    assert found.watch(scope, [RATE])
    assert not found.watch(scope, [RATE, RATE])
    [shown] = listed(account.principal)
    assert (shown["rule"], shown["place"]) == ("google-unusual-rate", "google")
    assert shown["reason"] == "2 such replies within an hour, the last: 421 4.7.28 unusual rate of mail"
    assert shown["action"]["messages_per_minute"] == 10.0 and shown["since"] < shown["expires_at"]


def test_what_is_ours_or_about_one_mailbox_slows_a_provider() -> None:
    silent = [
        Outcome("untried", "mail", 421, None, "rate limited", "throttled"),
        Outcome("deferred", "pace", None, "4.4.5", "rate limited", "throttled"),
        Outcome("deferred", "dns", 451, "4.4.4", "too many messages", "dns"),
        Outcome("delivered", "dot", 250, "2.0.0", "rate limited", "delivered"),
        Outcome("bounced", "rcpt", 550, "5.1.1", "5.1.1 no such user", "invalid_recipient"),
        Outcome("deferred", "rcpt", 452, "4.2.2", "4.2.2 mailbox full", "mailbox_full", provider="google"),
    ]
    assert triggered(silent) == []
    assert len({each.name for each in AUTOMATIONS}) == len(AUTOMATIONS)


@pytest.mark.parametrize(
    ("reply", "provider", "rule"),
    [
        ("4.7.0 [TSS04] Messages from 192.0.2.1 temporarily deferred due to user complaints", "yahoo", "yahoo-tss04"),
        ("4.7.0 [TS03] All messages from 192.0.2.1 will be delayed", "yahoo", "yahoo-ts03"),
        ("4.7.0 Server busy. Please try again later from 192.0.2.1", "outlook", "temporarily-deferred"),
        ("4.7.0 Trop de connexions, veuillez verifier votre configuration", "orange", "orange-connections"),
        ("Throttling failure: Maximum sending rate exceeded.", None, "sending-rate"),
        ("4.7.1 Too many messages, slow down", "google", "rate-limited"),
    ],
)
def test_a_providers_words_are_missed(reply: str, provider: str | None, rule: str) -> None:
    outcome = Outcome("deferred", "mail", 421, "4.7.0", reply, "throttled", provider=provider)
    assert [automation.name for automation, _ in triggered([outcome])] == [rule]


def test_a_slowed_place_goes_on_as_fast_or_stays_slow_for_ever(watched: tuple[Automations, Scope, Account]) -> None:
    found, scope, account = watched
    found.watch(scope, [SLOW] * 3)
    held, suspended = found.hold(scope)
    assert suspended is None and held.key == scope.key
    assert held.levels[-1].per_second == pytest.approx(10 / 60)
    with transaction() as connection:
        connection.exec_driver_sql("UPDATE pacing_automations SET expires_at = now()")
    found._in_force.forget()
    assert found.hold(scope) == (scope, None)
    assert (listed(account.principal, True), len(listed(account.principal, False))) == ([], 1)


def test_an_automation_of_a_strangers_source_is_seen_or_lifted(watched: tuple[Automations, Scope, Account]) -> None:
    found, scope, account = watched
    with transaction() as connection:
        connection.exec_driver_sql(
            "UPDATE sources SET account_id = %s WHERE id = %s", (an_account().id, uuid.UUID(scope.source))
        )
    found.watch(scope, [RATE, RATE])
    assert listed(account.principal) == []


@pytest.fixture
def suspended(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Account, list[uuid.UUID], Receiver]]:
    """Five messages to a relay that an automation has suspended for an hour."""
    paces = Paces(current_settings(), uuid.uuid4().hex)
    watching = Automations(current_settings(), paces)
    monkeypatch.setattr(worker, "_paces", paces)
    monkeypatch.setattr(worker, "_automations", watching)
    with Receiver() as receiver:
        source_id = _a_relay(receiver.port)
        account = an_account()
        with transaction() as connection:
            connection.exec_driver_sql("UPDATE accounts SET default_source_id = %s", (source_id,))
            ids = some_messages(connection, account, 5)
        with transaction() as connection:
            routing.route(connection, ids)
        scope = worker._targets._ways.scope_of(source_id, "example.net")
        assert scope is not None
        quota = Outcome("deferred", "dot", 454, None, "Daily message quota exceeded", "throttled")
        assert watching.watch(scope, [quota])
        worker.deliver_messages.run([str(each) for each in ids])
        yield account, ids, receiver
        worker._targets._sessions.close_all()


def test_suspended_mail_is_tried_or_waits_on_when_it_is_lifted(
    suspended: tuple[Account, list[uuid.UUID], Receiver],
) -> None:
    account, ids, receiver = suspended
    assert receiver.taken == []
    with transaction() as connection:
        shown = messages.get(connection, account.principal, ids[0])
        assert shown["attempts"] == 0
        assert "an automation has suspended it" in shown["waiting"]["detail"]
        [place] = parking.places(connection, account.principal)
        assert (place["waiting"], place["tier"]) == (5, "normal")
        [holding] = rows(connection, "SELECT id FROM pacing_automations")
        automations.lift(connection, account.principal, [holding.id])
    worker._automations._in_force.forget()
    worker.deliver_messages.run([str(each) for each in ids])
    assert len(receiver.taken) == 5
    [ended] = listed(account.principal)
    assert ended["lifted_at"] is not None and ended["lifted_at"] <= clock.rfc3339(clock.now())


def test_pacing_is_shown_to_strangers_or_lifted_without_being_admin(
    suspended: tuple[Account, list[uuid.UUID], Receiver], monkeypatch: pytest.MonkeyPatch
) -> None:
    account, _, _ = suspended
    admin = Principal(**{name: getattr(account.principal, name) for name in Principal.__slots__}
                      | {"scopes": frozenset({"admin"})})  # fmt: skip
    caller = [account.principal]
    monkeypatch.setattr("common.services.keys.authenticate", lambda *_: caller[0])
    client = create_app(read_settings()).test_client()
    client.environ_base["HTTP_AUTHORIZATION"] = "Bearer x"
    shown = client.get("/v1/pacing").get_json()
    assert [place["waiting"] for place in shown["places"]] == [5]
    [automation] = shown["automations"]
    address = f"/v1/pacing/automations/{automation['id']}"
    assert client.get(address).get_json() == automation
    assert client.delete(address).status_code == 403
    caller[0] = admin
    assert [client.delete(address).status_code for _ in range(2)] == [204, 204]
    assert client.get("/v1/pacing/automations?active=true").get_json()["data"] == []
    assert len(client.get("/v1/pacing/automations?active=false&limit=1").get_json()["data"]) == 1
    assert client.get("/v1/pacing/automations?active=maybe").status_code == 400
    assert client.delete("/v1/pacing/automations/aut_01jq8z4m3hf5v9t2c6w7x8y0ab").status_code == 404
