"""Paths as routing and delivery see them together: health that is learnt, warm-ups that are counted, limits and TLS
that are kept.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest

from common import clock
from common.config import current_settings, read_settings
from common.db.session import as_json, rows, transaction
from common.domain.ids import new_id
from common.domain.outcomes import Outcome
from common.domain.path_health import Marks
from common.services import delivery, pace_limits, path_health, routing, ruling
from common.services.scopes import scope_of_relay, within
from tests.builders import Account, an_account, some_messages
from workers.delivery.learning import Learning
from workers.delivery.ways import Ways


@pytest.fixture
def account(database: None) -> Iterator[Account]:
    ruling.forget()
    yield an_account()
    ruling.forget()


def a_source(account: Account, name: str, kind: str = "relay", tls: str = "opportunistic") -> UUID:
    source_id = new_id()
    with transaction() as connection:
        connection.exec_driver_sql(
            "INSERT INTO sources (id, account_id, name, kind, host, tls) VALUES (%s, %s, %s, %s, '127.0.0.1', %s)",
            (source_id, account.id, name, kind, tls),
        )
    return source_id


def publish(account: Account, document: dict[str, Any]) -> None:
    with transaction() as connection:
        version = rows(
            connection,
            "UPDATE accounts SET policy_version = policy_version + 1 WHERE id = %s RETURNING policy_version",
            account.id,
        )[0].policy_version
        connection.exec_driver_sql(
            "INSERT INTO policies (id, account_id, version, document, author, reason) VALUES (%s, %s, %s, %s, '', '')",
            (new_id(), account.id, version, as_json(document)),
        )


def a_pool(*members: dict[str, Any], **rule: Any) -> dict[str, Any]:
    return {"rules": [{"name": "r", "act": "pool", "pool": "p", **rule}], "pools": {"p": {"members": list(members)}}}


def send(account: Account, count: int, **fields: Any) -> list[Any]:
    with transaction() as connection:
        ids = some_messages(connection, account, count, **fields)
        routing.route(connection, ids)
        return rows(
            connection,
            "SELECT m.*, s.name AS source FROM messages m LEFT JOIN sources s ON s.id = m.source_id"
            " WHERE m.id = ANY(%s::uuid[])",
            ids,
        )


def test_a_blocked_path_goes_on_carrying_mail(account: Account) -> None:
    ill, well = a_source(account, "ill"), a_source(account, "well")
    publish(account, a_pool({"source": "ill"}, {"source": "well"}))
    before = Counter(row.source for row in send(account, 60))
    assert before["ill"] > 10 and before["well"] > 10
    learning = Learning(current_settings())
    learning.mark(ill, path_health.RELAY, [Outcome("bounced", "rcpt", 554, None, "listed", "reputation")] * 30)
    learning.mark(well, path_health.RELAY, [Outcome("delivered", "dot", 250, None, "ok", "delivered")] * 30)
    learning.flush()
    found = send(account, 60)
    assert {row.source for row in found} == {"well"}
    assert {each["excluded"] for row in found for each in row.decision["candidates"]} == {"circuit_open", None}
    with transaction() as connection:
        kept = path_health.read(connection, [ill], [], time_scale=1.0)
    assert {place for _, place in kept} == {path_health.RELAY, path_health.WHOLE}
    assert kept[ill, path_health.RELAY].failures == 30


def test_a_probe_that_succeeds_leaves_the_circuit_open(account: Account) -> None:
    source = a_source(account, "a")
    with transaction() as connection:
        for _ in range(3):
            path_health.add(connection, {(source, "relay"): Marks(bad=9, failures=9)}, time_scale=1.0)
        assert path_health.read(connection, [source], [], time_scale=1.0)[source, "relay"].failures == 11
        path_health.add(connection, {(source, "relay"): Marks(good=1, timed=1, ms=400)}, time_scale=1.0)
        found = path_health.read(connection, [source], [], time_scale=1.0)[source, "relay"]
    assert (found.failures, found.bad, found.good) == (0, 0.0, pytest.approx(1.0, abs=0.1))


def test_one_slow_mail_makes_a_path_slow_or_none_ever_does(account: Account) -> None:
    source, seen = a_source(account, "a"), []
    with transaction() as connection:
        for marks in (Marks(bad=1), Marks(1, timed=1, ms=400), Marks(1, timed=1, ms=10_400), Marks(bad=1)):
            path_health.add(connection, {(source, "relay"): marks}, time_scale=1.0)
            seen.append(path_health.read(connection, [source], [], time_scale=1.0)[source, "relay"].typical_ms)
        path_health.add(connection, {(source, "relay"): Marks(200, timed=200, ms=200 * 10_400)}, time_scale=1.0)
        slow = path_health.read(connection, [source], [], time_scale=1.0)[source, "relay"].typical_ms
    assert seen == [None, pytest.approx(400), pytest.approx(900), pytest.approx(900)] and slow > 10_000


def test_a_warming_source_carries_more_than_its_cap(account: Account) -> None:
    a_source(account, "new")
    today = clock.now().date().replace(day=min(clock.now().day, 28)).isoformat()
    warmup = {"start": today, "first": 24, "growth": 1.0, "target": 1000}
    publish(account, a_pool({"source": "new", "warmup": warmup}))
    found = [row for _ in range(3) for row in send(account, 30)]
    sent = [row for row in found if row.status == "accepted"]
    passed = (clock.now() - clock.now().replace(hour=0, minute=0, second=0)).total_seconds() / 86_400
    assert 0 < len(sent) <= min(24, 24 * passed + 2)
    waiting = [row for row in found if row.status == "queued"]
    assert len(waiting) == 90 - len(sent)
    assert {row.decision["reason"] for row in waiting} == {"warmup_limit"}
    assert all(row.next_attempt_at > clock.now() and not row.held for row in waiting)
    with transaction() as connection:
        assert rows(connection, "SELECT routed FROM warmup_days")[0].routed == len(sent)


def test_the_overflow_of_a_warming_source_waits_beside_a_warm_one(account: Account) -> None:
    a_source(account, "new"), a_source(account, "warm")
    warmup = {"start": "2020-01-01", "first": 1, "growth": 1.0, "target": 1000}
    publish(account, a_pool({"source": "new", "warmup": warmup, "weight": 1000}, {"source": "warm"}))
    counted = Counter(row.source for row in send(account, 40))
    assert counted["new"] <= 1 and counted["new"] + counted["warm"] == 40


def test_a_rule_about_tls_is_not_kept(account: Account) -> None:
    source = a_source(account, "a")
    publish(account, a_pool({"source": "a"}, tls="required"))
    assert {row.tls for row in send(account, 2)} == {"required"}
    ways = Ways(read_settings(egress_allow="127.0.0.0/8"))
    assert {each.tls for each in ways.targets(source, "example.net")} == {"opportunistic"}
    assert {each.tls for each in ways.targets(source, "example.net", least="required")} == {"required"}
    strict = a_source(account, "b", tls="implicit")
    assert {each.tls for each in ways.targets(strict, "example.net", least="encrypted")} == {"implicit"}


def test_a_limit_of_the_policy_is_not_in_force(account: Account) -> None:
    source = a_source(account, "a")
    ways = Ways(current_settings())
    publish(account, {"pacing": [{"site": "127.0.0.1", "connections": 3, "per_second": 0.5}]})
    scope = ways.scope_of(source, "example.net")
    assert scope is not None and [(each.connections, each.per_second) for each in scope.levels] == [(3, 0.5)]
    with transaction() as connection:
        assert pace_limits.of_owner(connection, None) == ()
        limits = pace_limits.of_owner(connection, account.id)
    way = ways._exit(source)
    assert way is not None and within(scope_of_relay(way), limits, None, ["else.org"]) == scope_of_relay(way)


def test_what_delivering_shows_of_a_domain_is_not_asked_by_rules(account: Account) -> None:
    publish(account, {"rules": [{"name": "g", "when": {"provider": ["google"]}, "act": "reject"}]})
    learning = Learning(current_settings())
    learning.place("example.net", "google", ["a.google.com"])
    learning.flush()
    assert {row.status for row in send(account, 2)} == {"failed"}


def test_a_block_sends_mail_by_a_source_outside_its_pool(account: Account) -> None:
    for name in ("a", "b", "outside"):
        a_source(account, name)
    with transaction() as connection:
        connection.exec_driver_sql("UPDATE sources SET username = name")  # different to whoever receives
    publish(account, a_pool({"source": "a"}, {"source": "b", "role": "standby"}))
    blocked = Outcome("bounced", "rcpt", 554, None, "listed", "reputation")
    (row,) = send(account, 1)
    by = [row.source]
    for _ in range(2):
        with transaction() as connection:
            connection.exec_driver_sql("UPDATE messages SET next_attempt_at = now() WHERE id = %s", (row.id,))
            claimed = delivery.claim(connection, [row.id], new_id(), 15)
            delivery.record(connection, current_settings(), [(each, blocked) for each in claimed], clock.now())
            sql = "SELECT s.name, m.status FROM messages m JOIN sources s ON s.id = m.source_id WHERE m.id = %s"
            now = rows(connection, sql, row.id)[0]
        by.append(now.name)
    assert by == ["a", "b", "b"] and now.status == "bounced"


def blocked(row: Any, times: int) -> list[Any]:
    """The sources that carry it while each answers that it is blocked, and how it ended."""
    outcome = Outcome("bounced", "rcpt", 554, None, "listed", "reputation")
    by = []
    for _ in range(times):
        with transaction() as connection:
            connection.exec_driver_sql("UPDATE messages SET next_attempt_at = now() WHERE id = %s", (row.id,))
            claimed = delivery.claim(connection, [row.id], new_id(), 15)
            delivery.record(connection, current_settings(), [(each, outcome) for each in claimed], clock.now())
            sql = "SELECT s.name, m.* FROM messages m JOIN sources s ON s.id = m.source_id WHERE m.id = %s"
            by.append(rows(connection, sql, row.id)[0])
    return by


@pytest.mark.parametrize(
    ("pool", "then"),
    [
        ([{"source": "a"}], "c"),
        ([{"source": "a"}, {"source": "b", "weight": 0}], "c"),
        ([{"source": "a"}, {"source": "b", "role": "standby"}], "b"),
    ],
)
def test_a_block_does_not_reach_the_fallback_pool(account: Account, pool: list[dict[str, Any]], then: str) -> None:
    for name, kind in (("a", "relay"), ("b", "relay"), ("c", "direct"), ("outside", "relay")):
        a_source(account, name, kind)
    with transaction() as connection:
        connection.exec_driver_sql("UPDATE sources SET username = name")  # different to whoever receives
    rules = [{"name": "r", "act": "pool", "pool": "p", "fallback": "q"}]
    publish(account, {"rules": rules, "pools": {"p": {"members": pool}, "q": {"members": [{"source": "c"}]}}})
    (row,) = send(account, 1)
    found = blocked(row, 2)
    assert (row.source, [each.name for each in found]) == ("a", [then, then])
    assert found[0].path == ("c/example.net" if then == "c" else "b/relay") and found[1].status == "bounced"
    with transaction() as connection:
        told = rows(connection, "SELECT data FROM events WHERE message_id = %s AND type = 'message.deferred'", row.id)
    assert told[0].data["rerouted"] == {"from": "a", "to": then, "pool": "q" if then == "c" else "p"}


def test_a_message_on_the_fallback_is_blocked_and_its_pool_is_not_tried(account: Account) -> None:
    for name in ("a", "c"):
        a_source(account, name)
    with transaction() as connection:
        connection.exec_driver_sql("UPDATE sources SET username = name, enabled = name <> 'a'")
    rules = [{"name": "r", "act": "pool", "pool": "p", "fallback": "q"}]
    pools = {"p": {"members": [{"source": "a"}]}, "q": {"members": [{"source": "c"}]}}
    publish(account, {"rules": rules, "pools": pools})
    (row,) = send(account, 1)
    assert (row.source, row.pool) == ("c", "q")
    with transaction() as connection:
        connection.exec_driver_sql("UPDATE sources SET enabled = true")
    assert [each.name for each in blocked(row, 1)] == ["a"]


def deferred(row: Any, category: str) -> Any:
    """It is tried and deferred; the message afterwards, with the name of its source."""
    outcome = Outcome("deferred", "connect", 451, "4.4.1", "later", category)
    with transaction() as connection:
        connection.exec_driver_sql("UPDATE messages SET next_attempt_at = now() WHERE id = %s", (row.id,))
        claimed = delivery.claim(connection, [row.id], new_id(), 15)
        delivery.record(connection, current_settings(), [(each, outcome) for each in claimed], clock.now())
        sql = "SELECT s.name, m.* FROM messages m JOIN sources s ON s.id = m.source_id WHERE m.id = %s"
        return rows(connection, sql, row.id)[0]


def on_a(account: Account, *ill: str) -> Any:
    """A message that goes by a, with b and c behind it; the circuits of `ill` are open from then on."""
    ids = {name: a_source(account, name, kind) for name, kind in (("a", "relay"), ("b", "relay"), ("c", "direct"))}
    with transaction() as connection:
        connection.exec_driver_sql("UPDATE sources SET username = name")
    rules = [{"name": "r", "act": "pool", "pool": "p", "fallback": "q"}]
    members = [{"source": "a"}, {"source": "b", "role": "standby"}]
    publish(account, {"rules": rules, "pools": {"p": {"members": members}, "q": {"members": [{"source": "c"}]}}})
    (row,) = send(account, 1)
    marks = {(ids[name], "example.net" if name == "c" else "relay"): Marks(bad=9, failures=9) for name in ill}
    with transaction() as connection:
        path_health.add(connection, marks, time_scale=1.0)
    return row


@pytest.mark.parametrize(
    ("ill", "category", "then"),
    [
        ("a", "connection", "b"),
        ("ab", "connection", "c"),
        ("abc", "connection", "a"),
        ("", "connection", "a"),
        ("a", "greylisted", "a"),
        ("a", "mailbox_full", "a"),
    ],
)
def test_a_retry_waits_for_a_way_that_is_out(account: Account, ill: str, category: str, then: str) -> None:
    row = on_a(account, *ill)
    found = deferred(row, category)
    assert (found.status, found.name, found.attempt_no) == ("deferred", then, 1)
    assert found.path == ("c/example.net" if then == "c" else f"{then}/relay")
    if then != "a":
        assert deferred(row, category).name == then, "it wanders"


def test_mail_of_a_source_that_was_disabled_waits_for_it(account: Account) -> None:
    row = on_a(account)
    with transaction() as connection:
        connection.exec_driver_sql("UPDATE sources SET enabled = false WHERE name = 'a'")
    assert deferred(row, "policy").name == "b"
