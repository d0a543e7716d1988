"""Templates of other services: what they showed there they show here, and what is lost is told."""

from typing import Any

import pytest

from common.domain.dialects.imports import NothingToImport, read, slug_of
from common.domain.template_building import build
from common.domain.template_variables import read as variables_of
from common.domain.templates import Template
from common.services.rendering import render


def shown(dialect: str, html: str, data: dict[str, Any], **source: Any) -> str:
    found = read(dialect, {"subject": "x", "html": html, **source})
    made = build("template", found.draft, {})
    template = Template("", "t", 1, None, made.parts.subject, made.parts.html, None, made.variables, None)
    done = render(template, data).html
    assert done is not None
    return done


def codes(dialect: str, html: str) -> list[str]:
    return [each["code"] for each in read(dialect, {"subject": "x", "html": html}).report]


@pytest.mark.parametrize(
    ("html", "data", "wanted"),
    [
        ("Hi {{name}}", {"name": "<b>"}, "Hi &lt;b&gt;"),
        ("Hi {{{name}}} {{& name }}", {"name": "<b>"}, "Hi <b> <b>"),
        ("{{a.b}} {{ a.c.0 }} {{a.[d e]}}", {"a": {"b": 1, "c": [2], "d e": 3}}, "1 2 3"),
        ("{{#if a}}yes{{else}}no{{/if}}", {}, "no"),
        ("{{#if a.b}}yes{{else}}no{{/if}}", {"a": {}}, "no"),
        ("{{#if a.b}}yes{{else}}no{{/if}}", {}, "no"),
        ("{{#if a}}1{{else if b}}2{{else}}3{{/if}}", {"b": True}, "2"),
        ("{{#unless a}}none{{/unless}}", {"a": []}, "none"),
        ("{{#each xs}}{{@index}}{{this}}{{#unless @last}},{{/unless}}{{/each}}", {"xs": ["a", "b"]}, "0a,1b"),
        ("{{#each xs}}{{name}}{{../cur}}{{@root.cur}}{{/each}}", {"xs": [{"name": "a"}], "cur": "$"}, "a$$"),
        ("{{#each xs}}x{{else}}none{{/each}}", {}, "none"),
        ("{{#each xs as |x i|}}{{i}}{{x.y}}{{/each}}", {"xs": [{"y": 1}]}, "01"),
        (
            "{{#each xs}}{{#each ys}}{{.}}{{../n}}{{../../z}}{{/each}}{{/each}}",
            {"xs": [{"n": 1, "ys": [2]}], "z": 3},
            "213",
        ),
        ("{{#with a}}{{b}}{{../c}}{{/with}}", {"a": {"b": 1}, "c": 2}, "12"),
        ("{{#if a}}{{~b~}} x{{/if}}", {"a": 1, "b": 2}, "2x"),
        ("a{{! no }}b{{!-- no {{x}} --}}c", {}, "abc"),
        ("\\{{name}} {% if %} {# x #}", {}, "{{name}} {% if %} {# x #}"),
        ("{{first-name}} {{for}}", {"first_name": 1, "v_for": 2}, "1 2"),
    ],
)  # fmt: skip
def test_handlebars_shows_something_else(html: str, data: dict[str, Any], wanted: str) -> None:
    assert shown("mailgun", html, data) == wanted
    assert shown("sendgrid", html, data) == wanted


@pytest.mark.parametrize(
    ("html", "data", "wanted"),
    [
        ("{{#company}}{{name}} {{../name}}{{/company}}", {"company": {"name": "A"}, "name": "B"}, "A B"),
        ("{{#paid}}yes{{/paid}}{{^paid}}no{{/paid}}", {"paid": False}, "no"),
        ("{{#each lines}}{{text}};{{/each}}", {"lines": [{"text": 1}, {"text": 2}]}, "1;2;"),
        ("{{#each tags}}{{.}}{{/each}}", {"tags": ["a"]}, "a"),
    ],
)
def test_mustachio_shows_something_else(html: str, data: dict[str, Any], wanted: str) -> None:
    assert shown("postmark", html, data) == wanted


def test_what_sendgrid_adds_is_lost() -> None:
    html = (
        "{{insert name \"default=Customer\"}}{{#equals a 'x'}}1{{else}}2{{/equals}}"
        "{{#greaterThan n 5}}3{{/greaterThan}}"
    )
    assert shown("sendgrid", html, {"a": "x", "n": 6}) == "Customer13"
    assert shown("sendgrid", "{{#and a b}}1{{/and}}{{#or a b}}2{{/or}}", {"a": 1, "b": 0}) == "2"
    assert shown("sendgrid", "<%asm_group_unsubscribe_raw_url%>", {"asm_group_unsubscribe_raw_url": "u"}) == "u"


def test_what_mailgun_adds_is_lost() -> None:
    assert (
        shown("mailgun", "%recipient.name% %unsubscribe_url% 100%", {"name": "A", "unsubscribe_url": "u"}) == "A u 100%"
    )


def test_what_resend_writes_is_read_as_handlebars() -> None:
    declared = [{"key": "NAME", "type": "string", "fallback_value": "you"}, {"key": "N", "type": "number"}]
    html = "{{{NAME}}} {{{N}}} {{{CITY|here}}} {{x}} {% y %}"
    assert shown("resend", html, {"N": 5}, variables=declared) == "you 5 here {{x}} {% y %}"


@pytest.mark.parametrize(
    ("dialect", "html", "code"),
    [
        ("sendgrid", "{{formatDate ts 'YYYY'}}", "lost"),
        ("mailgun", "{{#foo a}}kept{{/foo}}", "lost"),
        ("mailgun", "{{#foo}}kept{{/foo}}", "guessed"),
        ("mailgun", "{{> footer}}", "missing"),
        ("mailgun", "{{#if a}}open", "lost"),
        ("mailgun", "{{/if}}", "lost"),
        ("mailgun", "{{else}}", "lost"),
        ("mailgun", "{{(lookup a b)}}", "lost"),
        ("mailgun", "{{@nothing}}", "lost"),
        ("sendgrid", "{{first-name}}", "renamed"),
        ("sendgrid", "[unsubscribe]", "changed"),
        ("mailgun", "%unsubscribe_url%", "changed"),
        ("resend", "{{{RESEND_UNSUBSCRIBE_URL}}}", "changed"),
    ],
)
def test_a_loss_is_silent(dialect: str, html: str, code: str) -> None:
    assert codes(dialect, html) == [code]


def test_a_loss_is_told_at_another_place() -> None:
    (remark,) = read("sendgrid", {"html": "a\nb\n{{formatDate ts}}"}).report
    assert (remark["part"], remark["line"], remark["source"]) == ("html", 3, "{{formatDate ts}}")


@pytest.mark.parametrize(
    ("dialect", "source"),
    [
        ("postmark", {"Name": "A b", "Alias": "a-b", "Subject": "S {{x}}", "HtmlBody": "<p>", "TextBody": "t"}),
        ("sendgrid", {"name": "A b", "versions": [
            {"active": 0, "html_content": "no"},
            {"active": 1, "subject": "S {{x}}", "html_content": "<p>", "plain_content": "t"},
        ]}),
        ("mailgun", {"template": {"name": "A b", "version": {
            "template": "<p>", "headers": {"Subject": "S {{x}}"}, "text": "t"}}}),
        ("resend", {"name": "A b", "alias": "a-b", "subject": "S {{{x}}}", "html": "<p>", "text": "t"}),
    ],
)  # fmt: skip
def test_an_export_is_read_in_part(dialect: str, source: dict[str, Any]) -> None:
    found = read(dialect, source)
    assert (found.draft["subject"], found.draft["html"], found.draft["text"]) == ("S {{ x }}", "<p>", "t")
    assert found.about["name"] == "A b"
    assert variables_of(found.draft["variables"])[0].name == "x"


def test_a_postmark_layout_loses_its_content() -> None:
    found = read("postmark", {"Name": "Base", "TemplateType": "Layout", "HtmlBody": "<b>{{{ @content }}}</b>{{brand}}"})
    assert (found.about["kind"], found.draft["html"]) == ("layout", "<b>{{ content }}</b>{{ brand }}")
    used = read("postmark", {"HtmlBody": "x", "LayoutTemplate": "Base One"})
    assert (used.draft["layout"], [each["code"] for each in used.report]) == ("base-one", ["missing"])


@pytest.mark.parametrize(
    "source", [{}, {"html": ""}, {"html": 5}, {"versions": []}, {"versions": [5]}, {"template": {}}]
)
@pytest.mark.parametrize("dialect", ["postmark", "sendgrid", "mailgun", "resend"])
def test_nothing_is_imported(dialect: str, source: dict[str, Any]) -> None:
    with pytest.raises(NothingToImport):
        read(dialect, source)


@pytest.mark.parametrize(("name", "slug"), [("Hello, World!", "hello-world"), ("日本", "imported"), ("_a_", "a")])
def test_a_name_makes_a_bad_slug(name: str, slug: str) -> None:
    assert slug_of(name) == slug
