"""The few HTML pages: the landing page, and the built-in mailbox on a developer's machine.

Never here: JSON. The mailbox pages need no key, so they exist only where SENDARIX_MAILBOX_PAGE says so.
"""

from flask import Blueprint, Response, current_app, make_response, render_template

from api.auth import public

home = Blueprint("home", __name__)
mailbox = Blueprint("mailbox_pages", __name__)

_CSP = (
    "default-src 'none'; style-src 'self'; frame-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def _page(name: str, **values: object) -> Response:
    response = make_response(render_template(name, **values))
    response.headers["Content-Security-Policy"] = _CSP
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["Cache-Control"] = "no-store"
    return response


@home.get("/")
@public
def landing() -> Response:
    """Where to go next."""
    return _page("landing.html", mailbox=current_app.extensions["settings"].mailbox_page)
