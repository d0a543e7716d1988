"""`/u/{token}`: the way out that List-Unsubscribe names. One click for mail programs (RFC 8058), a page for people.

Only POST changes anything: scanners open links. It works without a key, a cookie or JavaScript, for the token
proves itself. Never here: what unsubscribing does (services/feedback.py).
"""

from babel import negotiate_locale
from flask import Blueprint, Response, current_app, make_response, render_template, request

from api.auth import public
from api.unsubscribe_words import WORDS
from common.db.session import transaction
from common.domain.suppressions import ALL
from common.domain.unsubscribe_tokens import Unsubscription, read_token
from common.services import feedback
from common.services.feedback import Standing
from common.services.keys import server_secret

blueprint = Blueprint("unsubscribe_page", __name__)

_CSP = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
_ONE_CLICK = "List-Unsubscribe"


@blueprint.get("/u/<token>")
@public
def ask(token: str) -> Response:
    """The page that asks. It changes nothing."""
    what, now = _read(token)
    if what is None or now is None:
        return _page(None, "invalid", 404)
    return _page(now, "ask" if not now.scopes & {what.scope, ALL} else _state(now), what=what)


@blueprint.post("/u/<token>")
@public
def answer(token: str) -> Response:
    """One click (`List-Unsubscribe=One-Click`), or one of the page's forms with `choice`: scope, all or none; or
    topics, with a `topic` for each that is still wanted."""
    what, now = _read(token)
    if what is None or now is None:
        return _page(None, "invalid", 404)
    one_click = _ONE_CLICK in request.form
    choice = "scope" if one_click else request.form.get("choice")
    if choice not in ("scope", "all", "none", "topics"):
        return _page(now, "ask", 400, what=what)
    with transaction() as connection:
        if choice == "none":
            feedback.opt_in(connection, what)
        elif choice == "topics":
            feedback.prefer(connection, what, request.form.getlist("topic"), source="page")
        else:
            source = "one_click" if one_click else "page"
            feedback.opt_out(connection, what, ALL if choice == "all" else what.scope, source=source)
        after = feedback.standing(connection, what)
    assert after is not None
    if one_click:
        return Response("unsubscribed\n", mimetype="text/plain")
    return _page(after, {"none": "resumed", "topics": "saved"}.get(choice) or _state(after), what=what)


def _read(token: str) -> tuple[Unsubscription | None, Standing | None]:
    what = read_token(server_secret(current_app.extensions["settings"]), token)
    if what is None:
        return None, None
    with transaction() as connection:
        return what, feedback.standing(connection, what)


def _state(now: Standing) -> str:
    return "stopped_all" if ALL in now.scopes else "stopped_this"


def _page(now: Standing | None, state: str, status: int = 200, what: Unsubscription | None = None) -> Response:
    language = _language(now.locale if now else None)
    page = render_template(
        "unsubscribe.html",
        words=WORDS[language],
        language=language,
        state=state,
        sender=now.sender if now else "",
        recipient=what.recipient if what else "",
        narrow=what is not None and what.scope != ALL,
        topics=_topics(now) if now is not None and ALL not in now.scopes else [],
    )
    response = make_response(page, status)
    response.headers["Content-Security-Policy"] = _CSP
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Robots-Tag"] = "noindex"
    return response


def _topics(now: Standing) -> list[tuple[str, str, bool]]:
    """Name, what people read, and whether it is still wanted."""
    return [(each, each.replace("-", " ").replace("_", " "), f"topic:{each}" not in now.scopes) for each in now.topics]


def _language(locale: str | None) -> str:
    """That of the mail; otherwise the browser's; otherwise English."""
    wanted = [(locale or "").replace("_", "-"), *request.accept_languages.values()]
    return negotiate_locale(wanted, list(WORDS), sep="-") or "en"
