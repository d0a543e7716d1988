"""A template must render the same way twice, or be refused with the reason; never run away."""

from typing import Any

import pytest

from common.domain.templates import MAX_SOURCE, RenderError, Template, check_source, render


def template(**changes: Any) -> Template:
    given: dict[str, Any] = {
        "id": "tpl_1", "slug": "welcome", "version": 1, "sender": None, "subject": "Hi {{ name }}",
        "html": "<p>{{ name }}</p>", "text": "{{ name }}", "variables": (("name", True),), "tier": None,
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
    assert caught.value.variable == "name"


def test_an_undeclared_variable_is_an_error_and_not_empty() -> None:
    with pytest.raises(RenderError):
        render(template(html="{{ other }}"), {"name": "x"})


def test_an_optional_variable_may_be_missing() -> None:
    parts = template(html="{% if city %}{{ city }}{% endif %}.", variables=(("name", True), ("city", False)))
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
    with pytest.raises(RenderError, match="`\\*`"):
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
    with pytest.raises(RenderError):
        check_source(source)


def test_too_long_a_source_is_refused() -> None:
    with pytest.raises(RenderError):
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
