"""The limits that are explained are those that delivery keeps, with their origins, their use and the next turn."""

import random
import uuid
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest

from common import clock
from common.config import current_settings
from common.db.session import as_json, rows, transaction
from common.domain.automations import AUTOMATIONS
from common.domain.ids import decode, new_id
from common.pacing import Feedback, Paces
from common.services import automations, path_health, path_limits, routing, ruling
from common.services.ruling import Asking
from tests.builders import Account, an_account
from tests.callers import an_api
from workers.delivery.automations import Automations
from workers.delivery.ways import Ways

HOSTS = {
    "gmail.com": ["gmail-smtp-in.l.google.com", "alt1.gmail-smtp-in.l.google.com"],
    "yahoo.com": ["mta5.am0.yahoodns.net"],
    "example.net": ["mx1.example.net", "mx2.example.net"],
    "mixed.example": ["mx.google.com", "mx.elsewhere.example"],
}


class _Names:
    """A resolver that knows the mail hosts above."""

    def ask(self, name: str, kind: str) -> Any:
        return type("Answer", (), {"records": [f"10 {each}." for each in HOSTS[name]], "secure": False, "name": name})()


class _NoPolicies:
    def find(self, domain: str) -> tuple[None, str]:
        return None, "none"


@pytest.fixture
def account(database: None) -> Iterator[Account]:
    ruling.forget()
    yield an_account()
    ruling.forget()


@pytest.fixture
def paces() -> Paces:
    return Paces(current_settings(), uuid.uuid4().hex)


def a_source(account_id: Any, kind: str, profile: str | None = None) -> Any:
    source_id = new_id()
    with transaction() as connection:
        connection.exec_driver_sql(
            "INSERT INTO sources (id, account_id, name, kind, host, profile, tls)"
            " VALUES (%s, %s, %s, %s, 'smtp.relay.example', %s, 'opportunistic')",
            (source_id, account_id, f"s-{source_id}", kind, profile),
        )
    return source_id


def publish(account_id: Any, document: dict[str, Any]) -> None:
    with transaction() as connection:
        if account_id is None:
            version = rows(connection, "SELECT coalesce(max(version), 0) + 1 AS n FROM policies"
                                       " WHERE account_id IS NULL")[0].n  # fmt: skip
        else:
            sql = "UPDATE accounts SET policy_version = policy_version + 1 WHERE id = %s RETURNING policy_version AS n"
            version = rows(connection, sql, account_id)[0].n
        connection.exec_driver_sql(
            "INSERT INTO policies (id, account_id, version, document, author, reason) VALUES (%s, %s, %s, %s, '', '')",
            (new_id(), account_id, version, as_json(document)),
        )


def learn(domain: str) -> None:
    provider = {"gmail.com": "google", "yahoo.com": "yahoo"}.get(domain)
    with transaction() as connection:
        path_health.learn_places(connection, {domain: (provider, HOSTS[domain])})


def explained(account: Account, paces: Paces, source_id: Any, domain: str, tier: int = 1) -> Any:
    with transaction() as connection:
        row = _sent(connection, account, domain, tier)
        facts = ruling.facts_of(connection, [(row, Asking(frozenset({"place"})))])[row.id]
        return path_limits.limits_of(connection, paces, source_id, facts)


def _sent(connection: Any, account: Account, domain: str, tier: int) -> Any:
    sql = f"""{routing.COLUMNS} FROM json_to_recordset(%s) AS m(id uuid, account_id uuid, environment text,
      recipient_domain text, tier smallint, recipient_key text, queue_position bigint, created_at timestamptz,
      scheduled_time timestamptz, expires_at timestamptz, stream text, topic text, policy_version integer)
      JOIN accounts a ON a.id = m.account_id"""
    given = {"id": new_id(), "account_id": account.id, "environment": "live", "recipient_domain": domain, "tier": tier,
             "recipient_key": f"user@{domain}", "created_at": clock.now()}  # fmt: skip
    return rows(connection, sql, as_json([given]))[0]


def a_limit(dice: random.Random) -> dict[str, Any]:
    limit: dict[str, Any] = {"connections": dice.choice([1, 3, 20, "unset"])} if dice.random() < 0.7 else {}
    if not limit or dice.random() < 0.5:
        limit["per_second"] = dice.choice([0.5, 7.0, "unset"])
    where = dice.random()
    if where < 0.4:
        limit["provider"] = dice.choice(["google", "yahoo", "apple"])
    elif where < 0.8:
        limit["site"] = dice.choice(["google.com", "example.net", "relay.example", "mx1.example.net"])
    return limit


def test_a_limit_is_explained_that_delivery_does_not_keep(account: Account, paces: Paces) -> None:
    dice = random.Random(6)
    settings = current_settings()
    origins = set()
    sources = [a_source(account.id, "direct"), a_source(account.id, "relay", "office365"), a_source(None, "direct"),
               a_source(account.id, "relay")]  # fmt: skip
    for domain in HOSTS:
        learn(domain)
    slow = next(each for each in AUTOMATIONS if each.action.per_minute and not each.action.suspend)
    for _ in range(40):
        publish(account.id, {"pacing": [a_limit(dice) for _ in range(dice.randint(0, 4))]})
        publish(None, {"pacing": [a_limit(dice) for _ in range(dice.randint(0, 4))]})
        ways = Ways(settings, _Names(), _NoPolicies())  # type: ignore[arg-type]
        held = Automations(settings, paces)
        for source_id in sources:
            domain = dice.choice(list(HOSTS))
            scope = ways.scope_of(source_id, domain)
            assert scope is not None
            if dice.random() < 0.2:
                with transaction() as connection:
                    automations.start(connection, slow, scope=scope.key, source_id=source_id, place=scope.name,
                                      reply="421 slower", time_scale=1.0)  # fmt: skip
                held = Automations(settings, paces)
            kept, _ = held.hold(scope)
            told = explained(account, paces, source_id, domain)
            assert [(each["connections"], each["per_second"]) for each in told["levels"]] == [
                (each.connections, each.per_second) for each in kept.levels
            ]
            assert told["place"] == kept.name
            origins |= {each[name].partition(" ")[0] for each in told["levels"]
                        for name in ("connections_origin", "per_second_origin")}  # fmt: skip
    assert origins == {"account", "operator", "built_in", "provider", "profile", "automation"}


def test_the_use_that_is_told_is_not_the_use_of_now(account: Account, paces: Paces) -> None:
    source_id = a_source(account.id, "direct")
    learn("gmail.com")
    publish(account.id, {"pacing": [{"provider": "google", "connections": 3, "per_second": 0.5}]})
    idle = explained(account, paces, source_id, "gmail.com")
    assert [each["level"] for each in idle["levels"]] == ["site", "provider"]
    wide = idle["levels"][1]
    assert (wide["connections_in_use"], wide["connections_believed"], wide["rate_wait_seconds"]) == (0, 3, 0.0)
    assert idle["waits_for"] is None and datetime.fromisoformat(idle["next_at"]) <= clock.now()

    scope = Ways(current_settings(), _Names(), _NoPolicies()).scope_of(source_id, "gmail.com")  # type: ignore[arg-type]
    assert scope is not None
    assert paces.take(scope, paces.new_lease(), 1, tier=1).count == 1
    busy = explained(account, paces, source_id, "gmail.com")
    assert [each["connections_in_use"] for each in busy["levels"]] == [1, 1]
    assert busy["waits_for"] == "rate" and 0.5 < busy["levels"][1]["rate_wait_seconds"] <= 2.0
    assert "0.5 mails a second" in busy["detail"]
    assert 0.0 < (datetime.fromisoformat(busy["next_at"]) - clock.now()).total_seconds() <= 2.0
    refused = paces.take(scope, paces.new_lease(), 1, tier=1)
    assert (refused.limit, refused.count) == (busy["waits_for"], 0)
    assert explained(account, paces, source_id, "gmail.com", tier=0)["waits_for"] is None

    lease = paces.new_lease()
    paces.finish(scope, lease, Feedback(bad=1, crowded=True, throttled=True))
    after = explained(account, paces, source_id, "gmail.com")
    assert after["levels"][1]["connections_believed"] == 1 and after["levels"][1]["connections_shown_for_seconds"] > 590
    assert after["levels"][1]["rests_for_seconds"] > 0 and after["waits_for"] == "rest"


def test_explaining_takes_a_connection_or_a_turn(account: Account, paces: Paces) -> None:
    source_id = a_source(account.id, "relay")
    publish(account.id, {"pacing": [{"connections": 2, "per_second": 1}]})
    for _ in range(5):
        told = explained(account, paces, source_id, "example.net")
        assert (told["waits_for"], told["levels"][0]["connections_in_use"]) == (None, 0)


def test_a_place_that_nobody_has_seen_is_counted_as_another(account: Account, paces: Paces) -> None:
    source_id = a_source(account.id, "direct")
    wide = explained(account, paces, source_id, "gmail.com")
    assert [(each["level"], each["connections_in_use"]) for each in wide["levels"]] == [("provider", 0)]
    unknown = explained(account, paces, source_id, "nobody.example")
    assert [(each["level"], each["connections_in_use"]) for each in unknown["levels"]] == [("site", None)]
    assert (unknown["next_at"], unknown["levels"][0]["connections_origin"]) == (None, "built_in")
    assert explained(account, paces, account.source_id, "gmail.com") is None


def test_without_redis_the_limits_are_not_told(account: Account) -> None:
    away = Paces(current_settings(), "away")
    away._redis = None
    told = explained(account, away, a_source(account.id, "relay"), "example.net")
    assert (told["levels"][0]["connections"], told["levels"][0]["connections_in_use"], told["next_at"]) == (
        10,
        None,
        None,
    )


def test_the_api_does_not_tell_the_pace(database: None) -> None:
    with an_api() as api:
        body = {"name": "relay-x", "kind": "relay", "host": "smtp.example.org", "tls": "required", "is_default": True}
        assert api.call("POST", "/v1/sources", body).status_code == 201
        document = {"rules": [{"name": "r", "act": "pool", "pool": "p"}],
                    "pools": {"p": {"members": [{"source": "relay-x"}]}},
                    "pacing": [{"connections": 4}]}  # fmt: skip
        assert api.call("PUT", "/v1/policy/draft", document).status_code == 200
        assert api.call("POST", "/v1/policy/publish", {"reason": "x"}).status_code == 201
        mail = {"recipient": "user@example.net", "subject": "Hello", "text": "Hello."}
        told = api.call("POST", "/v1/routing/explain", mail).get_json()["pacing"]
        assert (told["source"], told["levels"][0]["connections"]) == ("relay-x", 4)
        assert told["levels"][0]["connections_origin"] == "account"
        sent = api.send()["message_id"]
        which = decode("msg", sent)
        assert which is not None
        with transaction() as connection:
            routing.route(connection, [which])
        assert api.read(sent, "/routing")["pacing"]["levels"] == told["levels"]
        assert api.call("DELETE", f"/v1/messages/{sent}").status_code == 200
        assert api.read(sent, "/routing")["pacing"] is None
