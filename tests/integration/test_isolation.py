"""E3: nobody reaches what is another's: every route with every id, by another account's key and by the other
environment's. The routes are read off the application, so a new one that is not covered here fails.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import orjson
import pytest
from flask import Flask
from werkzeug.routing import Rule

from api import create_app
from api.openapi.shapes import example_of
from common import clock
from common.config import current_settings, read_settings
from common.db import session
from common.domain.ids import decode, encode, new_id
from common.domain.outcomes import Outcome
from common.domain.principals import SCOPES
from common.services import accounts, composing, delivery, domains, issuing, keys

MARK = "only-for-anna"
"""In everything that the first account makes: whoever else reads it, has seen too much."""

ACCOUNT_WIDE = {"account", "domains", "policy", "policy_trials", "senders", "sources", "templates", "users"}
"""Blueprints whose things belong to both environments of an account."""

INSTALLATION_WIDE = {"pacing", "reply_rules", "tls_results", "unknown_replies", "workers"}
"""Blueprints whose things belong to no account: all may read some of them, only an operator changes any."""

EVERYBODYS_NAMES = {"queues"}
"""Blueprints whose things have the same names for everybody; tests/integration/test_queues.py looks whose they are."""

BODIES: dict[str, Any] = {
    "messages.reschedule_message": {"scheduled_time": None},
    "templates.publish_template": {},
    "templates.change_template": {"name": "taken"},
    "templates.preview_template": {},
    "templates.duplicate_template": {"slug": "stolen"},
    "templates.test_send_template": {"recipient": "mallory@example.org", "from": "mallory@example.com"},
    "webhooks.change_webhook": {"description": "taken"},
    "webhooks.enable_webhook": {},
    "webhook_replays.replay_webhook": {"since": "2026-01-01T00:00:00Z"},
    "api_keys.change_api_key": {"name": "taken"},
    "api_keys.rotate_api_key": {},
}
"""Of routes whose example does not fit."""

QUERIES = {"templates.compare_template_versions": "?from=1&to=1"}
FOLLOWED = {"events.follow_events"}
"""Streams that do not end; they read what `GET /v1/events` reads."""


@dataclass
class House:
    """The application, three callers, and the ids of one of everything that the first of them has."""

    app: Flask
    anna: str
    anna_test: str
    mallory: str
    operator: str
    ids: dict[str, list[str]] = field(default_factory=dict)

    def ask(self, method: str, path: str, key: str, body: Any = None) -> Any:
        client = self.app.test_client()
        return client.open(path, method=method, json=body, headers={"Authorization": f"Bearer {key}"})

    def make(self, path: str, body: Any) -> dict[str, Any]:
        answer = self.ask("POST", path, self.anna, body)
        assert answer.status_code in (200, 201, 202), (path, answer.data)
        found: dict[str, Any] = answer.json
        return found


@pytest.fixture(scope="module")
def house(engines: Any) -> Iterator[House]:
    keys.forget()
    composing.forget()
    everything = [each for each in SCOPES if each != "admin"]
    with session.transaction() as connection:
        first, second = (
            accounts.create(connection, {"name": name, "requests_per_minute": 1_000_000}) for name in (MARK, "Mallory")
        )
        tokens = []
        for account, environment in ((first, "live"), (first | {"name": "t"}, "test"), (second, "live")):
            account_id = decode("acc", account["id"])
            assert account_id is not None
            domains.declare_verified(connection, current_settings(), account_id, "example.com")
            fields = {"environment": environment, "scopes": everything, "name": account["name"]}
            tokens.append(issuing.create_for(connection, account_id, fields)["secret"])
        fields = {"environment": "live", "scopes": ["admin"]}
        operator = issuing.create_for(connection, decode("acc", second["id"]) or new_id(), fields)["secret"]
    found = House(create_app(read_settings(rate_limit_per_minute=1_000_000)), *tokens, operator)
    _furnish(found, first["id"])
    yield found
    keys.forget()
    with session.transaction() as connection:
        connection.exec_driver_sql(
            "TRUNCATE accounts, messages, suppressions, dead_letters, jobs, events, holds CASCADE"
        )


def _furnish(house: House, account_id: str) -> None:
    """One of everything. A variable of a path that is missing here fails the test that looks for it."""
    webhook = house.make("/v1/webhooks", {"url": f"https://example.org/{MARK}"})
    mail = {"recipient": f"{MARK}@example.net", "from": "anna@example.com", "subject": MARK, "text": MARK}
    answer = house.app.test_client().post(
        "/v1/messages", json=mail, headers={"Authorization": f"Bearer {house.anna}", "Idempotency-Key": MARK}
    )
    message = answer.json
    assert message is not None and answer.status_code == 202, answer.data
    _kill(message["message_id"])
    suppression = house.make("/v1/suppressions", {"recipient": f"{MARK}@example.org", "reason": "user_unsubscribed"})
    key = house.make("/v1/api-keys", {"scopes": ["messages:read"], "name": MARK})
    template = house.make("/v1/templates", {"slug": MARK, "name": MARK, "subject": MARK, "text": MARK})
    house.ask("POST", f"/v1/templates/{MARK}/publish", house.anna, {})
    user = house.make("/v1/users", {"email": f"{MARK}@example.com", "role": "support"})
    domain = house.make("/v1/domains", {"name": f"{MARK}.example"})
    sender = house.make("/v1/senders", {"email": f"hello@{MARK}.example", "name": MARK})
    source = house.make("/v1/sources", {"name": MARK, "kind": "relay", "host": "smtp.example.org", "tls": "required"})
    tried = house.make(f"/v1/sources/{source['id']}/tests", {})
    house.ask("PUT", "/v1/policy/draft", house.anna, {"rules": [{"name": MARK, "act": "automatic"}]})
    house.make("/v1/policy/publish", {"reason": MARK})
    replay = house.make(f"/v1/webhooks/{webhook['id']}/replay", {"since": "2026-01-01T00:00:00Z"})
    hold = house.make("/v1/holds", {"match": {"tag": MARK}, "reason": MARK})
    job = house.make("/v1/dead-letters/discard", {"message_ids": [message["message_id"]], "reason": MARK})
    alert = house.make("/v1/alerts", {"name": MARK, "kind": "bounces", "tag": MARK})
    with session.transaction() as connection:
        row = connection.exec_driver_sql("SELECT id FROM webhook_deliveries LIMIT 1").one()
    house.ids = {
        "message_id": [message["message_id"]],
        "which": [suppression["id"], suppression["recipient"]],
        "webhook_id": [webhook["id"]],
        "delivery_id": [encode("whd", row.id)],
        "key_id": [key["id"]],
        "source_id": [source["id"]],
        "test_id": [tried["id"]],
        "domain_id": [domain["id"]],
        "sender_id": [sender["id"]],
        "user_id": [user["id"]],
        "account_id": [account_id],
        "hold_id": [hold["id"]],
        "alert_id": [alert["id"]],
        "job_id": [job["id"], replay["id"]],
        "template": [MARK, *([template["id"]] if "id" in template else [])],
        "version": ["1"],
        "policy_version": ["2"],
        "key": [MARK],
        "mail_id": [encode("mbx", new_id())],
    }


def _kill(message_id: str) -> None:
    which = decode("msg", message_id)
    assert which is not None
    with session.transaction() as connection:
        connection.exec_driver_sql("UPDATE messages SET status = 'accepted' WHERE id = %s", (which,))
        claimed = delivery.claim(connection, [which], new_id(), 15)
        refused = Outcome("bounced", "rcpt", 554, "5.7.1", f"5.7.1 {MARK}", "policy")
        delivery.record(connection, current_settings(), [(each, refused) for each in claimed], clock.now())


ROUTES = [rule for rule in create_app(read_settings({})).url_map.iter_rules() if rule.rule.startswith("/v1")]
OWNED = [rule for rule in ROUTES if rule.endpoint.partition(".")[0] not in INSTALLATION_WIDE]
SHARED = [rule for rule in ROUTES if rule not in OWNED]
WITH_IDS = [rule for rule in OWNED if rule.arguments and rule.endpoint.partition(".")[0] not in EVERYBODYS_NAMES]
LISTS = [rule for rule in OWNED if not rule.arguments and "GET" in (rule.methods or ())]


def _paths(house: House, rule: Rule) -> list[str]:
    missing = rule.arguments - house.ids.keys()
    assert not missing, f"{rule}: make one in _furnish and give its id as {sorted(missing)}"
    paths = [rule.rule]
    for name in rule.arguments:
        kinds = [f"<{name}>", f"<path:{name}>", f"<int:{name}>"]
        paths = [_filled(path, kinds, each) for path in paths for each in house.ids[name]]
    return [path + QUERIES.get(rule.endpoint, "") for path in paths]


def _filled(path: str, kinds: list[str], value: str) -> str:
    for kind in kinds:
        path = path.replace(kind, value)
    return path


def _calls(house: House, rule: Rule) -> Iterator[tuple[str, str, Any]]:
    view: Any = house.app.view_functions[rule.endpoint]
    takes = view.contract.takes
    body = BODIES.get(rule.endpoint, example_of(takes) if isinstance(takes, type) else None)
    for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
        for path in _paths(house, rule):
            yield method, path, body if method != "GET" else None


def _everything(house: House, base: str) -> dict[str, Any]:
    """What the first account reads at every address under `/v1/{base}`."""
    found = {}
    for rule in WITH_IDS:
        if "GET" in (rule.methods or ()) and rule.rule.split("/")[2] == base:
            for path in _paths(house, rule):
                answer = house.ask("GET", path, house.anna)
                found[path] = answer.data if answer.status_code == 200 else None
    return found


@pytest.mark.parametrize("rule", WITH_IDS, ids=lambda rule: f"{rule.endpoint}")
def test_e3_an_id_opens_what_is_anothers(house: House, rule: Rule) -> None:
    admin = rule.rule.startswith("/v1/admin")
    before = None if admin else _read(house, rule)
    callers = [house.mallory]
    if rule.endpoint.partition(".")[0] not in ACCOUNT_WIDE:
        callers.append(house.anna_test)
    for key in callers:
        for method, path, body in _calls(house, rule):
            answer = house.ask(method, path, key, body)
            code = orjson.loads(answer.data)["code"] if answer.data else ""
            wanted = (403, "insufficient_scope") if admin else (404, "not_found")
            assert (answer.status_code, code) == wanted, (
                f"{method} {path}: {answer.data!r}; if the body is at fault, give BODIES one for {rule.endpoint}"
            )
            assert MARK not in answer.text.replace(path.partition("?")[0], "")
    assert admin or _read(house, rule) == before, "what another did has changed something"


def _read(house: House, rule: Rule) -> dict[str, Any]:
    """What its owner reads at this address and its neighbours: proof that the ids are real."""
    base = rule.rule.split("/")[2]
    read = _everything(house, base)
    assert base == "mailbox" or any(read.values()), f"the owner reads nothing under {base}: the ids prove nothing"
    return read


@pytest.mark.parametrize("rule", LISTS, ids=lambda rule: f"{rule.endpoint}")
def test_e3_a_list_shows_what_is_anothers(house: House, rule: Rule) -> None:
    if rule.endpoint in FOLLOWED or rule.rule.startswith("/v1/admin"):
        return
    callers = [house.mallory]
    if rule.endpoint.partition(".")[0] not in ACCOUNT_WIDE:
        callers.append(house.anna_test)
    known = [each for name, ids in house.ids.items() if not name.endswith("version") for each in ids]
    for key in callers:
        answer = house.ask("GET", rule.rule, key)
        assert answer.status_code in (200, 404), (rule.rule, answer.data)
        seen = [each for each in known if each in answer.text]
        assert not seen, f"GET {rule.rule} shows {seen}"


def test_e3_the_lists_are_empty_for_everybody(house: House) -> None:
    """What would make the tests above pass for nothing."""
    shown = [rule.rule for rule in LISTS if rule.endpoint not in FOLLOWED
             and MARK in house.ask("GET", rule.rule, house.anna).text]  # fmt: skip
    for each in ("messages", "suppressions", "webhooks", "api-keys", "dead-letters", "templates", "jobs", "events"):
        assert any(path.startswith(f"/v1/{each}") for path in shown) or each == "jobs", f"/v1/{each} shows nothing"


@pytest.mark.parametrize("rule", SHARED, ids=str)
def test_e4_what_all_share_is_changed_by_one(house: House, rule: Rule) -> None:
    """They are not made here: whoever may change them is decided before they are looked for."""
    path = re.sub("<[^>]+>", "x", rule.rule)
    for method in (rule.methods or set()) - {"HEAD", "OPTIONS", "GET"}:
        assert house.ask(method, path, house.anna, {}).status_code == 403


@pytest.mark.parametrize("rule", [rule for rule in ROUTES if rule.rule.startswith("/v1/admin")], ids=str)
def test_e4_the_operators_routes_open_to_an_account(house: House, rule: Rule) -> None:
    for method, path, body in _calls(house, rule):
        assert house.ask(method, path, house.anna, body).status_code == 403
        if method == "GET":
            assert house.ask(method, path, house.operator).status_code == 200
