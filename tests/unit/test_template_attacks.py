"""Hostile templates and hostile data (threats C1 to C3): refused or harmless, in bounded time and memory, always."""

import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.domain.template_bounds import MAX_TAG, escapes_fuel
from common.domain.template_building import BuildError
from common.domain.template_variables import Variable
from common.domain.templates import RenderError, Template
from common.services import sandbox
from common.services.rendering import build, compare, render

ROOT = Path(__file__).parents[2]

INJECTIONS = [
    "{{ ''.__class__ }}",
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "{{ [].__class__.__base__.__subclasses__() }}",
    "{{ name.__init__.__globals__ }}",
    "{{ name['__class__'] }}",
    "{{ name|attr('__class__') }}",
    "{{ name|attr('__init__')|attr('__globals__') }}",
    "{{ ()|attr('__class__')|attr('__base__') }}",
    "{{ self }}",
    "{{ self.__init__.__globals__ }}",
    "{{ self._TemplateReference__context.cycler.__init__.__globals__.os.popen('id').read() }}",
    "{{ config }}",
    "{{ config.items() }}",
    "{{ request.application.__globals__ }}",
    "{{ cycler.__init__.__globals__.os }}",
    "{{ joiner.__init__.__globals__ }}",
    "{{ namespace.__init__.__globals__ }}",
    "{{ lipsum.__globals__['os'].popen('id').read() }}",
    "{{ lipsum.__globals__.__builtins__.__import__('os') }}",
    "{{ get_flashed_messages.__globals__ }}",
    "{{ url_for.__globals__ }}",
    "{{ range.__class__ }}",
    "{{ dict.__base__ }}",
    "{{ loop.__class__ }}",
    "{{ name.format_map({}) }}",
    "{{ '{0.__class__}'.format(name) }}",
    "{{ '%(x)s'|format(x=name.__class__) }}",
    "{{ name.encode('utf-8').decode.__self__ }}",
    "{% import 'os' as os %}{{ os }}",
    "{% from 'os' import popen %}",
    "{% include '/etc/passwd' %}",
    "{% include '../../../../etc/passwd' %}",
    "{% include name %}",
    "{% extends '/etc/passwd' %}",
    "{% extends name %}",
    "{{ eval('1') }}",
    "{{ exec('1') }}",
    "{{ open('/etc/passwd').read() }}",
    "{{ __import__('os') }}",
    "{{ __builtins__ }}",
    "{% do name.clear() %}",
    "{% set name.x = 1 %}",
    "{{ name.__class__ = 1 }}",
    "{% for c in [].__class__.__base__.__subclasses__() %}{{ c }}{% endfor %}",
    "{% call(x) name() %}{% endcall %}",
    "{% macro m() %}{{ caller.__globals__ }}{% endmacro %}{% call m() %}{% endcall %}",
    "{{ state }}",
    "{{ debug().__class__ }}",
    "{{ name|map('attr', '__class__')|list }}",
    "{{ [name]|map(attribute='__class__')|list }}",
    "{{ [name]|groupby('__class__') }}",
    "{{ [name]|sort(attribute='__class__.__name__') }}",
    "{{ [name]|selectattr('__class__')|list }}",
]
_LEAKS = ("<class", "&lt;class", "built-in", "<function", "<module", "<bound", "object at 0x", "root:", "subprocess")

LOUD = "{% for a in range(9999) %}{% for b in range(9999) %}x{% endfor %}{% endfor %}"
BOMBS = {
    "nested loops": LOUD,
    "deep loops": "{% for a in range(99) %}" * 15 + "x" + "{% endfor %}" * 15,
    "a huge range": "{{ range(999999999) }}",
    "a huge list": "{{ range(99999)|list|tojson }}" * 200,
    "doubling": "{% set ns = namespace(s='xxxxxxxx') %}"
    "{% for i in range(60) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}",
    "replacing": "{{ 'aaaaaaaa'" + "|replace('a', 'aaaaaaaaaaaaaaaa')" * 12 + " }}",
    "a power": "{{ 9 ** 9999999 }}",
    "a product of texts": "{{ 'x' * 999999999 }}",
    "a product of lists": "{{ [0] * 999999999 }}",
    "a wide format": "{{ '%999999999d'|format(1) }}",
    "a wide brace format": "{{ '{:999999999}'.format(1) }}",
    "a precise format": "{{ '{:.999999999f}'.format(1.5) }}",
    "an indent": "{{ 'a\\nb'|indent(999999999) }}",
    "a recursive macro": "{% macro f() %}{{ f() }}{{ f() }}{% endmacro %}{{ f() }}",
    "a recursive loop": "{% for x in [1] recursive %}{{ loop([1, 1]) }}{% endfor %}",
    "a billion laughs": "{% set a = ['lol'] %}" + "{% set a = [a, a, a, a, a, a, a, a] %}" * 12 + "{{ a }}",
    "laughs as an object": "{% set a = 'lol' %}" + "{% set a = {'b': a, 'c': a} %}" * 40 + "{{ a|tojson }}",
    "laughs by dict()": "{% set a = 'lol' %}" + "{% set a = dict(b=a, c=a) %}" * 40 + "{{ a }}",
    "laughs by zip": "{% set a = ['lol'] %}" + "{% set a = a|zip(a)|list %}" * 40 + "{{ a }}",
    "laughs by chain": "{% set a = ['lol'] %}" + "{% set a = a|chain(a) %}" * 40 + "{{ a }}",
    "laughs compared": "{% set a = [1] %}{% set b = [1] %}"
    + "{% set a = [a, a] %}{% set b = [b, b] %}" * 40
    + "{{ a == b }}",
    "nested brackets": "{{ " + "[" * 900 + "]" * 900 + " }}",
    "nested parentheses": "{{ " + "(" * 900 + "1" + ")" * 900 + " }}",
    "nested blocks": "{% if 1 %}" * 9000 + "{% endif %}" * 9000,
    "a chain of not": "{{ " + "not " * 50000 + "1 }}",
    "a chain of minus": "{{ " + "-" * 100000 + "1 }}",
    "a chain of attributes": "{{ a" + ".b" * 50000 + " }}",
    "a chain of filters": "{{ a" + "|e" * 50000 + " }}",
    "a chain of plus": "{{ 1" + "+1" * 50000 + " }}",
    "a chain of elif": "{% if a %}" + "{% elif a %}" * 15000 + "{% endif %}",
    "a chain of calls": "{{ a" + "()" * 50000 + " }}",
    "many tags": "{{ 'xxxxxxxxxx' }}" * 15000,
    "many captures": "{% set a %}" + "x" * 1000 + "{% endset %}" + "{% set a %}{{ a }}{{ a }}{{ a }}{% endset %}" * 40,
    "an open tag": "{{ " * 60000,
    "an open text": "{{ '" + "x" * 200000,
    "open comments": "{#" * 100000,
}  # fmt: skip


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "SECONDS", 0.8)


def published(html: str, **fields: Any) -> Template:
    made = build("template", {"subject": "x", "html": html, "text": "x"} | fields, {})
    return Template("", "evil", 1, None, made.parts.subject, made.parts.html, made.parts.text, made.variables, None)


@pytest.mark.parametrize("source", INJECTIONS)
def test_a_template_reaches_an_object_behind_its_data(source: str) -> None:
    direct = Template("", "evil", 1, None, "x", source, None, (Variable("name", required=False),), None)
    for value in ("x", {"a": 1}, [1]):
        try:
            shown = render(direct, {"name": value}).html or ""
        except RenderError:
            continue
        assert not any(leak in shown for leak in _LEAKS), shown[:300]


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_goes_off_when_it_is_published(name: str) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.monotonic()
    try:
        made = build("template", {"subject": "x", "html": BOMBS[name], "text": "x"}, {})
        made_html = made.parts.html or ""
        assert len(made_html) < 300_000
    except BuildError as error:
        assert error.errors[0].field in ("html", "variables")
        assert len(str(error)) < 500
    assert time.monotonic() - started < 6
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 80_000
    assert build("template", {"subject": "x", "text": "still {{ here }}"}, {}).parts.text


@pytest.mark.parametrize("name", ["nested loops", "replacing", "a billion laughs", "laughs compared", "a chain of not"])
def test_a_bomb_goes_off_when_it_is_rendered(name: str) -> None:
    """A version of before these bounds, or one whose bomb is behind a condition that only the data fulfils."""
    source = BOMBS[name]
    armed = Template(
        "", "evil", 1, None, "x", "{% if boom %}" + source + "{% endif %}", None, (Variable("boom"),), None
    )
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.monotonic()
    try:
        shown = render(armed, {"boom": True}).html or ""
        assert len(shown) <= 10 * 1024 * 1024
    except RenderError as error:
        assert len(str(error)) < 500
    assert time.monotonic() - started < 6
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 120_000


@pytest.mark.parametrize(
    "source",
    [
        "{% for i in range(9000) %}{% set z = big|items %}{% endfor %}",
        "{% for i in range(9000) %}{{ big|dictsort|length }}{% endfor %}",
        "{% for i in range(9000) %}{{ many|sort|length }}{{ many|min }}{{ many|unique|list|length }}{% endfor %}",
        "{% for i in many %}{% for j in many %}{{ text }}{% endfor %}{% endfor %}",
        "{% for i in range(9000) %}{{ text|upper|length }}{{ text.split('x')|length }}{% endfor %}",
        "{% for i in range(9000) %}{{ many }}{% endfor %}",
    ],
)
def test_large_data_makes_a_small_template_slow(source: str) -> None:
    names = ("big", "many", "text")
    template = Template("", "evil", 1, None, "x", source, None, tuple(Variable(n, False) for n in names), None)
    data = {"big": {f"k{i}": i for i in range(20_000)}, "many": [f"n{i}" for i in range(20_000)], "text": "x" * 10**6}
    started = time.monotonic()
    with pytest.raises(RenderError):
        render(template, data)
    assert time.monotonic() - started < 6


@pytest.mark.parametrize(
    "html",
    [
        "<div>" * 50_000,
        "<table><tr><td>" * 15_000,
        "<style>" + "".join(f".a{i} .b{i} > p:not(.c) {{ color: red }}" for i in range(5000)) + "</style>"
        + "<p class='a1 b1'>x</p>" * 4000,
        "<style>" + "a " * 60_000 + "{color:red}</style><p>x</p>",
        "<p title='" + "&amp;" * 40_000 + "'>",
        "<!--" * 60_000,
        "<a href='" + "(" * 100_000 + "'>[[[[[x</a>",
        "<" * 250_000,
    ],
    ids=["divs", "tables", "rules", "selectors", "entities", "comments", "links", "angles"],
)  # fmt: skip
def test_hostile_html_stops_the_process(html: str) -> None:
    started = time.monotonic()
    try:
        build("template", {"subject": "x", "html": html}, {})
    except BuildError as error:
        assert error.errors[0].field == "html"
    assert time.monotonic() - started < 8


def test_hostile_mjml_stops_the_process() -> None:
    with pytest.raises(BuildError) as caught:
        build("template", {"subject": "x", "mjml": "<mjml><mj-body>" + "<mj-section>" * 20_000}, {})
    assert caught.value.errors[0].field == "mjml"


def test_a_hostile_comparison_runs_on() -> None:
    before = {"html": "\n".join(f"{i % 97} {i % 7}" for i in range(1999))}
    after = {"html": "\n".join(f"{i % 89} {i % 11}" for i in range(1999))}
    started = time.monotonic()
    assert "html" in compare(before, after, "a", "b")
    assert time.monotonic() - started < 6


def test_the_longest_tag_overflows_the_stack_of_a_thread() -> None:
    """In a process of its own: what goes wrong here ends the process."""
    code = f"""
import threading
from common.domain.templates import Parts, RenderError, render_parts
def work():
    for operator in ("-", "not ", "|e", ".b", "+1", "()", " if 1 else 1", " is string", "[0]", "**1", "~a"):
        unary = operator in ("-", "not ")
        room = {MAX_TAG} - 10
        body = operator * (room // len(operator)) + "1" if unary else "a" + operator * (room // len(operator))
        chain = "{{% if a %}}" + "{{% elif a %}}" * 200 + "{{% endif %}}"
        for source in ("{{{{ " + body + " }}}}", "{{% if " + body + " %}}{{% endif %}}", chain):
            try:
                render_parts(Parts("x", source, None), {{"a": 1}})
            except RenderError:
                pass
    print("alive")
threading.stack_size(1 << 20)
thread = threading.Thread(target=work)
thread.start()
thread.join()
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (0, "alive\n"), done.stderr[-500:]


def test_the_sandbox_knows_a_secret_or_does_not_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENDARIX_DATABASE_URL", "postgresql://secret")
    child = sandbox._Child()
    environment = Path(f"/proc/{child._process.pid}/environ").read_bytes()
    assert b"SENDARIX" not in environment
    child.end()
    with pytest.raises(sandbox.Exceeded):
        child.run(b"{}", 1.0)


@pytest.mark.parametrize(
    "source",
    [
        "{{ a }}",
        "{{ a.b[0]['c'] }}",
        "{% for x in xs %}{{ loop.index }} {{ x.name|upper }}{% else %}none{% endfor %}",
        "{% if (a and b) or not (c) %}x{% elif d in e %}y{% endif %}",
        "{% for l in lines or [] %}{{ l }}{% endfor %}",
        "{{ a|default('x')|join(', ') }} {{ n|round(2) }}",
        "{% for i in range(3) %}x{% endfor %}{# f(x) [a, b] #}{% raw %}{{ f(x) }}{% endraw %}",
        "{% set a = b ~ ' ' ~ c %}{{ 'f(x) [a, b]' }}",
    ],
)
def test_a_plain_template_leaves_the_process(source: str) -> None:
    assert not escapes_fuel(source)


@pytest.mark.parametrize(
    "source",
    [
        "{{ f(x) }}", "{{ a.b() }}", "{{ (a)(b) }}", "{{ a[0](b) }}", "{{ [a, a] }}", "{{ {'a': b} }}",
        "{% set a = [a] %}", "{% for x in [a, b] %}{% endfor %}", "{{ a|items }}", "{{ a|sort }}", "{{ a|zip(a) }}",
        "{{ a|default([b]) }}", "{{ '{}'.format(1) }}", "{% call f() %}{% endcall %}", "{{ dict(a=1) }}",
        "{% macro f(x) %}{% endmacro %}", "{{- [a] -}}", "{%- set a = {'b': c} -%}",
        "{% filter unique %}{% endfilter %}",
        "{{ x if y else[a] }}", "{{ range(3)|map('upper') }}", "{{ a  . b ( c ) }}", "{{ a['x'](1) }}",
    ],
)  # fmt: skip
def test_what_fuel_does_not_bound_stays_in_the_process(source: str) -> None:
    assert escapes_fuel(source)


@settings(max_examples=60, deadline=None)
@given(
    st.text(max_size=60), st.sampled_from(["<p>{{ x }}</p>", '<a title="{{ x }}">y</a>', "<p>{{ x|upper }}{{ x }}</p>"])
)
def test_data_brings_markup_into_the_html(value: str, source: str) -> None:
    template = Template("", "t", 1, None, "x", source, None, (Variable("x"),), None)
    shown = render(template, {"x": value}).html or ""
    assert shown.count("<") == source.count("<")
    assert shown.count('"') == source.count('"')
