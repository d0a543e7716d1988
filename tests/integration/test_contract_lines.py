"""Lines of the API's contract that no other file proves: answers, errors, ids, times, and what the dashboard adds.

Each is named after the requirement or the section it belongs to. What is proved elsewhere is not repeated.
"""

import ast
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from api import create_app
from api.dashboard.deeds import DEEDS
from common import clock
from common.config import read_settings
from common.db import session
from common.domain.ids import decode
from common.services import keys
from common.services.quickstart import QUICKSTART_ACCOUNT
from tests.callers import Api, mail
from tests.pipeline import work_off

ROOT = Path(__file__).parents[2]
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
PREFIXES = ("msg_", "evt_", "whk_", "dom_", "key_", "tpl_")
IDENT = re.compile(r"[a-z]{3}_[0-7][0-9a-hjkmnp-tv-z]{25}")


def in_minutes(minutes: float, zone: str = "Z") -> str:
    moment = clock.rfc3339(clock.now() + timedelta(minutes=minutes))
    return moment if zone == "Z" else moment.replace("Z", zone)


def values(found: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every value of a JSON document with its path."""
    if isinstance(found, dict):
        for name, each in found.items():
            yield from values(each, f"{path}.{name}")
    elif isinstance(found, list):
        for each in found:
            yield from values(each, path)
    else:
        yield path, found


# 1.3: the error body


def test_a_flood_of_faults_is_told_whole_or_echoes_what_was_sent(api: Api) -> None:
    answer = api.call("POST", "/v1/messages", {f"{'x' * 300}{number}": "secret" * 50 for number in range(300)})
    body = answer.get_json()
    assert (answer.status_code, len(body["errors"])) == (422, 100)
    assert len(answer.data) < 100_000 and "secret" not in answer.text
    assert all(len(each["message"]) < 200 and "x" * 81 not in each["message"] for each in body["errors"])


def test_an_error_lacks_a_member(api: Api) -> None:
    for method, path, given, located in (
        ("POST", "/v1/messages", mail(recipient="x"), "pointer"),
        ("GET", "/v1/messages?limit=0", None, "location"),
    ):
        body = api.call(method, path, given).get_json()
        members = {"type", "title", "status", "detail", "instance", "code", "request_id", "retryable", "errors"}
        assert members <= set(body) and body["instance"] == path.partition("?")[0]
        assert body["type"] == f"/docs/errors/{body['code']}"
        assert api.client.get(body["type"]).status_code == 200, "the type leads to a page"
        (told,) = body["errors"]
        assert {"field", "code", "message", located} <= set(told)
    pointer = api.call("POST", "/v1/messages", mail(template="otp-code", template_data={}, subject=..., text=...))
    assert {each["pointer"] for each in pointer.get_json()["errors"]} == {
        "#/template_data/code", "#/template_data/expires_in"}  # fmt: skip


# 1.5: keys


def test_a_key_has_another_form_or_a_typo_costs_a_look(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    for token, environment in ((api.live, "live"), (api.test, "test")):
        assert re.fullmatch(rf"sk_{environment}_sdx_[0-9A-Za-z]{{54,}}", token)
    looked: list[str] = []
    monkeypatch.setattr(keys, "transaction", lambda: looked.append("x") or session.transaction())
    wrong = api.live[:-1] + ("a" if api.live[-1] != "a" else "b")
    assert api.call("GET", "/v1/messages", key=wrong).status_code == 401
    assert not looked
    with session.transaction() as connection:
        kept = session.rows(connection, "SELECT * FROM api_keys")
    assert all(api.live not in str(row) and api.live[-40:-6] not in str(row) for row in kept)


# 1.6: quotas


def test_s13_a_success_or_a_refusal_lacks_a_header_of_the_quota(api: Api) -> None:
    small = create_app(read_settings(max_body_bytes=10)).test_client()
    bearer = {"Authorization": f"Bearer {api.live}"}
    answers = [
        api.call("POST", "/v1/messages", mail()),
        api.call("GET", "/v1/messages"),
        api.call("POST", "/v1/messages", {}),
        api.call("POST", "/v1/messages", b"{"),
        api.call("GET", "/v1/nowhere"),
        api.call("PUT", "/v1/messages"),
        api.call("GET", "/v1/messages", key="nonsense"),
        small.post("/v1/messages", data=b" " * 11, content_type="application/json", headers=bearer),
        api.client.get("/healthz"),
        api.client.get("/openapi.json"),
    ]
    assert [each.status_code for each in answers] == [202, 200, 422, 400, 404, 405, 401, 413, 200, 200]
    for answer in answers:
        limit, left, reset = (int(answer.headers[f"X-RateLimit-{name}"]) for name in ("Limit", "Remaining", "Reset"))
        assert 0 <= left <= limit and reset > clock.now().timestamp() - 1
        name, told, window = re.fullmatch(r'"(\w+)";q=(\d+);w=(\d+)', answer.headers["RateLimit-Policy"]).groups()  # type: ignore[union-attr]
        assert (name in ("send", "read", "auth"), int(told), window) == (True, limit, "60")
        assert re.fullmatch(rf'"{name}";r={left};t=\d+', answer.headers["RateLimit"])
        assert answer.headers["X-Request-Id"].startswith("req_") and "Sendarix-Version" in answer.headers


def test_the_callers_own_request_id_is_lost_or_breaks_a_header(api: Api) -> None:
    for given, kept in (("theirs-1", "theirs-1"), ("x" * 129, None), ("a b", None), ("<script>", None)):
        answer = api.call("GET", "/v1/messages", X_Request_Id=given)
        assert answer.headers.get("X-Client-Request-Id") == kept


# 1.7: ids, times, pages


def test_s25_a_time_or_an_id_is_written_otherwise(api: Api) -> None:
    message_id = api.send(recipient="s25@example.net", scheduled_time=in_minutes(-1))["message_id"]
    work_off()
    hook = api.call("POST", "/v1/webhooks", {"url": "https://example.com/s25"}).get_json()
    paths = [f"/v1/messages/{message_id}{part}" for part in ("", "/events", "/attempts", "/trace")]
    paths += [f"/v1/webhooks/{hook['id']}", "/v1/suppressions", "/v1/domains", "/v1/api-keys", "/v1/templates"]
    times = ids = 0
    for path in paths:
        for place, value in values(api.call("GET", path).get_json()):
            if place.endswith(("_at", "timestamp", "_time")) and isinstance(value, str):
                assert INSTANT.fullmatch(value), (path, place, value)
                times += 1
            if (
                place.endswith((".id", "_id"))
                and isinstance(value, str)
                and value[:4] in ("msg_", "evt_", "whk_", "dom_", "key_", "tpl_")
            ):
                assert IDENT.fullmatch(value) and decode(value[:3], value) is not None, (path, place, value)
                ids += 1
    assert times > 10 and ids > 10


DAY = 24 * 60


@pytest.mark.parametrize(
    ("minutes", "zone", "status", "code"),
    [
        (-4, "Z", 202, "queued"),
        (-6, "Z", 422, "in_past"),
        (30 * DAY - 5, "Z", 202, "scheduled"),
        (30 * DAY + 5, "Z", 422, "too_far"),
        (60, "", 422, "invalid_format"),
        (60, "+00:00", 202, "scheduled"),
        (10 * 60, "+09:00", 202, "scheduled"),
        (None, "tomorrow", 422, "invalid_format"),
        (None, 1_800_000_000, 422, "invalid_type"),
    ],
)
def test_s31_a_time_to_send_at_is_read_otherwise(
    api: Api, minutes: int | None, zone: Any, status: int, code: str
) -> None:
    given = zone if minutes is None else in_minutes(minutes, zone)
    answer = api.call("POST", "/v1/messages", mail(recipient="s31@example.net", scheduled_time=given))
    assert answer.status_code == status, answer.data
    body = answer.get_json()
    if status == 422:
        assert [(each["field"], each["code"]) for each in body["errors"]] == [("scheduled_time", code)]
        return
    assert body["status"] == code and ("scheduled_time" in body) == (code == "scheduled")
    if code == "scheduled":
        assert INSTANT.fullmatch(body["scheduled_time"]), "offsets are told in UTC"


def test_s31_a_scheduled_message_leaves_early_or_never(api: Api) -> None:
    message_id = api.send(recipient="s31-early@example.net", scheduled_time=in_minutes(60))["message_id"]
    work_off()
    shown = api.read(message_id)
    assert (shown["status"], shown["waiting"]["for"]) == ("scheduled", "time")
    assert not api.caught("s31-early@example.net")
    with session.transaction() as connection:
        connection.exec_driver_sql(
            "UPDATE messages SET next_attempt_at = now() WHERE id = %s", (decode("msg", message_id),)
        )
    work_off()  # it is released, and then it is routed
    work_off()
    assert api.read(message_id)["status"] == "delivered"
    assert len(api.caught("s31-early@example.net")) == 1


def test_s40_a_page_has_another_size_or_no_link(api: Api) -> None:
    batch = {"messages": [mail(recipient=f"s40-{number}@example.net", tags=["s40"]) for number in range(30)]}
    assert api.call("POST", "/v1/messages/batch", batch).status_code == 202
    answer = api.call("GET", "/v1/messages?tag=s40")
    body = answer.get_json()
    assert (len(body["data"]), body["has_more"]) == (25, True)
    link = re.fullmatch(r'<(/v1/messages\?[^>]+)>; rel="next"', answer.headers["Link"])
    assert link is not None
    rest = api.call("GET", link[1]).get_json()
    assert (len(rest["data"]), rest["has_more"], rest["next_cursor"]) == (5, False, None)
    moments = [each["created_at"] for each in body["data"] + rest["data"]]
    assert moments == sorted(moments, reverse=True)


# 1.8: the message


def test_s42_a_field_of_the_contract_is_not_shown(api: Api) -> None:
    message_id = api.send(recipient="s42-all@example.net", tags=["a"], metadata={"b": 1})["message_id"]
    work_off()
    shown = api.read(message_id)
    named = "from subject template tags metadata environment priority attempts last_event next_attempt_at accepted_at"
    named += " delivered_at bounced_at delivery guarantee idempotency_key status recipient created_at scheduled_time"
    assert not set(named.split()) - set(shown)
    assert {"type", "seq", "timestamp"} <= set(shown["last_event"])
    assert {"mx", "ip", "tls", "code", "enhanced", "reply"} <= set(shown["delivery"])
    assert (shown["bounced_at"], shown["template"], shown["idempotency_key"]) == (None, None, None), (
        "null, not left out"
    )


# 1.9: limits of templates


def test_s8_a_rendered_mail_outgrows_ten_megabytes(api: Api) -> None:
    made = {"slug": "s8-large", "subject": "x", "html": "<p>{% for each in lines %}{{ text }}{% endfor %}</p>"}
    made["variables"] = [{"name": "lines", "type": "list"}, {"name": "text", "type": "string"}]
    assert api.call("POST", "/v1/templates", made).status_code == 201
    published = api.call("POST", "/v1/templates/s8-large/publish", {})
    assert published.status_code == 200, published.data
    data = {"lines": list(range(1000)), "text": "y" * 20_000}
    answer = api.call("POST", "/v1/messages", mail(template="s8-large", template_data=data, subject=..., text=...))
    assert (answer.status_code, answer.get_json()["errors"][0]["code"]) == (422, "template_error")


# S16, S70


def test_s16_the_advice_about_large_files_is_nowhere() -> None:
    text = (ROOT / "docs" / "api.md").read_text()
    assert "signed link" in text and "large_message" in text


def test_s70_the_dashboard_does_what_the_api_cannot() -> None:
    """Every button is a request of the public API, and no page reaches past it: only who signs in is its own."""
    rules = create_app(read_settings({})).url_map
    known = {
        (method, re.sub(r"<[^>]+>", "{}", rule.rule)) for rule in rules.iter_rules() for method in rule.methods or ()
    }
    for name, deed in DEEDS.items():
        assert (deed.method, re.sub(r"\{[^}]+\}", "{}", deed.path)) in known, name
    reached = set()
    for path in (ROOT / "api" / "dashboard").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("common.services"):
                reached |= {each.name for each in node.names}
    assert reached <= {"sessions", "users", "passwords", "auditing", "Act"}, reached


def test_s70_rules_queues_and_policy_are_read_but_not_written(api: Api) -> None:
    """What decides about mail is read, changed and read again through the API alone."""
    document = {"rules": [{"name": "s70", "when": {"tag": ["s70"]}, "act": "hold", "reason": "a look"}]}
    put = api.call("PUT", "/v1/policy/draft", document, api.admin)
    assert put.status_code == 200, put.data
    made = api.call("POST", "/v1/policy/publish", {"reason": "s70"}, api.admin).get_json()
    assert api.call("GET", "/v1/policy").get_json()["document"] == made["document"] == document
    message_id = api.send(recipient="s70@example.net", tags=["s70"])["message_id"]
    work_off()
    shown = api.read(message_id)
    assert shown["held"] is True and not api.caught("s70@example.net")
    explained = api.call("POST", "/v1/routing/explain", mail(tags=["s70"]), api.admin)
    assert explained.status_code == 200 and "s70" in explained.text
    pause = api.call("POST", "/v1/queues/routing.bulk/pause", {"reason": "s70"}, api.admin)
    assert pause.status_code == 200, pause.data
    assert api.call("GET", "/v1/queues/routing.bulk", key=api.admin).get_json()["paused"]["reason"] == "s70"
    assert api.call("POST", "/v1/queues/routing.bulk/resume", {}, api.admin).status_code == 200
    assert api.call("POST", "/v1/policy/versions/1/rollback", {"reason": "s70 is over"}, api.admin).status_code == 201


def test_s6_a_quota_is_not_asked_before_the_body_is_read(api: Api) -> None:
    """The order of checks: who, how often, readable, allowed, right."""
    with session.transaction() as connection:
        made = keys.create(connection, QUICKSTART_ACCOUNT, environment="live", scopes=["messages:read"], name="s6")
    for key, body, status in (
        ("nonsense", b"{", 401),
        (made.token, b"{", 403),
        (None, b"{", 400),
        (None, b'{"recipient": 7}', 422),
    ):
        assert api.call("POST", "/v1/messages", body, key).status_code == status
