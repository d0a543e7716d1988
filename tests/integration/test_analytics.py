"""Counts that differ from a recount, are counted twice or lost, or do not add up."""

import csv
import io
import random
import threading
from collections import Counter
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from common import clock
from common.config import current_settings
from common.db.session import as_json, engine, rows, transaction
from common.domain.outcomes import Outcome
from common.services import analytics, delivery, feedback, folding, following, indexing, lifecycle, routing
from common.services.analytics import Question
from common.services.lifecycle import Change
from tests.builders import Account, an_account, make_due, some_messages
from tests.callers import Api

CATEGORIES = {
    "delivered": ("delivered",),
    "deferred": ("greylisted", "throttled", "mailbox_full"),
    "bounced": ("invalid_recipient", "policy"),
    "unknown": ("undetermined",),
}


def an_outcome(chance: random.Random) -> Outcome:
    kind = chance.choice(("delivered", "delivered", "deferred", "bounced", "unknown"))
    category = chance.choice(CATEGORIES[kind])
    provider = chance.choice((None, "google", "yahoo"))
    return Outcome(kind, "dot", 250, None, "said so", category, provider=provider)  # type: ignore[arg-type]


class Storm:
    """Random state changes of one account, from a thread of its own."""

    def __init__(self, account: Account, seed: int) -> None:
        self.account, self.chance = account, random.Random(seed)
        self.ids: list[UUID] = []

    def blow(self, turns: int) -> None:
        for _ in range(turns):
            self.chance.choice((self.accept, self.work, self.work, self.afterwards))()

    def accept(self) -> None:
        fields: dict[str, Any] = {"tags": self.chance.sample(["otp", "receipt", "login"], self.chance.randrange(3))}
        fields["priority"] = self.chance.choice(("critical", "normal", "bulk"))
        if self.chance.random() < 0.3:
            fields["channel"] = "smtp"
        fields = {name: value for name, value in fields.items() if value}
        # A transaction that stays open while others commit: its events come late under an early number.
        with transaction() as connection:
            made = some_messages(connection, self.account, self.chance.randrange(1, 4), **fields)
            threading.Event().wait(self.chance.random() * 0.02)
        self.ids += made

    def work(self) -> None:
        with transaction() as connection:
            for each in self.ids:
                make_due(connection, each)
            routing.route(connection, self.ids)
        with transaction() as connection:
            held = delivery.claim(connection, self.ids, uuid4(), 60)
        results = [(each, an_outcome(self.chance)) for each in held]
        with transaction() as connection:
            delivery.record(connection, current_settings(), results, clock.now())

    def afterwards(self) -> None:
        some = [each for each in self.ids if self.chance.random() < 0.2]
        with transaction() as connection:
            feedback.complain(connection, some[:1])
            lifecycle.apply(connection, [Change(each, "expire", data={"reason": "ttl"}) for each in some[1:2]])
            lifecycle.apply(connection, [Change(each, "cancel") for each in some[2:3]])
            feedback.unsubscribe(connection, some[3:4], source="one_click")
            late = {"bounce": {"type": "hard", "reason": "invalid_recipient"}}
            lifecycle.apply(connection, [Change(each, "bounce_late", data=late) for each in some[4:5]])


def recounted(account: Account) -> Counter[Any]:
    """The same counts, from the events, in Python."""
    found: Counter[Any] = Counter()
    with transaction() as connection:
        events = rows(
            connection,
            "SELECT e.*, m.recipient_domain, m.tier, c.tags, c.channel FROM events e"
            " JOIN messages m ON m.id = e.message_id JOIN message_contents c ON c.message_id = m.id"
            " WHERE e.account_id = %s ORDER BY e.message_id, e.seq",
            account.id,
        )
    delivered = set()
    for each in events:
        noun = each.type.partition(".")[2]
        if noun == "queued" and each.seq > 1:
            continue
        name = {"queued": "accepted", "accepted": "routed"}.get(noun, noun)
        if noun == "bounced":
            name = f"{each.data['bounce']['type']}_bounced"
            if each.message_id in delivered:
                found["late_bounced"] += 1
        if noun == "delivered":
            delivered.add(each.message_id)
            found["provider", each.data["provider"], "delivered"] += 1
        found[name] += 1
        found["hour", each.timestamp.replace(minute=0, second=0, microsecond=0), name] += 1
        found["channel", each.channel or "api", name] += 1
        found["tier", ("critical", "normal", "bulk")[each.tier], name] += 1
        for tag in each.tags or [None]:
            found["tag", tag, name] += 1
    return found


def asked(account: Account, **fields: Any) -> dict[str, Any]:
    end = clock.now().replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    question = Question(end - timedelta(hours=3), end, fields.pop("interval", "total"), **fields)
    with transaction() as connection:
        return analytics.report(connection, account.principal, question)


def differences(account: Account) -> list[Any]:
    """Where the answers of analytics differ from the recount."""
    wanted, wrong = recounted(account), []
    whole = asked(account)["totals"]
    for name in analytics_names():
        if whole[name] != wanted[name]:
            wrong.append((name, whole[name], wanted[name]))
    for dimension in ("channel", "tier", "tag"):
        for line in asked(account, group_by=(dimension,))["data"]:
            value = line["dimensions"][dimension]
            wrong += [
                (dimension, value, name, line["metrics"][name], wanted[dimension, value, name])
                for name in ("accepted", "routed", "delivered", "deferred", "complained", "hard_bounced", "cancelled")
                if line["metrics"][name] != wanted[dimension, value, name]
            ]
    by_domain = asked(account, group_by=("recipient_domain",))["data"]
    if by_domain and by_domain[0]["metrics"]["accepted"] != wanted["accepted"]:
        wrong.append(("recipient_domain", by_domain[0]["metrics"]["accepted"], wanted["accepted"]))
    for line in asked(account, group_by=("provider",))["data"]:
        seen = wanted["provider", line["dimensions"]["provider"], "delivered"]
        if line["metrics"]["delivered"] != seen:
            wrong.append(("provider", line["dimensions"], line["metrics"]["delivered"], seen))
    return wrong


def analytics_names() -> list[str]:
    return ["accepted", "routed", "delivered", "deferred", "hard_bounced", "soft_bounced", "late_bounced", "complained",
            "unsubscribed", "cancelled", "expired", "failed"]  # fmt: skip


def identity(account: Account) -> dict[str, Any]:
    with transaction() as connection:
        return analytics.account_for(connection, account.principal, None, None)


@pytest.mark.usefixtures("database")
@pytest.mark.parametrize("seed", [1, 2])
def test_a_storm_leaves_counts_that_differ_from_a_recount(seed: int) -> None:
    """Changes of three threads and two accounts at once, foldings that die at random, answers in between."""
    accounts = [an_account(), an_account()]
    storms = [Storm(accounts[number % 2], seed * 100 + number) for number in range(3)]
    threads = [threading.Thread(target=storm.blow, args=(12,)) for storm in storms]
    for thread in threads:
        thread.start()
    chance, killed = random.Random(seed), 0
    while any(thread.is_alive() for thread in threads):
        if chance.random() < 0.4:
            killed += fold_and_die()
        else:
            with transaction() as connection:
                folding.fold(connection, most=chance.randrange(1, 40))
        found = identity(accounts[0])
        assert found["closes"], found
    for thread in threads:
        thread.join()
    for account in accounts:
        assert differences(account) == []
    folding.fold_all(seconds=60)
    for account in accounts:
        assert differences(account) == []
        assert identity(account)["difference"] == 0
    with transaction() as connection:
        assert not folding.fold(connection).events
    assert killed


def fold_and_die() -> int:
    """A folding whose connection is cut before its commit."""
    with engine().connect() as connection:
        events = folding.fold(connection, most=30).events
        with transaction() as other:
            backend = connection.connection.dbapi_connection.info.backend_pid  # type: ignore[union-attr]
            other.exec_driver_sql("SELECT pg_terminate_backend(%s)", (backend,))
        connection.invalidate()
    return events + 1


@pytest.mark.usefixtures("database")
def test_an_open_transaction_is_passed_over_for_good() -> None:
    account = an_account()
    with engine().connect() as late:
        some_messages(late, account, 2)
        with transaction() as connection:
            some_messages(connection, account, 3)
        folding.fold_all(seconds=10)
        assert identity(account)["accepted"] == 3
        late.commit()
    assert identity(account)["accepted"] == 5
    folding.fold_all(seconds=10)
    assert identity(account)["accepted"] == 5 and differences(account) == []


@pytest.mark.usefixtures("database")
def test_two_foldings_count_an_event_twice() -> None:
    account = an_account()
    with transaction() as connection:
        some_messages(connection, account, 5)
    with transaction() as first:
        assert folding.fold(first).events == 5
        with transaction() as second:
            assert folding.fold(second).events == 0
    folding.fold_all(seconds=10)
    assert identity(account)["accepted"] == 5 == asked(account)["totals"]["accepted"]


def read_by(plan: Any) -> Counter[str]:
    """How many rows of each table a statement has read, as EXPLAIN tells in JSON."""
    found: Counter[str] = Counter()
    nodes = [plan[0]["Plan"]]
    while nodes:
        node = nodes.pop()
        nodes += node.get("Plans", [])
        if node.get("Relation Name") in ("messages", "message_contents", "events"):
            found[node["Relation Name"]] += int(node["Actual Rows"] * node["Actual Loops"])
    return found


@pytest.mark.usefixtures("database")
def test_looking_for_new_events_reads_all_events_there_are() -> None:
    with transaction() as connection:
        some_messages(connection, an_account(), 400)
    folding.fold_all(seconds=10)
    with transaction() as connection:
        connection.exec_driver_sql("ANALYZE")
        connection.exec_driver_sql("SET LOCAL enable_nestloop = off")  # as the planner decides over more of them
        asked_for = following._WAITING.format(cursors="analytics_cursors", until="counted_until")
        plan = connection.exec_driver_sql(f"EXPLAIN (ANALYZE, FORMAT JSON) {asked_for}", (50,)).scalar_one()
    assert read_by(plan)["events"] <= 1


@pytest.mark.usefixtures("database")
@pytest.mark.parametrize("statement", [folding._FOLD, indexing._INDEX], ids=["folding", "indexing"])
def test_a_reader_of_events_reads_all_messages_there_are(statement: str) -> None:
    account = an_account()
    with transaction() as connection:
        some_messages(connection, account, 400)
        connection.exec_driver_sql("ANALYZE")
    stream = {"account_id": account.id, "environment": "live", "transaction_no": -1, "event_id": UUID(int=0)}
    with transaction() as connection:
        explained = f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}"
        plan = connection.exec_driver_sql(explained, (as_json([stream]), 10)).scalar_one()
    assert read_by(plan) == {"messages": 10, "message_contents": 10, "events": 10}


@pytest.mark.usefixtures("database")
def test_a_long_tail_is_hidden_behind_a_fresh_date(monkeypatch: pytest.MonkeyPatch) -> None:
    account = an_account()
    with transaction() as connection:
        some_messages(connection, account, 5)
    monkeypatch.setattr(analytics, "MOST_TAIL", 3)
    found = asked(account)
    assert found["as_of"] is None and found["totals"]["accepted"] == 0
    assert identity(account)["closes"] is None


def test_a_question_is_misread(api: Api) -> None:
    sent = api.send(tags=["ana"], recipient="ana@example.net")
    assert sent["status"] == "queued"
    found = api.call("GET", "/v1/analytics?group_by=tag&tag=ana&interval=hour").get_json()
    assert found["totals"]["accepted"] == 1 and found["data"][0]["dimensions"] == {"tag": "ana"}
    assert found["data"][0]["metrics"]["accepted"] == 1 and found["as_of"]
    days = api.call("GET", "/v1/analytics?start=2026-01-01&end=2026-01-08").get_json()
    assert [line["start"][:10] for line in days["data"]] == [f"2026-01-0{day}" for day in range(1, 8)]
    assert days["totals"]["delivery_rate"] is None
    closes = api.call("GET", "/v1/analytics/identity").get_json()
    assert closes["closes"] and closes["accepted"] >= 1
    test_mode = api.call("GET", "/v1/analytics?tag=ana", key=api.test).get_json()
    assert test_mode["totals"]["accepted"] == 0 and test_mode["environment"] == "test"


@pytest.mark.parametrize("asking", ["?format=csv", ""])
def test_a_table_differs_from_the_answer(api: Api, asking: str) -> None:
    api.send(tags=["=cmd()"[1:4]], recipient="csv@example.net")
    found = api.call("GET", f"/v1/analytics{asking or '?'}&group_by=channel,tier", Accept="text/csv")
    assert found.mimetype == "text/csv"
    lines = list(csv.DictReader(io.StringIO(found.text)))
    assert {"start", "channel", "tier", "accepted", "p95_seconds"} <= set(lines[0])
    assert all(line["channel"] == "api" for line in lines)


@pytest.mark.parametrize(
    ("asked_for", "name"),
    [
        ("group_by=colour", "group_by"),
        ("group_by=recipient_domain,tag", "recipient_domain"),
        ("recipient_domain=example.net&tag=x", "recipient_domain"),
        ("group_by=tag,tier,key,source", "group_by"),
        ("interval=minute", "interval"),
        ("interval=hour&start=2020-01-01", "interval"),
        ("start=2026-02-01&end=2026-01-01", "start"),
        ("end=9999-12-31T23:59:59Z", "end"),
        ("start=0001-01-01", "interval"),
        ("end=0001-01-01", "start"),
        ("tier=urgent", "tier"),
        ("key=abc", "key"),
        ("limit=5000", "limit"),
        ("format=xml", "format"),
        ("colour=red", "colour"),
    ],
)
def test_a_wrong_question_is_answered(api: Api, asked_for: str, name: str) -> None:
    answer = api.call("GET", f"/v1/analytics?{asked_for}")
    assert answer.status_code == 400, answer.data
    assert answer.get_json()["errors"][0]["field"] == name


def test_a_cancelled_message_is_not_in_the_account(api: Api) -> None:
    before = api.call("GET", "/v1/analytics/identity").get_json()
    later = (clock.now() + timedelta(days=1)).isoformat()
    message_id = api.send(scheduled_time=later)["message_id"]
    between = api.call("GET", "/v1/analytics/identity").get_json()
    assert api.call("DELETE", f"/v1/messages/{message_id}").status_code == 200
    end = api.call("GET", "/v1/analytics/identity").get_json()
    assert between["live"] == before["live"] + 1 and end["cancelled"] == before["cancelled"] + 1 and end["closes"]
