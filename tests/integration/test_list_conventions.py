"""Every list alike: the same envelope, the same limits, the same errors, and pages that lose and repeat nothing.

The lists are found in the application itself, so that a new one is held to this as well.
"""

from typing import Any

import pytest
from werkzeug.routing import Rule

from api import create_app
from api.query import CURSOR, LIMIT
from common.config import read_settings
from common.db import session
from common.services import tls_results
from common.services.tls_results import Counted
from tests.callers import Api
from tests.pipeline import work_off

APP = create_app(read_settings({}))
STREAM = "/v1/events"
"""Goes on for ever in one direction, so it has no page before."""

FURNISHED = {
    "/v1/messages", "/v1/templates", "/v1/templates/<template>/versions", "/v1/suppressions", "/v1/unsubscribes",
    "/v1/webhooks", "/v1/webhooks/<webhook_id>/deliveries", "/v1/api-keys", "/v1/domains", "/v1/senders", "/v1/sources",
    "/v1/mailbox/messages", "/v1/policy/versions", "/v1/admin/accounts", "/v1/admin/accounts/<account_id>/api-keys",
    "/v1/tls-results", "/v1/holds", "/v1/dead-letters",
}  # fmt: skip
"""Those of which there are at least three here."""


def lists() -> list[Rule]:
    found = []
    for rule in APP.url_map.iter_rules():
        declared = getattr(APP.view_functions[rule.endpoint], "contract", None)
        if declared is not None and LIMIT in declared.query and "GET" in (rule.methods or ()):
            found.append(rule)
    return sorted(found, key=str)


@pytest.fixture(scope="module")
def paths(api: Api) -> dict[str, str]:
    """Every list's path, with three of what most of them show."""

    def make(path: str, body: Any = None, status: int = 201) -> dict[str, Any]:
        answer = api.call("POST", path, body, api.admin)
        assert answer.status_code == status, (path, answer.data)
        found: dict[str, Any] = answer.get_json()
        return found

    make("/v1/templates", {"slug": "listed", "subject": "First", "text": "Hello."})
    for number in range(3):
        hook = make("/v1/webhooks", {"url": f"https://example.com/{number}", "event_types": ["message.*"]})
        api.send(api.admin, recipient=f"user{number}@example.net")
        api.send(api.admin, recipient=f"bounced+{number}@simulator.sendarix.test")
        make("/v1/suppressions", {"recipient": f"stopped{number}@example.net"})
        make("/v1/unsubscribes", {"recipient": f"left{number}@example.net"})
        make("/v1/api-keys", {"scopes": ["messages:read"]})
        domain = make("/v1/domains", {"name": f"listed{number}.example"})
        make("/v1/senders", {"email": f"a{number}@{domain['name']}"})
        make("/v1/sources", {"name": f"way{number}", "kind": "relay", "host": "relay.example.com"})
        account = make("/v1/admin/accounts", {"name": f"Account {number}"})
        alert = make("/v1/alerts", {"name": f"Alert {number}", "kind": "bounces", "tag": f"t{number}"})
        make("/v1/holds", {"reason": f"a look {number}", "match": {"tag": f"t{number}"}})
        assert api.call("PATCH", "/v1/templates/listed", {"subject": f"Again {number}"}, api.admin).status_code == 200
        make("/v1/templates/listed/publish", {}, 200)
    for number in range(3):
        make(f"/v1/admin/accounts/{account['id']}/api-keys", {"scopes": ["messages:read"]})
        api.call("PUT", "/v1/policy/draft", {"ttl": {"tiers": {"bulk": 3600 + number}}}, api.admin)
        make("/v1/policy/publish", {"reason": f"the {number}. time"})
    work_off()
    with session.transaction() as connection:
        days = [Counted(f"2026-04-1{day}", "acme.example", "sts", "mx", "success", 1) for day in range(4)]
        tls_results.add(connection, days)
    ids = {"webhook_id": hook["id"], "account_id": account["id"], "alert_id": alert["id"], "template": "listed"}
    found = {}
    for rule in lists():
        path = rule.rule
        for name in rule.arguments:
            path = path.replace(f"<{name}>", ids[name])
        found[rule.rule] = path
    return found


def page(api: Api, path: str, **given: Any) -> Any:
    query = "&".join(f"{name}={value}" for name, value in given.items())
    return api.call("GET", f"{path}?{query}", key=api.admin)


@pytest.mark.parametrize("rule", [rule.rule for rule in lists()])
def test_s3_a_list_has_another_shape_or_other_limits(api: Api, paths: dict[str, str], rule: str) -> None:
    path = paths[rule]
    answer = page(api, path, limit=1)
    assert answer.status_code == 200, answer.data
    keys = {"data", "has_more", "next_cursor"} | (set() if rule == STREAM else {"prev_cursor"})
    assert set(answer.get_json()) == keys and len(answer.get_json()["data"]) <= 1
    for wrong in ("0", "101", "-1", "1.0", "x", "", "9" * 30):
        refused = page(api, path, limit=wrong)
        assert (refused.status_code, refused.get_json()["code"]) == (400, "invalid_parameter"), wrong
        told = refused.get_json()["errors"][0]
        assert (told["field"], told["location"]) == ("limit", "query")
    assert page(api, path, limit=100).status_code == 200
    for query, code in (("limit=1&limit=2", "invalid_parameter"), ("colour=red", "invalid_parameter"),
                        ("cursor=abc", "invalid_cursor"), ("cursor=", "invalid_cursor")):  # fmt: skip
        refused = api.call("GET", f"{path}?{query}", key=api.admin)
        assert (refused.status_code, refused.get_json()["code"]) == (400, code), query
    assert CURSOR in APP.view_functions[_endpoint(rule)].contract.query or rule == STREAM  # type: ignore[attr-defined]


def _endpoint(rule: str) -> str:
    return next(each.endpoint for each in lists() if each.rule == rule)


@pytest.mark.parametrize("rule", [rule.rule for rule in lists() if rule.rule != STREAM])
def test_s40_a_walk_through_a_list_loses_or_repeats_something(api: Api, paths: dict[str, str], rule: str) -> None:
    path = paths[rule]
    whole = page(api, path, limit=100).get_json()["data"]
    assert len(whole) >= (3 if rule in FURNISHED else 0), "nothing is walked through here"
    forward, cursor, pages = [], "", []
    while True:
        answer = page(api, path, limit=2, **({"cursor": cursor} if cursor else {}))
        body = answer.get_json()
        pages.append(body)
        forward += body["data"]
        assert body["has_more"] == (body["next_cursor"] is not None)
        assert ('rel="next"' in answer.headers.get("Link", "")) == body["has_more"]
        cursor = body["next_cursor"] or ""
        if not cursor:
            break
    assert forward == whole
    assert pages[0]["prev_cursor"] is None
    for before, here in zip(pages, pages[1:], strict=False):
        back = page(api, path, limit=2, cursor=here["prev_cursor"]).get_json()
        assert back["data"] == before["data"]
    if len(pages) > 1:
        other = page(api, "/v1/users" if rule != "/v1/users" else "/v1/webhooks", cursor=pages[0]["next_cursor"])
        assert other.get_json()["code"] == "invalid_cursor", "a cursor of one list leads into another"
