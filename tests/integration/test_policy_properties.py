"""Explaining is delivering, on two thousand random cases; and rolling back leaves nothing of what it takes back."""

import os
import random
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from typing import Any
from uuid import UUID

import pytest

from common.clock import rfc3339
from common.config import current_settings
from common.db.session import as_json, rows, transaction
from common.domain.doubts import choice_of
from common.domain.ids import new_id
from common.domain.path_health import Marks
from common.domain.tiers import TIERS
from common.pacing import Paces
from common.services import explaining, path_health, policies, routing, ruling, writing
from common.services.policies import Owner
from tests import policies as random_policies
from tests.builders import Account, a_draft, an_account

CASES = int(os.environ.get("SENDARIX_TEST_CASES", "2000"))
AT_ONCE = 50


@pytest.fixture
def account(database: None) -> Iterator[Account]:
    ruling.forget()
    made = an_account()
    with transaction() as connection:
        for name, kind in (("a", "relay"), ("b", "direct"), ("c", "relay"), ("sink", "sink")):
            connection.exec_driver_sql(
                "INSERT INTO sources (id, account_id, name, kind, host, tls, username)"
                " VALUES (%s, %s, %s, %s, '127.0.0.1', 'none', %s)",
                (new_id(), made.id, name, kind, name),
            )
    yield made
    ruling.forget()


def _put(owner: UUID | None, document: dict[str, Any]) -> None:
    """Into force, past the checks: a rule about a source that is gone is a case, too."""
    with transaction() as connection:
        if owner is None:
            sql = "SELECT coalesce(max(version), 0) + 1 AS n FROM policies WHERE account_id IS NULL"
            version = rows(connection, sql)[0].n
        else:
            sql = "UPDATE accounts SET policy_version = policy_version + 1 WHERE id = %s RETURNING policy_version AS n"
            version = rows(connection, sql, owner)[0].n
        connection.exec_driver_sql(
            "INSERT INTO policies (id, account_id, version, document, author, reason) VALUES (%s, %s, %s, %s, '', '')",
            (new_id(), owner, version, as_json(document)),
        )


def _some_mail(dice: random.Random, account: Account) -> list[UUID]:
    drafts = []
    for _ in range(AT_ONCE):
        fields: dict[str, Any] = {
            "priority": dice.choice(TIERS),
            "tags": dice.sample(random_policies.TAGS, dice.randint(0, 2)),
            "text": "x" * dice.randint(0, 3000) + ".",
        }
        stream = dice.choice(random_policies.STREAMS)
        fields |= {"stream": stream} if stream else {}
        fields |= {"ttl": dice.randint(3000, 9999)} if dice.random() < 0.3 else {}
        address = f"u{dice.randint(0, 9)}@{dice.choice(random_policies.DOMAINS)}"
        drafts.append(a_draft(account, address, **fields))
    with transaction() as connection:
        writing.write(connection, current_settings(), drafts)
        for draft in drafts:
            if dice.random() < 0.5:
                connection.exec_driver_sql(
                    "UPDATE message_contents SET template_slug = 'otp-code' WHERE message_id = %s", (draft.id,)
                )
    return [draft.id for draft in drafts]


def _world_changes(dice: random.Random, account: Account) -> None:
    """Health of paths, what is known of domains, suppressions: whatever decisions go by."""
    with transaction() as connection:
        sources = rows(connection, "SELECT id FROM sources WHERE account_id = %s AND kind <> 'sink'", account.id)
        for row in dice.sample(sources, dice.randint(0, 2)):
            bad = dice.choice([0, 9])
            marks = Marks(good=dice.randint(0, 9), bad=bad, failures=bad)
            path_health.add(
                connection, {(row.id, dice.choice(["relay", "google", "example.net"])): marks}, time_scale=1.0
            )
        path_health.learn_places(
            connection, {"else.org": dice.choice([("google", ["mx.google.com"]), (None, ["mx.else.org"])])}
        )
        connection.exec_driver_sql("DELETE FROM suppressions")
        for number in dice.sample(range(10), 2):
            address = f"u{number}@{dice.choice(random_policies.DOMAINS)}"
            connection.exec_driver_sql(
                "INSERT INTO suppressions (id, account_id, recipient, recipient_key, reason)"
                " VALUES (%s, %s, %s, %s, %s)",
                (new_id(), account.id, address, address, dice.choice(["user_unsubscribed", "manual"])),
            )
        connection.exec_driver_sql("UPDATE sources SET enabled = %s WHERE name = 'c'", (dice.random() < 0.7,))
    ruling.forget()


def test_explaining_is_not_what_delivering_does(account: Account) -> None:
    dice, settings, paces = random.Random(2000), current_settings(), Paces(current_settings(), "explains")
    acts: Counter[str] = Counter()
    for round_number in range(max(1, CASES // AT_ONCE)):
        names = (*random_policies.NAMES, "gone")
        _put(account.id, random_policies.a_document(dice, names=names))
        if round_number % 3 == 0:
            _put(None, random_policies.a_document(dice, names=names))
        _world_changes(dice, account)
        ids = _some_mail(dice, account)
        with transaction() as connection:
            told = {
                each: explaining.explain_message(connection, settings, paces, account.principal, each) for each in ids
            }
        with transaction() as connection:
            routing.route(connection, ids)
            found = rows(connection, "SELECT m.*, s.name AS source FROM messages m LEFT JOIN sources s"
                                     " ON s.id = m.source_id WHERE m.id = ANY(%s::uuid[])", ids)  # fmt: skip
        for row in found:
            acts[_compare(told[row.id], row, settings.delivery_guarantee)] += 1
    assert sum(acts.values()) == max(1, CASES // AT_ONCE) * AT_ONCE
    assert CASES < 2000 or min(acts[each] for each in ("send", "hold", "wait", "reject", "suppressed")) >= 20, acts


STATUS = {"send": "accepted", "hold": "queued", "wait": "queued", "reject": "failed", "none": "failed"}


def _compare(told: dict[str, Any], row: Any, guarantee: str) -> str:
    """What was told of a message before it was routed, and the row as routing left it; answers the kind of case."""
    about, case = told["decision"], (told["decision"], row.decision, row.status)
    if told["suppression"] is not None and not told["suppression_passed"]:
        assert row.status == "suppressed", case
        return "suppressed"
    terms = {each["key"]: each["value"] for each in told["terms"]}
    act: str = about["act"]
    assert row.status == STATUS[act] and row.held == (act == "hold"), case
    names = ("act", "reason", "rule", "rule_origin", "pool", "source", "path", "tls", "until")
    if row.decision is not None:
        assert {name: about[name] for name in names} == {name: row.decision[name] for name in names}, case
        assert [(each["source"], each["excluded"]) for each in about["candidates"]] == [
            (each["source"], each["excluded"]) for each in row.decision["candidates"]
        ], case
    asked = [each["name"] for each in told["rules"] if each["asked"] and each["matched"]]
    assert asked == ([row.rule] if row.rule else []), case
    assert (row.rule, row.pool, row.tls) == (about["rule"], about["pool"], about["tls"]), case
    assert told["policy_version"] == row.policy_version, case
    if act == "send":
        assert (row.source, row.path) == (about["source"], about["path"]), case
        assert row.retry_preset == terms["retry"], case
        assert told["attempts"][0]["number"] == 1, case
    if act in ("send", "hold", "wait"):
        expires = None if row.expires_at is None else rfc3339(row.expires_at)
        assert expires == terms["expires_at"] == told["expires_at"], case
        assert (row.delivery_guarantee or guarantee) == terms["guarantee"], case
        assert choice_of(row.in_doubt, row.delivery_guarantee or guarantee) == terms["in_doubt"], case
    if act == "hold" and about["until"]:
        assert rfc3339(row.next_attempt_at) == about["until"], case
        assert row.next_attempt_at > datetime.fromisoformat(rfc3339(row.created_at)), case
    return act


def _values(connection: Any, owner: Owner) -> list[Any]:
    """Every value in force with its origin; by which version, may differ."""
    found = policies.in_force(connection, current_settings(), owner)
    return [{name: each[name] for name in ("key", "value", "origin")} for each in found]


@pytest.mark.parametrize("whose", ["account", "installation"])
def test_a_rollback_leaves_something_of_what_was_published(account: Account, whose: str) -> None:
    dice = random.Random(7)
    acts = ("pool", "automatic", "hold", "reject") if whose == "account" else ("automatic", "hold", "reject")
    mine, operator = Owner(account.id, account.principal), Owner(None, account.principal)
    owner = mine if whose == "account" else operator
    seen: dict[int, list[Any]] = {}
    documents: dict[int, Any] = {}

    def a_document() -> dict[str, Any]:
        found = random_policies.a_document(dice, acts=acts)
        # The operator has no sources here: neither pools nor paces can be its own.
        return found if whose == "account" else {name: found[name] for name in found if name not in ("pools", "pacing")}

    for _ in range(25):
        with transaction() as connection:
            policies.keep_draft(connection, owner, a_document())
            if not policies.draft(connection, owner)["differs"]:
                continue
            version = policies.publish(connection, owner, reason="a test")["version"]
            seen[version], documents[version] = (
                _values(connection, mine),
                policies.current(connection, owner)["document"],
            )
        with transaction() as connection:
            back = dice.choice(list(seen))
            if documents[back] == documents[version]:
                continue
            made = policies.roll_back(connection, owner, back, reason="it is worse")
            assert (made["restores"], made["document"]) == (back, documents[back])
            assert _values(connection, mine) == seen[back], f"version {made['version']} is not version {back}"
            assert policies.compare(connection, owner, back, made["version"])["changes"] == []
            # What it rules is what it ruled: the same decision of the same message by both.
            layers = [policies.layers(connection, mine, policies.get(connection, mine, each)["document"])
                      for each in (back, made["version"])] if whose == "account" else []  # fmt: skip
            assert not layers or [each.document for each in layers[0]] == [each.document for each in layers[1]]
            seen[made["version"]], documents[made["version"]] = seen[back], documents[back]
    assert len(seen) > 30
