"""/docs, /llms.txt: every page is rendered once per process and served whole, to whoever asks.

Never here: what the pages say (library.py). Nothing on them is loaded from elsewhere.
"""

import hashlib
from functools import lru_cache

from flask import Blueprint, Flask, Response, current_app, render_template, request

from api.auth import public
from api.docs import markdown, texts
from api.docs.library import SECTIONS, library
from api.docs.searching import search
from api.openapi.parts import INFO
from api.problems import PROBLEMS
from common.domain.errors import NotFound

blueprint = Blueprint("docs", __name__)
blueprint.add_app_template_filter(markdown.inline, "sentence")
blueprint.add_app_template_filter(markdown.block, "paragraphs")

CSP = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


def _app() -> Flask:
    found: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    return found


@blueprint.get("/docs")
@blueprint.get("/docs/")
@public
def docs_home() -> Response:
    """The first page of the documentation."""
    return _answer(_home(_app()), "text/html")


@blueprint.get("/docs/<path:address>")
@public
def docs_page(address: str) -> Response:
    """One page; with `.md` behind its address as Markdown."""
    name = address.removesuffix(".md")
    page = library(_app()).get(name)
    if page is None:
        raise NotFound(f"There is no page {address}: /docs lists all of them.")
    if name != address:
        return _answer(page.text, "text/markdown")
    return _answer(_rendered(_app(), name), "text/html")


@blueprint.get("/docs/search")
@public
def docs_search() -> Response:
    """What a search finds; with `part=1` only the list."""
    query = request.args.get("q", "")
    values = {"query": query, "hits": search(_app(), query)}
    if request.args.get("part"):
        return _answer(render_template("docs/hits.html", **values), "text/html")
    return _answer(_page(_app(), "docs/search.html", **values), "text/html")


@blueprint.get("/llms.txt")
@public
def llms() -> Response:
    """Where each page is, for programs that read."""
    return _answer(texts.index(library(_app()).values(), INFO["summary"]), "text/plain")


@blueprint.get("/llms-full.txt")
@public
def llms_full() -> Response:
    """Every page for those who call the API, in one text."""
    return _answer(_full(_app()), "text/plain")


@lru_cache(maxsize=4)
def _full(app: Flask) -> str:
    read = [page for page in library(app).values() if page.section in SECTIONS[:3] and not page.hidden]
    return "\n\n".join(page.text.strip() for page in read) + "\n"


@lru_cache(maxsize=4)
def _home(app: Flask) -> str:
    return _page(app, "docs/home.html", info=INFO)


@lru_cache(maxsize=512)
def _rendered(app: Flask, name: str) -> str:
    page = library(app)[name]
    return _page(app, page.template, page=page, **page.values)


def _page(app: Flask, template: str, **values: object) -> str:
    sections = {name: [] for name in SECTIONS}  # type: dict[str, list[object]]
    for each in library(app).values():
        if not each.hidden:
            sections[each.section].append(each)
    return render_template(template, sections=sections, problems_by_code=PROBLEMS, **values)


def _answer(text: str, mimetype: str) -> Response:
    body = text.encode()
    response = Response(body, content_type=f"{mimetype}; charset=utf-8")
    response.headers["Content-Security-Policy"] = CSP
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["Cache-Control"] = "no-cache"
    response.set_etag(hashlib.sha256(body).hexdigest()[:32])
    response.make_conditional(request)
    return response
