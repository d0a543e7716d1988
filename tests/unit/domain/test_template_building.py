"""What a version holds must be what was written: tags stay in place, CSS goes into elements, a text part is made."""

from importlib import import_module
from typing import Any

import pytest

from common.domain import template_mjml
from common.domain.template_building import BuildError, Built, build
from common.domain.template_html import hide, inline_css, text_of
from common.domain.templates import render_parts


def built(**draft: Any) -> Built:
    return build("template", {"subject": "x", **draft}, {})


@pytest.mark.parametrize(
    "source",
    [
        "<p title=\"{{ a }}\" data-x='{{ b }}' width={{ c }}>{{ d }}</p>",
        "<table>{% for a in b %}<tr><td>{{ a }}</td></tr>{% endfor %}</table>",
        '<a {% if x %}href="{{ y }}" class="b"{% else %}class="c"{% endif %}>x</a>',
        "<title>{{ a }}</title><!--[if mso]>{{ b }}<![endif]--><p>{# no #}{% raw %}{{ x }}{% endraw %}</p>",
        "<{{ tag }}><p>1 < 2 {% if a < b %}<b>{% endif %}",
    ],
)
def test_hiding_the_tags_loses_one(source: str) -> None:
    hidden = hide(source)
    assert "{{" not in hidden.html
    assert "{%" not in hidden.html
    assert hidden.restore(hidden.html).replace("  ", " ").replace(" >", ">") == source


def test_the_css_stays_in_the_head_alone_or_a_loop_leaves_its_table() -> None:
    done = inline_css(
        "<style>td{color:{{ ink }}} @media (prefers-color-scheme: dark){td{color:red !important}}</style>"
        "<table>{% for a in b %}<tr><td>{{ a }}</td></tr>{% endfor %}</table>"
    )
    assert done is not None
    assert '{% for a in b %}<tr><td style="color: {{ ink }};">{{ a }}</td></tr>{% endfor %}</table>' in done
    assert "prefers-color-scheme" in done


@pytest.mark.parametrize(
    "source",
    [
        "<style>p{color:red}</style>{% if a %}<div class=x>{% else %}<div>{% endif %}<p>x</p></div>",
        "<style>{% if a %}p{color:red}{% endif %}</style><p>x</p>",
        "<style>p{color:red}</style><table><tr>{% if a %}<p>no place for it</p>{% endif %}</tr></table>",
    ],
)
def test_a_document_changes_when_its_css_is_inlined(source: str) -> None:
    assert inline_css(source) is None
    found = built(html=source)
    assert found.parts.html == source
    assert "css_not_inlined" in [each["code"] for each in found.warnings]


@pytest.mark.parametrize("link", ["file:///etc/hostname", "/etc/hostname", "http://127.0.0.1:1/a.css", "hostname"])
def test_a_stylesheet_is_loaded(link: str) -> None:
    source = f'<html><head><link rel="stylesheet" href="{link}"><style>@import "{link}"; p{{margin:0}}</style></head>'
    done = inline_css(f"{source}<body><p>x</p></body></html>")
    assert done is not None
    assert f'href="{link}"' in done
    assert '<p style="margin: 0;">' in done


def test_a_text_part_made_from_html_loses_what_a_reader_needs() -> None:
    text = text_of(
        "<html><head><style>p{}</style><title>no</title></head><body><div style='display:none'>{{ preheader }}</div>"
        "<h1>Hi {{ name }}</h1>{% if few %}<p>Few &amp; good</p>{% endif %}<table><tr><th>What</th></tr>"
        "{% for line in lines %}<tr><td>{{ line.what }}</td><td>{{ line.price }}</td></tr>{% endfor %}</table>"
        "<p><a href='{{ url }}'>Pay</a> or <a href='{{ url }}'>{{ url }}</a></p></body></html>"
    )
    assert text == (
        "Hi {{ name }}\n\n{% if few %}\nFew & good\n\n{% endif %}What\n"
        "{% for line in lines %}{{ line.what }} {{ line.price }}\n{% endfor %}\nPay ({{ url }}) or {{ url }}\n"
    )


def test_a_derived_text_renders_other_values_than_the_html() -> None:
    found = built(html="<p>Hello {{ name }}</p>", variables=[{"name": "name"}])
    done = render_parts(found.parts, {"name": "A & B"})
    assert (done.text, done.html) == ("Hello A & B", "<p>Hello A &amp; B</p>")


def test_mjml_loses_a_tag() -> None:
    found = built(
        mjml="<mjml><mj-body>{% if x %}<mj-section><mj-column><mj-text>Hi {{ n }}</mj-text>"
        '<mj-button href="{{ u }}">Go</mj-button></mj-column></mj-section>{% endif %}</mj-body></mjml>',
        variables=[{"name": each} for each in ("x", "n", "u")],
    )
    done = render_parts(found.parts, {"x": True, "n": "<b>", "u": "https://example.com/"})
    assert done.html is not None
    assert "Hi &lt;b&gt;" in done.html
    assert 'href="https:&#x2f;&#x2f;example.com&#x2f;"' in done.html or 'href="https://example.com/"' in done.html
    assert done.text is not None
    assert "Hi <b>" in done.text


@pytest.mark.parametrize(
    ("draft", "field", "said"),
    [
        ({"mjml": "<mjml><mj-body><mj-section>"}, "mjml", "is not MJML"),
        ({"mjml": "<mjml><mj-head>{{ x }}</mj-head><mj-body></mj-body></mjml>"}, "mjml", ""),
        ({"mjml": "<mjml><mj-body><mj-include path='/etc/passwd'/></mj-body></mjml>"}, "mjml", "is not MJML"),
        ({"mjml": "<mjml><mj-body></mj-body></mjml>", "html": "x"}, "mjml", "beside html"),
    ],
)
def test_bad_mjml_is_published(draft: Any, field: str, said: str) -> None:
    with pytest.raises(BuildError) as caught:
        built(**draft)
    assert caught.value.errors[0].field == field
    assert said in caught.value.errors[0].message


def test_mjml_without_its_extra_says_something_else_than_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> Any:
        raise ImportError(name) if name == "mrml" else None

    monkeypatch.setattr(template_mjml, "import_module", missing)
    with pytest.raises(BuildError) as caught:
        built(mjml="<mjml></mjml>")
    assert "install sendarix[mjml]" in caught.value.errors[0].message
    assert import_module("mrml")


def test_advice_is_missing() -> None:
    found = built(html="<p>{{ a.b }}</p>", variables=[{"name": "a", "example": {}}, {"name": "unused"}])
    assert [each["code"] for each in found.warnings] == ["unused_variable", "example_fails"]
