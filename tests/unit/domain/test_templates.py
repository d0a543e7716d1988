"""A template must render the same way twice, or be refused with the reason; never run away."""

from typing import Any

import pytest

from common.domain.template_bounds import MAX_SOURCE, SourceError, check_source
from common.domain.template_variables import Variable
from common.domain.templates import Parts, RenderError, Template
from common.services.rendering import render


def template(**changes: Any) -> Template:
    given: dict[str, Any] = {
        "id": "tpl_1", "slug": "welcome", "version": 1, "sender": None, "subject": "Hi {{ name }}",
        "html": "<p>{{ name }}</p>", "text": "{{ name }}", "variables": (Variable("name"),), "tier": None,
    }  # fmt: skip
    return Template(**(given | changes))


def test_html_is_escaped_and_text_is_not() -> None:
    found = render(template(), {"name": "<b>&"})
    assert (found.subject, found.text) == ("Hi <b>&", "<b>&")
    assert found.html is not None
    assert "<b>" not in found.html
    assert "&lt;b&gt;&amp;" in found.html


def test_a_missing_variable_is_named() -> None:
    with pytest.raises(RenderError) as caught:
        render(template(), {})
    (error,) = caught.value.errors
    assert (error.field, error.code) == ("template_data.name", "required")


def test_an_undeclared_variable_is_an_error_and_not_empty() -> None:
    with pytest.raises(RenderError):
        render(template(html="{{ other }}"), {"name": "x"})


def test_an_optional_variable_may_be_missing() -> None:
    parts = template(html="{% if city %}{{ city }}{% endif %}.", variables=(Variable("name"), Variable("city", False)))
    assert render(parts, {"name": "x"}).html == "."


@pytest.mark.parametrize("bomb", ["{% for a in range(9999) %}{% for b in range(9999) %}x{% endfor %}{% endfor %}",
                                  "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}"])  # fmt: skip
def test_a_bomb_runs_out_of_fuel(bomb: str) -> None:
    with pytest.raises(RenderError):
        render(template(html=bomb), {"name": "x"})


@pytest.mark.parametrize(
    "source", ["{{ 'x' * 999999999 }}", "{{ 9 ** 9 }}", "{% set a = 'x' * 5 %}", "{{ '\\'' * 9 }}"]
)
def test_a_star_in_a_tag_is_refused(source: str) -> None:
    with pytest.raises(SourceError, match="`\\*`"):
        check_source(source)


@pytest.mark.parametrize("source", ["* a list", "{{ '*' }}", "{# a * b #}", '{{ "a*b" }} * {{ c }}'])
def test_a_star_elsewhere_is_text(source: str) -> None:
    check_source(source)


@pytest.mark.parametrize(
    "source",
    [
        "{{ '}}' * 99999 }}",
        "{{ '%}' * 99999 }}",
        "{% set a = '%}' * 9 %}",
        "{{ {'a': {}} * 9 }}",
        "{# {{ ' #}{{ 'x' * 9 }}",
        "{% raw %}{{ ' {% endraw %}{{ 'x' * 9 }}",
    ],
)
def test_a_star_behind_a_quoted_end_of_tag_is_refused(source: str) -> None:
    with pytest.raises(SourceError):
        check_source(source)


def test_too_long_a_source_is_refused() -> None:
    with pytest.raises(SourceError):
        check_source("x" * (MAX_SOURCE + 1))


@pytest.mark.parametrize(
    "source", ["{% if %}", "{{ name.missing.deeper }}", "{% include 'x' %}", "{{ name | nofilter }}"]
)
def test_a_broken_template_says_why_in_one_line(source: str) -> None:
    with pytest.raises(RenderError) as caught:
        render(template(html=source), {"name": "x"})
    assert "\n" not in str(caught.value)


def test_a_subject_stays_one_line() -> None:
    assert render(template(), {"name": "a\r\nBcc: x@y.zz"}).subject == "Hi a Bcc: x@y.zz"


def test_the_same_data_renders_the_same() -> None:
    assert render(template(), {"name": "x"}) == render(template(), {"name": "x"})


def test_a_value_of_another_type_is_named_with_what_it_must_be() -> None:
    typed = tuple(Variable(each, type=each, required=False) for each in ("string", "number", "integer", "boolean",
                                                                         "list", "object", "url"))  # fmt: skip
    wrong: dict[str, Any] = {"string": [], "number": "1", "integer": 1.5, "boolean": 1, "list": {}, "object": [],
                             "url": "javascript:alert(1)"}  # fmt: skip
    with pytest.raises(RenderError) as caught:
        render(template(html="x", text=None, subject="x", variables=typed), wrong)
    assert [error.field for error in caught.value.errors] == [f"template_data.{each.name}" for each in typed]
    assert {error.code for error in caught.value.errors} == {"invalid_type", "invalid_format"}


def test_a_number_stands_for_a_text_as_it_is() -> None:
    assert render(template(variables=(Variable("name", type="string"),)), {"name": 847291}).text == "847291"


def test_an_unknown_variable_is_refused_with_the_nearest() -> None:
    with pytest.raises(RenderError) as caught:
        render(template(), {"name": "x", "nmae": "y"})
    (error,) = caught.value.errors
    assert (error.field, error.code) == ("template_data.nmae", "unknown_field")
    assert "did you mean name?" in error.message


def test_a_default_takes_the_place_of_null() -> None:
    parts = template(variables=(Variable("name", default="you"),))
    assert render(parts, {}).text == render(parts, {"name": None}).text == "you"


def test_a_missing_field_of_an_object_is_named() -> None:
    with pytest.raises(RenderError) as caught:
        render(template(html="{{ name.first }}"), {"name": {}})
    assert caught.value.errors[0].field == "template_data.name.first"


@pytest.mark.parametrize(
    ("asked", "got"),
    [("ja-JP", "ja"), ("ja_JP", "ja"), ("JA", "ja"), ("pt-BR", "pt-br"), ("pt", "default"), ("pt-PT", "default"),
     ("zh-Hant-TW", "zh-hant"), ("zh", "default"), (None, "default"), ("", "default")],
)  # fmt: skip
def test_a_locale_falls_back_to_its_language_and_then_to_the_default(asked: str | None, got: str) -> None:
    variants = {tag: Parts(tag, None, tag) for tag in ("ja", "pt-br", "zh-hant")}
    found = render(template(subject="default", locales=variants), {"name": "x"}, None, asked)
    assert found.subject == got
