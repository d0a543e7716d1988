"""Templates as their author works: draft, publish, versions, compare, roll back, preview, test. The HTTP contract."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient
from redis import Redis

from api import create_app
from common.config import current_settings, read_settings
from common.db import session
from common.services import composing, keys, quickstart

Call = Callable[..., Any]
DRAFT = {
    "slug": "order-shipped",
    "name": "Order shipped",
    "subject": "Order {{ order }} is on its way",
    "html": "<p>Hello {{ name }}, order <b>{{ order }}</b> is on its way.</p>",
    "text": "Hello {{ name }}, order {{ order }} is on its way.",
    "variables": [
        {"name": "order", "type": "string", "example": "1017"},
        {"name": "name", "type": "string", "required": False, "default": "there"},
    ],
}


@pytest.fixture
def tokens(database: None, engines: Any) -> Iterator[dict[str, str]]:
    Redis.from_url(engines.redis_url).flushdb()
    keys.forget()
    composing.forget()
    with session.transaction() as connection:
        made = quickstart.prepare(connection, current_settings())
    yield made
    keys.forget()
    composing.forget()


@pytest.fixture
def call(tokens: dict[str, str]) -> Call:
    client: FlaskClient = create_app(read_settings()).test_client()

    def ask(method: str, path: str, body: Any = None, *, key: str = "") -> Any:
        bearer = {"Authorization": f"Bearer {key or tokens['live_key']}"}
        return client.open(f"/v1/{path}", method=method, json=body, headers=bearer)

    return ask


def made(call: Call, **fields: Any) -> dict[str, Any]:
    answer = call("POST", "templates", DRAFT | fields)
    assert answer.status_code == 201, answer.data
    found: dict[str, Any] = answer.json
    return found


def published(call: Call, **fields: Any) -> dict[str, Any]:
    template = made(call, **fields)
    answer = call("POST", f"templates/{template['slug']}/publish", {})
    assert answer.status_code == 200, answer.data
    found: dict[str, Any] = answer.json
    return found


def errors(answer: Any, status: int = 422) -> dict[str, tuple[str, str]]:
    assert answer.status_code == status, answer.data
    return {each["field"]: (each["code"], each["message"]) for each in answer.json["errors"]}


def send(call: Call, **fields: Any) -> Any:
    body = {"recipient": "user@example.com", "template": "order-shipped", "template_data": {"order": "1017"}}
    return call("POST", "messages", body | fields)


def test_a_draft_is_sent_before_it_is_published(call: Call) -> None:
    template = made(call)
    assert (template["published_version"], template["has_changes"]) == (None, True)
    assert errors(send(call)) == {"template": ("template_not_found", "no published template is called order-shipped")}
    version = call("POST", f"templates/{template['id']}/publish", {"note": "first"}).json
    assert (version["version"], version["is_published"], version["note"]) == (1, True, "first")
    sent = send(call)
    assert sent.status_code == 202, sent.data
    message = call("GET", f"messages/{sent.json['message_id']}").json
    assert (message["template"], message["template_id"], message["template_version"], message["subject"]) == (
        "order-shipped", template["id"], 1, "Order 1017 is on its way"
    )  # fmt: skip
    content = call("GET", f"messages/{sent.json['message_id']}/content").json
    assert content["html"] == "<p>Hello there, order <b>1017</b> is on its way.</p>"


def test_a_change_of_the_draft_reaches_messages_unpublished(call: Call) -> None:
    version = published(call)
    changed = call("PATCH", f"templates/{version['slug']}", {"subject": "News of {{ order }}", "name": None})
    assert (changed.json["has_changes"], changed.json["draft"]["subject"]) == (True, "News of {{ order }}")
    message = send(call).json["message_id"]
    assert call("GET", f"messages/{message}").json["subject"] == "Order 1017 is on its way"
    again = call("POST", f"templates/{version['slug']}/publish", {}).json
    assert again["version"] == 2
    second = send(call).json["message_id"]
    assert call("GET", f"messages/{second}").json["subject"] == "News of 1017"
    assert call("GET", f"messages/{message}/content").json["subject"] == "Order 1017 is on its way"


def test_a_published_version_changes(call: Call) -> None:
    version = published(call)
    path = f"templates/{version['template_id']}/versions/1"
    before = call("GET", path).json
    call("PATCH", f"templates/{version['slug']}", {"html": "<p>{{ order }}</p>"})
    call("POST", f"templates/{version['slug']}/publish", {})
    assert call("GET", path).json == before | {"is_published": False}


def test_publishing_the_same_draft_twice_makes_two_versions(call: Call) -> None:
    version = published(call)
    assert call("POST", f"templates/{version['slug']}/publish", {}).json["version"] == 1


def test_a_roll_back_takes_the_draft_with_it(call: Call) -> None:
    version = published(call)
    path = f"templates/{version['slug']}"
    call("PATCH", path, {"subject": "Two {{ order }}"})
    call("POST", f"{path}/publish", {})
    assert call("POST", f"{path}/versions/1/publish").json["is_published"] is True
    template = call("GET", path).json
    assert (template["published_version"], template["latest_version"]) == (1, 2)
    assert (template["has_changes"], template["draft"]["subject"]) == (True, "Two {{ order }}")
    assert call("GET", f"messages/{send(call).json['message_id']}").json["template_version"] == 1
    call("PATCH", path, {"subject": "Three {{ order }}"})
    assert call("POST", f"{path}/publish", {}).json["version"] == 3
    listed = call("GET", f"{path}/versions").json["data"]
    assert [(each["version"], each["is_published"]) for each in listed] == [(3, True), (2, False), (1, False)]


def test_a_page_of_versions_repeats_or_skips_one(call: Call) -> None:
    version = published(call)
    for number in range(2, 6):
        call("PATCH", f"templates/{version['slug']}", {"subject": f"{number} {{{{ order }}}}"})
        call("POST", f"templates/{version['slug']}/publish", {})
    seen, cursor = [], ""
    while cursor is not None:
        page = call("GET", f"templates/{version['slug']}/versions?limit=2{cursor and '&cursor=' + cursor}").json
        seen += [each["version"] for each in page["data"]]
        cursor = page["next_cursor"]
    assert seen == [5, 4, 3, 2, 1]


def test_the_difference_of_two_versions_names_another_part(call: Call) -> None:
    version = published(call)
    path = f"templates/{version['slug']}"
    assert call("GET", f"{path}/diff").json == {"from": 1, "to": None, "changed": [], "parts": {}}
    call("PATCH", path, {"text": "Hello {{ name }},\norder {{ order }} is late."})
    found = call("GET", f"{path}/diff").json
    assert found["changed"] == ["text"]
    assert found["parts"]["text"].splitlines()[:2] == ["--- text (version 1)", "+++ text (draft)"]
    assert "+order {{ order }} is late." in found["parts"]["text"]
    call("POST", f"{path}/publish", {})
    assert call("GET", f"{path}/diff?from=1&to=2").json["changed"] == ["text"]
    assert call("GET", f"{path}/diff?from=1&to=9").status_code == 404
    assert errors(call("GET", f"{path}/diff?from=x"), 400)["from"][0] == "invalid_format"


def test_nothing_published_is_compared(call: Call) -> None:
    made(call)
    assert call("GET", "templates/order-shipped/diff").status_code == 409


def test_a_copy_shares_what_its_original_becomes(call: Call) -> None:
    version = published(call)
    copy = call("POST", f"templates/{version['slug']}/duplicate", {"slug": "order-late"}).json
    call("PATCH", f"templates/{version['slug']}", {"subject": "Other"})
    assert call("GET", f"templates/{copy['id']}").json["draft"]["subject"] == DRAFT["subject"]
    assert copy["published_version"] is None
    assert call("POST", f"templates/{version['slug']}/duplicate", {"slug": "order-late"}).status_code == 409


def test_deleting_a_template_loses_an_accepted_message(call: Call) -> None:
    version = published(call)
    message = send(call).json["message_id"]
    assert call("DELETE", f"templates/{version['slug']}").status_code == 204
    assert call("GET", f"templates/{version['template_id']}").status_code == 404
    assert send(call).status_code == 422
    assert "1017" in call("GET", f"messages/{message}/content").json["html"]
    assert made(call)["id"] != version["template_id"]


def test_two_templates_have_one_slug(call: Call) -> None:
    made(call)
    assert call("POST", "templates", DRAFT).status_code == 409
    other = made(call, slug="other")
    assert call("PATCH", f"templates/{other['id']}", {"slug": "order-shipped"}).status_code == 409
    assert call("PATCH", f"templates/{other['id']}", {"slug": "another"}).json["slug"] == "another"


def test_data_that_does_not_fit_is_accepted(call: Call) -> None:
    published(call)
    assert errors(send(call, template_data={})) == {
        "template_data.order": ("required", "is required by template order-shipped")
    }
    found = errors(send(call, template_data={"order": [], "nmae": "x"}))
    assert found == {
        "template_data.order": ("invalid_type", "must be a string"),
        "template_data.nmae": (
            "unknown_field", "is not a variable of template order-shipped; did you mean name?"
        ),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "field", "said"),
    [
        ({"html": "{% if %}"}, "draft.html", "syntax error"),
        ({"html": "{{ odrer }}"}, "draft.html", "uses odrer"),
        ({"text": "{{ order | nofilter }}"}, "draft.text", "nofilter"),
        ({"subject": "{{ order"}, "draft.subject", "line 1"),
        ({"subject": None}, "draft.subject", "required"),
        ({"html": None, "text": None}, "draft.html", "required"),
        ({"locales": {"ja": {"text": "{{ x }}"}}}, "draft.locales.ja.text", "uses x"),
        ({"html": "{{ 'x' * 9 }}"}, "draft.html", "`*`"),
        ({"variables": [{"name": "x"}, {"name": "x"}]}, "draft.variables.1.name", "declared twice"),
        (
            {"variables": [{"name": "x", "type": "number", "default": "1"}]},
            "draft.variables.0.default",
            "must be a number",
        ),
        ({"layout": "nowhere"}, "draft.layout", "no published layout"),
        ({"html": "{% include 'nowhere' %}"}, "draft.html", "nowhere"),
    ],
)
def test_a_draft_that_cannot_be_rendered_is_published(call: Call, fields: Any, field: str, said: str) -> None:
    made(call, **fields)
    found = errors(call("POST", "templates/order-shipped/publish", {}))
    assert field in found, found
    assert said in found[field][1], found


@pytest.mark.parametrize(
    ("fields", "field", "code"),
    [
        ({"variables": [{"name": "1x"}]}, "variables.0.name", "invalid_format"),
        ({"variables": [{"name": "x", "typ": "number"}]}, "variables.0.typ", "unknown_field"),
        ({"locales": {"j": {}}}, "locales.j", "invalid_format"),
        ({"locales": {"ja": {"body": "x"}}}, "locales.ja.body", "unknown_field"),
        ({"locales": {"ja": {}, "JA": {}}}, "locales.JA", "duplicate"),
        ({"slug": "Order"}, "slug", "invalid_format"),
        ({"htlm": "x"}, "htlm", "unknown_field"),
        ({"html": "x" * (256 * 1024 + 1)}, "html", "too_long"),
    ],
)
def test_a_bad_draft_is_kept(call: Call, fields: Any, field: str, code: str) -> None:
    found = errors(call("POST", "templates", DRAFT | fields))
    assert found[field][0] == code, found


def test_without_declarations_any_data_is_required(call: Call) -> None:
    version = published(call, variables=None)
    assert [(each["name"], each["required"]) for each in version["built"]["variables"]] == [
        ("name", True),
        ("order", True),
    ]
    assert set(errors(send(call))) == {"template_data.name"}


def test_a_locale_that_is_not_there_leaves_the_message_empty(call: Call) -> None:
    published(call, locales={"ja": {"subject": "注文 {{ order }}", "text": "注文 {{ order }} を発送しました。"}})
    for locale, subject in (("ja-JP", "注文 1017"), ("de", "Order 1017 is on its way")):
        message = send(call, locale=locale).json["message_id"]
        found = call("GET", f"messages/{message}").json
        assert (found["subject"], found["locale"]) == (subject, locale)
        content = call("GET", f"messages/{message}/content").json
        assert (content["html"] is None) == (locale == "ja-JP")


def test_a_layout_and_a_partial_change_what_is_published(call: Call) -> None:
    made(call, slug="main", kind="layout", html="<h1>{{ brand }}</h1>{{ content }}{% include 'foot' %}", text=None,
         subject=None, variables=[{"name": "brand", "default": "Example"}])  # fmt: skip
    made(call, slug="foot", kind="partial", html="<i>Bye</i>", text="Bye", subject=None, variables=None)
    assert errors(call("POST", "templates/main/publish", {}))["draft.html"][0] == "template_error"
    for slug in ("foot", "main"):
        assert call("POST", f"templates/{slug}/publish", {}).status_code == 200
    version = published(call, layout="main")
    assert version["uses"] == [
        {"slug": "main", "kind": "layout", "version": 1},
        {"slug": "foot", "kind": "partial", "version": 1},
    ]
    call("PATCH", "templates/foot", {"html": "<i>See you</i>"})
    call("POST", "templates/foot/publish", {})
    content = call("GET", f"messages/{send(call).json['message_id']}/content").json
    assert content["html"].startswith("<h1>Example</h1><p>Hello there")
    assert content["html"].endswith("<i>Bye</i>")
    assert call("POST", "templates/order-shipped/publish", {}).json["version"] == 2
    content = call("GET", f"messages/{send(call).json['message_id']}/content").json
    assert content["html"].endswith("<i>See you</i>")
    assert errors(send(call, template="main"))["template"][0] == "template_not_found"


def test_a_partial_that_includes_itself_is_published(call: Call) -> None:
    made(call, slug="a", kind="partial", html="a", text=None, subject=None, variables=None)
    call("POST", "templates/a/publish", {})
    made(call, slug="b", kind="partial", html="{% include 'a' %}", text=None, subject=None, variables=None)
    call("POST", "templates/b/publish", {})
    call("PATCH", "templates/a", {"html": "{% include 'b' %}"})
    call("POST", "templates/a/publish", {})
    made(call, html="{% include 'a' %}", text=None)
    assert "itself" in errors(call("POST", "templates/order-shipped/publish", {}))["draft.html"][1]


def test_a_preview_needs_data_or_sends(call: Call) -> None:
    made(call)
    shown = call("POST", "templates/order-shipped/preview", {}).json
    assert (shown["version"], shown["subject"]) == (None, "Order 1017 is on its way")
    assert shown["template_data"] == {"order": "1017", "name": "there"}
    found = call("POST", "templates/order-shipped/preview", {"template_data": {"order": "<b>"}}).json
    assert "&lt;b&gt;" in found["html"]
    assert set(errors(call("POST", "templates/order-shipped/preview", {"template_data": {}}))) == {
        "template_data.order"
    }
    assert call("POST", "templates/order-shipped/preview", {"version": 1}).status_code == 404
    assert call("GET", "messages").json["data"] == []


def test_a_test_send_is_another_mail_than_the_preview(call: Call) -> None:
    made(call)
    shown = call("POST", "templates/order-shipped/preview", {}).json
    sent = call("POST", "templates/order-shipped/test-send", {"recipient": "me@example.com"})
    assert sent.status_code == 202, sent.data
    content = call("GET", f"messages/{sent.json['message_id']}/content").json
    assert all(content[part] == shown[part] for part in ("subject", "html", "text"))


def test_a_key_for_one_template_reaches_another(call: Call, tokens: dict[str, str]) -> None:
    made(call)
    key = call("POST", "api-keys", {"scopes": ["templates:read", "templates:write"], "templates": ["welcome"]}).json
    secret = key["secret"]
    assert [each["slug"] for each in call("GET", "templates", key=secret).json["data"]] == ["welcome"]
    for method, path, body in (
        ("GET", "templates/order-shipped", None),
        ("PATCH", "templates/order-shipped", {}),
        ("DELETE", "templates/order-shipped", None),
        ("POST", "templates/order-shipped/publish", {}),
        ("POST", "templates/order-shipped/preview", {}),
        ("POST", "templates/welcome/duplicate", {"slug": "other"}),
        ("POST", "templates", DRAFT | {"slug": "other"}),
        ("PATCH", "templates/welcome", {"slug": "other"}),
    ):
        assert call(method, path, body, key=secret).status_code == 403, (method, path)


def test_another_account_sees_a_template(call: Call) -> None:
    template = made(call)
    with session.transaction() as connection:
        made_row = connection.exec_driver_sql("INSERT INTO accounts (id, name) VALUES (uuidv7(), 'B') RETURNING id")
        other = made_row.one().id
        token = keys.create(
            connection, other, environment="live", scopes=("templates:read", "templates:write"), name="b"
        ).token
    for method, path, body in (
        ("GET", f"templates/{template['id']}", None),
        ("PATCH", f"templates/{template['id']}", {"subject": "mine"}),
        ("DELETE", f"templates/{template['id']}", None),
        ("POST", f"templates/{template['id']}/publish", {}),
        ("POST", f"templates/{template['id']}/duplicate", {"slug": "mine"}),
        ("GET", f"templates/{template['id']}/versions", None),
        ("GET", f"templates/{template['id']}/diff", None),
        ("POST", f"templates/{template['id']}/preview", {}),
    ):
        assert call(method, path, body, key=token).status_code == 404, (method, path)
    assert call("GET", "templates", key=token).json["data"] == []
    assert call("GET", f"templates/{template['id']}").json == template


def test_the_list_shows_drafts_or_skips_a_template(call: Call) -> None:
    made(call)
    seen, cursor = [], ""
    while cursor is not None:
        page = call("GET", f"templates?limit=3{cursor and '&cursor=' + cursor}").json
        seen += [each["slug"] for each in page["data"]]
        assert all("draft" not in each for each in page["data"])
        cursor = page["next_cursor"]
    assert sorted(seen) == sorted(
        ["order-shipped", "otp-code", "password-reset", "new-login-alert", "invoice", "welcome", "payment-failed"]
    )
    assert call("GET", "templates?kind=layout").json["data"] == []


def test_an_import_is_another_template_than_its_report_tells(call: Call) -> None:
    source = {
        "Name": "Receipt",
        "Alias": "receipt",
        "Subject": "Receipt {{id}}",
        "HtmlBody": "<p>{{#each lines}}{{text}} {{/each}}{{formatDate day}}</p>",
    }
    dry = call("POST", "templates/import", {"dialect": "postmark", "source": source, "dry_run": True})
    assert (dry.status_code, dry.json["template"], dry.json["slug"]) == (200, None, "receipt")
    assert [(each["code"], each["part"]) for each in dry.json["report"]] == [("lost", "html")]
    done = call("POST", "templates/import", {"dialect": "postmark", "source": source})
    assert done.status_code == 201, done.data
    assert done.json["template"]["draft"] == done.json["draft"] == dry.json["draft"]
    assert call("POST", "templates/receipt/publish", {}).status_code == 200
    data = {"id": "7", "lines": [{"text": "a"}, {"text": "b"}]}
    shown = call("POST", "templates/receipt/preview", {"template_data": data}).json
    assert (shown["subject"], shown["html"]) == ("Receipt 7", "<p>a b </p>")
    assert call("POST", "templates/import", {"dialect": "postmark", "source": source}).status_code == 409


def test_an_import_of_nothing_makes_a_template(call: Call) -> None:
    assert errors(call("POST", "templates/import", {"dialect": "resend", "source": {}}))["source"][0] == "required"
    partial = {"dialect": "mailgun", "source": {"html": "{{> foot}}"}, "dry_run": True}
    report = call("POST", "templates/import", partial).json["report"]
    assert {each["code"] for each in report} == {"missing", "unpublishable"}
    hostile = {"dialect": "mailgun", "source": {"html": "{{!--" * 50_000}}
    assert errors(call("POST", "templates/import", hostile))["source"][0] == "template_error"
