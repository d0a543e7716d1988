"""Requirements S1 to S50 of the message calls, one test each, named by its number. Others stand where their area is.

One account and one mailbox serve the whole file; every test has its own addresses and keys.
"""

import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

import orjson
import pytest

from api import auth, create_app
from common import clock
from common.config import current_settings
from common.db import session
from common.domain.ids import new_id
from common.domain.lifecycle import STATUSES
from common.services import keys, quickstart
from common.services.quickstart import QUICKSTART_ACCOUNT
from tests.callers import Api, mail
from tests.pipeline import work_off

ID = re.compile(r"msg_[0-7][0-9a-hjkmnp-tv-z]{25}")
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
KINDS = {
    "otp-code": {"code": "847291", "expires_in": "5 minutes"},
    "password-reset": {"reset_url": "https://example.com/reset/1", "expires_in": "30 minutes"},
    "new-login-alert": {"device": "Firefox", "location": "Kyoto", "time": "12:00"},
    "invoice": {"invoice_number": "7", "amount": "12.00 EUR", "due_date": "2026-12-01"},
    "welcome": {"product": "Shop"},
    "payment-failed": {"amount": "12.00 EUR", "update_url": "https://example.com/pay"},
}


def templated(slug: str, **fields: Any) -> dict[str, Any]:
    return {"template": slug, "template_data": KINDS[slug], "text": ..., "subject": ...} | fields


def test_s1_a_kind_of_mail_needs_another_endpoint(api: Api) -> None:
    for slug in KINDS:
        api.send(recipient=f"s1-{slug}@example.net", **templated(slug))
    work_off()
    for slug in KINDS:
        assert len(api.caught(f"s1-{slug}@example.net")) == 1, slug


def test_s2_an_answer_is_not_json(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = [
        api.call("GET", "/v1/messages"),
        api.call("GET", "/nowhere"),
        api.call("PUT", "/v1/messages"),
        api.call("POST", "/v1/messages", b"{"),
        api.call("GET", "/v1/messages", key="nonsense"),
    ]
    monkeypatch.setattr("common.services.listing.find", lambda *_, **__: 1 / 0)
    answers.append(api.call("GET", "/v1/messages"))
    assert [answer.status_code for answer in answers] == [200, 404, 405, 400, 401, 500]
    for answer in answers:
        assert answer.mimetype in ("application/json", "application/problem+json")
        assert isinstance(orjson.loads(answer.data), dict)


WHOLE = frozenset(
    f"/v1/{name}"
    for name in (
        "dead-letters/causes",
        "source-profiles",
        "analytics",
        "policy/effective",
        "queues",
        "workers",
        "latency",
    )
)
"""Always all at once: their `data` has no pages."""


def test_s3_two_lists_have_different_envelopes(api: Api) -> None:
    rules = [
        rule.rule
        for rule in api.client.application.url_map.iter_rules()
        if "GET" in (rule.methods or ()) and rule.rule.startswith("/v1/") and not rule.arguments
    ]
    lists = [answer for path in rules if "data" in ((answer := api.call("GET", path)).get_json(silent=True) or {})]
    assert len(lists) >= 7
    for answer in lists:
        if answer.request.path in WHOLE:
            continue
        back = set() if answer.request.path == "/v1/events" else {"prev_cursor"}  # a stream leads on only
        assert {"data", "has_more", "next_cursor"} | back <= set(answer.get_json()), answer.request.path


def test_s4_a_key_that_does_not_count_is_let_in(api: Api) -> None:
    with session.transaction() as connection:
        made = keys.create(connection, QUICKSTART_ACCOUNT, environment="live", scopes=["messages:read"], name="s4")
        gone = keys.create(connection, QUICKSTART_ACCOUNT, environment="live", scopes=["messages:read"], name="s4b")
        connection.exec_driver_sql("UPDATE api_keys SET expires_at = now() - interval '1 s' WHERE id = %s", (made.id,))
        connection.exec_driver_sql("UPDATE api_keys SET revoked_at = now() WHERE id = %s", (gone.id,))
    wrong = api.live[:-1] + ("a" if api.live[-1] != "a" else "b")
    for token, code in ((wrong, "invalid_api_key"), (made.token, "expired_api_key"), (gone.token, "invalid_api_key")):
        answer = api.call("GET", "/v1/messages", key=token)
        assert (answer.status_code, answer.get_json()["code"]) == (401, code)
    missing = api.client.get("/v1/messages")
    assert (missing.status_code, missing.get_json()["code"]) == (401, "missing_api_key")


def test_s5_a_key_does_more_than_it_was_made_for(api: Api) -> None:
    with session.transaction() as connection:
        made = keys.create(connection, QUICKSTART_ACCOUNT, environment="live", scopes=["messages:send"], name="s5")
    assert api.call("POST", "/v1/messages", mail(recipient="s5@example.net"), made.token).status_code == 202
    for method, path in (("GET", "/v1/messages"), ("POST", "/v1/suppressions"), ("GET", "/v1/api-keys")):
        assert api.call(method, path, {}, made.token).get_json()["code"] == "insufficient_scope"
    with session.transaction() as connection:
        direct = session.rows(connection, "SELECT id FROM sources WHERE account_id IS NULL AND kind = 'direct'")[0].id
        usual = session.rows(connection, "SELECT default_source_id FROM accounts")[0].default_source_id
        connection.exec_driver_sql("UPDATE accounts SET default_source_id = %s", (direct,))
    message_id = api.send(api.test, recipient="s5-test@example.net")["message_id"]
    work_off()
    with session.transaction() as connection:
        connection.exec_driver_sql("UPDATE accounts SET default_source_id = %s", (usual,))
    assert api.read(message_id, key=api.test)["source"] == "mailbox"
    assert len(api.caught("s5-test@example.net")) == 1


def test_s6_a_refused_request_leaves_something(api: Api) -> None:
    with session.transaction() as connection:
        before = session.rows(connection, "SELECT count(*) AS n FROM messages")[0].n
    for body, key, status in (
        (mail(recipient="s6@example.net"), "nonsense", 401),
        (b'{"recipient": ', None, 400),
        (mail(**{"from": "me@elsewhere.example"}), None, 403),
        (mail(recipient=...), None, 422),
    ):
        assert api.call("POST", "/v1/messages", body, key).status_code == status
    with session.transaction() as connection:
        assert session.rows(connection, "SELECT count(*) AS n FROM messages")[0].n == before


def test_s7_a_missing_field_is_not_named(api: Api) -> None:
    for field in ("recipient", "subject"):
        answer = api.call("POST", "/v1/messages", mail(**{field: ...}))
        assert (answer.status_code, [each["field"] for each in answer.get_json()["errors"]]) == (422, [field])
    with session.transaction() as connection:
        connection.exec_driver_sql("UPDATE accounts SET default_sender = NULL")
    keys.forget()
    answer = api.call("POST", "/v1/messages", mail())
    assert (answer.status_code, [each["field"] for each in answer.get_json()["errors"]]) == (422, ["from"])
    with session.transaction() as connection:
        connection.exec_driver_sql("UPDATE accounts SET default_sender = %s", (quickstart.SENDER,))
    keys.forget()


def test_s17_a_live_key_is_taken_over_plain_http_where_it_must_not(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    strict = replace(current_settings(), require_https=True, trusted_proxies="127.0.0.1")
    monkeypatch.setattr(auth, "current_settings", lambda: strict)
    assert api.call("POST", "/v1/messages", mail(), X_Forwarded_Proto="https").status_code == 403, "anybody can say so"
    api = replace(api, client=create_app(strict).test_client())
    answer = api.call("POST", "/v1/messages", mail())
    assert (answer.status_code, answer.get_json()["code"]) == (403, "https_required")
    assert api.call("POST", "/v1/messages", mail(), X_Forwarded_Proto="http, https").status_code == 403
    assert api.call("POST", "/v1/messages", mail(), X_Forwarded_Proto="https").status_code == 202
    assert api.call("POST", "/v1/messages", mail(), api.test).status_code == 202


def test_s18_a_domain_nobody_verified_is_sent_from(api: Api) -> None:
    body = mail(**{"from": "me@elsewhere.example"})
    answer = api.call("POST", "/v1/messages", body)
    assert (answer.status_code, answer.get_json()["code"]) == (403, "sender_not_verified")
    assert api.call("POST", "/v1/messages", body, api.test).status_code == 202


def test_s21_a_starter_template_is_missing(api: Api) -> None:
    with session.transaction() as connection:
        found = {row.slug for row in session.rows(connection, "SELECT slug FROM templates")}
    assert set(KINDS) <= found


def test_s22_to_s25_the_answer_has_another_shape(api: Api) -> None:
    found = api.send(recipient="s22@example.net")
    assert set(found) == {"message_id", "status", "recipient", "created_at"}
    assert None not in found.values()
    assert ID.fullmatch(found["message_id"]) and found["message_id"] == found["message_id"].lower()
    assert found["status"] == "queued" and INSTANT.fullmatch(found["created_at"])
    assert len({api.send(recipient="s22@example.net")["message_id"][-12:] for _ in range(20)}) == 20


def test_s26_s27_the_answer_waits_for_delivery(api: Api) -> None:
    with session.transaction() as connection:
        connection.exec_driver_sql("UPDATE sources SET host = '192.0.2.1' WHERE name = 'mailbox'")
    found = api.send(recipient="s26@example.net")
    assert found["status"] == "queued"
    with session.transaction() as connection:
        connection.exec_driver_sql("UPDATE sources SET host = '127.0.0.1' WHERE name = 'mailbox'")


def test_s28_metadata_is_lost_on_the_way(api: Api) -> None:
    given = {"order": 1017, "shop": "kyoto", "paid": True, "share": 0.5}
    message_id = api.send(recipient="s28@example.net", metadata=given)["message_id"]
    work_off()
    assert api.read(message_id)["metadata"] == given
    events = api.read(message_id, "/events")["data"]
    assert [each["type"] for each in events] == ["message.queued", "message.accepted", "message.delivered"]
    assert all(each["data"]["metadata"] == given for each in events)
    assert not any("1017" in str(each) for each in api.caught("s28@example.net"))


def test_s29_s30_a_template_serves_one_product_only(api: Api) -> None:
    with session.transaction() as connection:
        one, two = (
            keys.create(connection, QUICKSTART_ACCOUNT, environment="live", scopes=["messages:send"], name=name)
            for name in ("s29 shop", "s29 lab")
        )
    api.send(one.token, recipient="s29-one@example.net", **templated("invoice"))
    other = KINDS["invoice"] | {"amount": "99.90 CHF", "due_date": "2027-01-31"}
    api.send(two.token, recipient="s29-two@example.net", **templated("invoice", template_data=other))
    work_off()
    ours, theirs = (str(api.caught(f"s29-{name}@example.net")[0]) for name in ("one", "two"))
    assert "12.00 EUR" in ours and "2026-12-01" in ours
    assert "99.90 CHF" in theirs and "2027-01-31" in theirs


def test_s32_a_file_or_an_inline_picture_is_lost(api: Api) -> None:
    files = [
        {"filename": "rechnung ü.pdf", "content": "JVBERi0=", "content_type": "application/pdf"},
        {"filename": "logo.png", "content": "iVBORw0=", "content_type": "image/png", "content_id": "logo"},
    ]
    api.send(recipient="s32@example.net", html='<img src="cid:logo">', attachments=files)
    work_off()
    (found,) = api.caught("s32@example.net")
    parts = {part.get_filename(): part for part in found.walk() if part.get_filename()}
    assert parts["rechnung ü.pdf"].get_payload(decode=True) == b"%PDF-"
    assert parts["logo.png"]["Content-ID"] == "<logo>"
    assert parts["logo.png"].get_content_disposition() == "inline"


def test_s33_a_code_is_sent_after_its_time(api: Api) -> None:
    first = api.send(recipient="s33@example.net", ttl=60)["message_id"]
    second = api.send(recipient="s33@example.net", expires_at=in_seconds(60))["message_id"]
    with session.transaction() as connection:
        connection.exec_driver_sql(
            "UPDATE messages SET expires_at = now() - interval '1 s' WHERE recipient_key = 's33@example.net'"
        )
    work_off()
    assert [api.read(each)["status"] for each in (first, second)] == ["expired", "expired"]
    assert api.caught("s33@example.net") == []


def test_s34_an_alert_takes_the_slow_way(api: Api) -> None:
    alert = api.send(recipient="s34@example.net", **templated("new-login-alert"))["message_id"]
    assert api.read(alert)["priority"] == "critical"
    bulk = api.send(recipient="s34@example.net", priority="bulk", **templated("new-login-alert"))["message_id"]
    assert api.read(bulk)["priority"] == "bulk"


def test_s35_a_printable_key_is_refused_or_an_odd_one_taken(api: Api) -> None:
    for key in ("0b3ba29e-6b1c-4b5d-9cf6-c4b8b0a2a1c5", "order 17/é"[:9], "~!@#$%^&*()_+{}|:<>?", "k" * 256, '"q\\"k"'):
        answer = api.call("POST", "/v1/messages", mail(recipient="s35@example.net"), Idempotency_Key=key)
        assert answer.status_code == 202, key
    for key in ("", " ", "k" * 257, "a\tb", "caf\xe9", "\xa0k", "k\x85"):
        answer = api.call("POST", "/v1/messages", mail(recipient="s35@example.net"), Idempotency_Key=key)
        assert (answer.status_code, answer.get_json()["code"]) == (400, "idempotency_key_invalid"), key


def test_s36_s37_a_replay_answers_something_newer(api: Api) -> None:
    body, key = mail(recipient="s36@example.net"), str(new_id())
    first = api.call("POST", "/v1/messages", body, Idempotency_Key=key)
    work_off()
    assert api.read(first.get_json()["message_id"])["status"] == "delivered"
    again = api.call("POST", "/v1/messages", body, X_Idempotency_Key=key)
    assert (again.status_code, again.data) == (first.status_code, first.data)
    assert again.headers["Idempotent-Replayed"] == "true" and "Idempotent-Replayed" not in first.headers
    work_off()
    assert len(api.caught("s36@example.net")) == 1


def test_s38_the_key_in_the_body_leaves_with_the_mail(api: Api) -> None:
    body = mail(recipient="s38@example.net", headers={"X-Idempotency-Key": "s38", "X-Case": "7"})
    first, again = (api.call("POST", "/v1/messages", body) for _ in range(2))
    outside = mail(recipient="s38@example.net", headers={"X-Case": "7"})
    third = api.call("POST", "/v1/messages", outside, Idempotency_Key="s38")
    assert first.data == again.data == third.data
    work_off()
    (found,) = api.caught("s38@example.net")
    assert found["X-Case"] == "7" and found["X-Idempotency-Key"] is None


def test_s42_a_field_is_missing_in_some_status(api: Api) -> None:
    message_id = api.send(recipient="s42@example.net")["message_id"]
    shapes = [set(api.read(message_id))]
    for status in STATUSES:
        with session.transaction() as connection:
            connection.exec_driver_sql(
                "UPDATE messages SET status = %s WHERE recipient_key = 's42@example.net'", (status,)
            )
        shapes.append(set(api.read(message_id)))
    assert len({frozenset(each) for each in shapes}) == 1
    assert {"status", "created_at", "delivered_at", "bounced_at", "recipient", "delivery"} <= shapes[0]


def test_s44_s45_a_cancelled_message_is_sent_or_a_sent_one_cancelled(api: Api) -> None:
    early = api.send(recipient="s44@example.net", scheduled_time=in_seconds(3600))["message_id"]
    taken = api.call("DELETE", f"/v1/messages/{early}")
    assert (taken.status_code, taken.get_json()["status"]) == (200, "cancelled")
    with session.transaction() as connection:
        connection.exec_driver_sql("UPDATE messages SET next_attempt_at = now() WHERE status = 'cancelled'")
    late = api.send(recipient="s45@example.net")["message_id"]
    work_off()
    answer = api.call("DELETE", f"/v1/messages/{late}")
    assert (answer.status_code, answer.get_json()["code"]) == (404, "not_cancellable")
    assert api.caught("s44@example.net") == [] and len(api.caught("s45@example.net")) == 1


def test_s47_s49_a_suppressed_address_gets_mail_or_a_synchronous_no(api: Api) -> None:
    added = api.call("POST", "/v1/suppressions", {"recipient": "s47@example.net", "reason": "user_unsubscribed"})
    assert added.status_code == 201
    message_id = api.send(recipient="S47@example.net")["message_id"]
    work_off()
    assert api.read(message_id)["status"] == "suppressed"
    assert [each["type"] for each in api.read(message_id, "/events")["data"]][-1] == "message.suppressed"
    assert api.caught("s47@example.net") == []


def test_s48_unsubscribes_are_another_store(api: Api) -> None:
    assert api.call("POST", "/v1/unsubscribes", {"recipient": "s48@example.net"}).status_code == 201
    for path in ("/v1/unsubscribes/s48@example.net", "/v1/suppressions/s48@example.net"):
        assert api.call("GET", path).get_json()["reason"] == "user_unsubscribed"
    listed = api.call("GET", "/v1/unsubscribes?recipient=s48@example.net").get_json()["data"]
    assert len(listed) == 1
    assert api.call("DELETE", "/v1/unsubscribes/s48@example.net").status_code == 204
    assert api.call("GET", "/v1/suppressions/s48@example.net").status_code == 404


def test_every_field_of_a_message_reaches_the_mail_or_the_reader(api: Api) -> None:
    given = mail(
        recipient={"email": "all@example.net", "name": "Ann Übel"},
        cc=["cc@example.net", {"email": "cc2@example.net", "name": "C"}],
        bcc="bcc@example.net",
        reply_to=["help@example.com"],
        subject="Grüße 🌱",
        html="<p>Hi</p>",
        headers={"X-Case": "7"},
        tags=["red", "blue"],
        metadata={"order": 7},
        priority="critical",
        ttl=3600,
        sensitive=True,
        locale="de-AT",
        stream="receipts",
        topic="shoes",
        **{"from": "Shop <shop@example.com>"},
    )
    message_id = api.send(**given)["message_id"]
    shown = api.read(message_id)
    assert shown["from"] == {"email": "shop@example.com", "name": "Shop"}
    assert (shown["sensitive"], shown["locale"], shown["stream"], shown["topic"]) == (
        True,
        "de-AT",
        "receipts",
        "shoes",
    )
    assert (shown["tags"], shown["metadata"], shown["priority"]) == (["red", "blue"], {"order": 7}, "critical")
    assert shown["expires_at"] is not None
    work_off()
    for recipient in ("all@example.net", "cc@example.net", "cc2@example.net", "bcc@example.net"):
        (found,) = api.caught(recipient)
        assert found["To"].addresses[0].display_name == "Ann Übel"
        assert found["Cc"] is not None and found["Bcc"] is None
        assert found["Reply-To"] == "help@example.com"
        assert found["Subject"] == "Grüße 🌱" and found["X-Case"] == "7"
        assert found["From"] == "Shop <shop@example.com>"


def in_seconds(seconds: float) -> str:
    return clock.rfc3339(clock.now() + timedelta(seconds=seconds))


SUPPRESSION = b"""{
"recipient": "user@example.com",
"reason": "user_unsubscribed"
}"""


def test_s20_s40_s42_s44_s47_a_printed_request_is_not_understood(api: Api) -> None:
    """Byte for byte as they are printed; the send is in test_api_requests.py."""
    listed = api.call("GET", "/v1/messages?status=delivered&limit=25")
    assert listed.status_code == 200 and len(listed.get_json()["data"]) <= 25
    for method in ("GET", "DELETE"):
        unknown = api.call(method, "/v1/messages/msg_abc123xyz")
        assert (unknown.status_code, unknown.get_json()["code"]) == (404, "not_found"), method
    added = api.call("POST", "/v1/suppressions", SUPPRESSION, api.test)
    assert added.status_code == 201
    assert (added.get_json()["recipient"], added.get_json()["reason"]) == ("user@example.com", "user_unsubscribed")
