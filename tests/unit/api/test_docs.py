"""The documentation: every page is there, every link leads somewhere, nothing comes from elsewhere."""

import ast
from collections.abc import Iterator
from html.parser import HTMLParser
from urllib.parse import urldefrag, urljoin

import pytest

from api import create_app
from api.docs import reference, samples, searching
from api.docs.library import library
from api.openapi.document import document
from api.problems import FIELD_CODES, PROBLEMS
from common.config import read_settings

APP = create_app(read_settings({}))
CLIENT = APP.test_client()
PAGES = library(APP)
_LOADED = {
    ("script", "src"),
    ("img", "src"),
    ("link", "href"),
    ("iframe", "src"),
    ("source", "src"),
    ("form", "action"),
}


class Seen(HTMLParser):
    """What a page links to, loads, and can be jumped to."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.anchors: list[str] = []
        self.inline: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = {name: value or "" for name, value in attrs}
        self.anchors += [told["id"]] if "id" in told else []
        self.links += [told["href"]] if tag == "a" and "href" in told else []
        self.loaded += [value for name, value in told.items() if (tag, name) in _LOADED]
        self.inline += [f"<{tag} {name}>" for name in told if name == "style" or name.startswith("on")]
        self.inline += [f"<{tag}>"] if tag == "style" or (tag == "script" and "src" not in told) else []


ADDRESSES = ["/docs", "/docs/search?q=idempotency", "/docs/search", *(f"/docs/{address}" for address in PAGES)]
_SEEN: dict[str, Seen] = {}


def seen(address: str) -> Seen:
    if address not in _SEEN:
        response = CLIENT.get(address)
        assert response.status_code == 200, f"{address} answers {response.status_code}"
        _SEEN[address] = Seen(response.text)
    return _SEEN[address]


def broken(address: str) -> Iterator[str]:
    for link in seen(address).links:
        if "://" in link:
            continue
        target, anchor = urldefrag(urljoin(address, link))
        if CLIENT.get(target).status_code != 200:
            yield link
        elif anchor and anchor not in seen(target).anchors:
            yield f"{link}: no such place on the page"


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_link_leads_nowhere(address: str) -> None:
    assert not list(broken(address))


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_page_loads_something_from_elsewhere_or_needs_a_weaker_policy(address: str) -> None:
    found = seen(address)
    assert all(each.startswith("/") and not each.startswith("//") for each in found.loaded)
    assert not found.inline, "the policy forbids what stands inline"
    assert len(found.anchors) == len(set(found.anchors)), "an anchor is there twice"
    policy = CLIENT.get(address).headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy and "http" not in policy


@pytest.mark.parametrize("code", PROBLEMS)
def test_the_type_of_an_error_has_no_page(code: str) -> None:
    text = CLIENT.get(f"/docs/errors/{code}").text
    kind = document(APP)["components"]["examples"].get(code)
    if kind is not None:
        assert kind["value"]["type"] == f"/docs/errors/{code}"
    for place in ('id="cause"', 'id="fix"', 'id="example"', f"&#34;code&#34;: &#34;{code}&#34;"):
        assert place in text


def test_the_type_of_a_real_error_leads_elsewhere() -> None:
    answer = CLIENT.get("/v1/nothing").json
    assert CLIENT.get(answer["type"]).status_code == 200


def test_an_operation_or_a_field_is_missing_from_the_reference() -> None:
    text = "".join(CLIENT.get(f"/docs/{address}").text for address in PAGES if address.startswith("reference/"))
    for path, item in document(APP)["paths"].items():
        for told in item.values():
            assert f'<h2 id="{told["operationId"]}">' in text and f"<code>{path}</code>" in text
    shown = document(APP)["components"]["schemas"]["MessageIn"]["properties"]
    assert all(f"<code>{name}</code>" in text for name in shown)
    assert "attachments[].content_id" in text, "what is inside a list is shown with its path"


def test_a_field_code_has_no_place() -> None:
    assert {f"field-{code}" for code in FIELD_CODES} <= set(seen("/docs/errors").anchors)


@pytest.mark.parametrize(
    ("query", "first"),
    [
        ("rate_limited", "/docs/errors/rate_limited"),
        ("send_message", "/docs/reference/messages#send_message"),
        ("POST /v1/messages", "/docs/reference/messages#send_message"),
        ("cancel", "/docs/api#cancel"),
        ("jitter", "/docs/retries#how-long"),
    ],
)
def test_the_search_finds_something_else_first(query: str, first: str) -> None:
    assert searching.search(APP, query)[0].address == first


@pytest.mark.parametrize(
    "query", ["", "  ", "%", "<script>alert(1)</script>", "\x00", "zzzzzz", "a" * 5000, "((((", "é"]
)
def test_a_hostile_search_is_shown_as_it_is_or_fails(query: str) -> None:
    response = CLIENT.get("/docs/search", query_string={"q": query})
    assert response.status_code == 200 and "<script>alert" not in response.text


def test_a_page_that_is_not_there_is_no_problem_document() -> None:
    for address in ("/docs/nothing", "/docs/../setup", "/docs/errors/nothing", "/docs/reference/nothing.md"):
        assert CLIENT.get(address).status_code == 404
        assert CLIENT.get(address).mimetype == "application/problem+json"


def test_a_machine_finds_less_than_a_person() -> None:
    index = CLIENT.get("/llms.txt")
    assert index.mimetype == "text/plain" and index.text.startswith("# Sendarix\n\n> ")
    for address, page in PAGES.items():
        assert f"(/docs/{address}.md)" in index.text
        text = CLIENT.get(f"/docs/{address}.md")
        assert text.mimetype == "text/markdown" and text.text == page.text
    whole = CLIENT.get("/llms-full.txt").text
    assert "## POST /v1/messages" in whole and "# Sending it again" in whole


def test_a_page_that_has_not_changed_is_sent_again() -> None:
    tag = CLIENT.get("/docs/api").headers["ETag"]
    assert CLIENT.get("/docs/api", headers={"If-None-Match": tag}).status_code == 304


def test_an_example_in_python_does_not_compile() -> None:
    for group in reference.read(document(APP)):
        for operation in group.operations:
            for request in operation.requests:
                compile(request.languages["Python"], operation.name, "exec")
                assert request.languages["curl"].count("'") % 2 == 0


def test_a_literal_says_something_else() -> None:
    value = {"a": [1, {"b": None}], "c": True, 'd"\n': "é'", "e": [], "f": {}, "g": ["x", 2.5]}
    assert ast.literal_eval(samples._literal(value)) == value
