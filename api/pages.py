"""The few HTML pages: the landing page, and the built-in mailbox on a developer's machine.

Never here: JSON. The mailbox pages need no key, so they exist only where SENDARIX_MAILBOX_PAGE says so.
"""

from typing import Any

from flask import Blueprint, Response, current_app, make_response, render_template, request

from api import query
from api.auth import public
from common.db.keyset import EPOCH, Turn
from common.db.session import transaction
from common.domain.errors import NotFound
from common.domain.ids import decode
from common.services import mailbox as mails

home = Blueprint("home", __name__)
mailbox = Blueprint("mailbox_pages", __name__)

PAGE = 50
VIEWS = ("html", "text", "headers", "source")
MAIL_CSP = (
    "sandbox allow-popups; default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
    "form-action 'none'; base-uri 'none'; frame-ancestors 'self'"
)
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


@mailbox.get("/mailbox")
@public
def list_mail() -> Response:
    """Captured mail, newest first."""
    before = decode("mbx", request.args.get("before", ""))
    recipient = request.args.get("recipient") or None
    turn = None if before is None else Turn((EPOCH, before))
    with transaction() as connection:
        found = mails.find(connection, recipient=recipient, limit=PAGE, turn=turn)
    return _page("mailbox.html", mails=found.data, more=found.older is not None, recipient=recipient)


@mailbox.get("/mailbox/<mail_id>")
@public
def read_mail(mail_id: str) -> Response:
    """One captured mail in one of four views."""
    mail = _mail(mail_id)
    default = "html" if mail["html"] else "text"
    view = request.args.get("view", default)
    return _page("mail.html", mail=mail, view=view if view in VIEWS else default, views=VIEWS)


@mailbox.get("/mailbox/<mail_id>/html")
@public
def read_mail_html(mail_id: str) -> Response:
    """The mail's own HTML, for the frame: an origin of its own, no script, no form, nothing fetched."""
    response = Response(_mail(mail_id)["html"] or "", mimetype="text/html")
    response.headers["Content-Security-Policy"] = MAIL_CSP
    response.headers["Referrer-Policy"] = "no-referrer"
    return response


def _mail(mail_id: str) -> dict[str, Any]:
    which = query.path_id("mbx", mail_id)
    with transaction() as connection:
        found = mails.get(connection, which)
    if found is None:
        raise NotFound("There is no mail with this id: it may have made room for newer ones.")
    return found
