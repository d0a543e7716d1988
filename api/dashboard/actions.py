"""POST /dashboard/do/{deed}: a form does one request of the API, and the person sees what came of it.

Never here: what can be done (deeds.py).
"""

from typing import Any
from urllib.parse import quote

import orjson
from flask import Blueprint, g, redirect, request
from werkzeug.wrappers import Response as AnyResponse

from api.dashboard import mistakes
from api.dashboard.calls import ask
from api.dashboard.deeds import DEEDS, Deed, filled
from api.dashboard.doors import inside, signed_in
from api.dashboard.rendering import page
from common.db.session import transaction
from common.domain.errors import NotFound
from common.services import sessions

blueprint = Blueprint("actions", __name__, url_prefix="/dashboard/do")


@blueprint.post("/<deed>")
@signed_in
def do(deed: str) -> AnyResponse:
    """Do it as the person who is signed in; then back to the page, or to where it leads."""
    what = DEEDS.get(deed)
    if what is None:
        raise NotFound("There is nothing of this name to do.")
    try:
        body = _body(what)
    except orjson.JSONDecodeError as error:
        return _refused(what, f"JSON: {error}")
    path = what.path.format_map(_Given({name: quote(text, safe="@") for name, text in request.form.items()}))
    reply = ask(what.method, path, body=body, key=request.form.get("once"))
    if not reply.ok:
        return _refused(what, reply.problem)
    if what.shows and reply.body.get(what.shows):
        back = inside(request.form.get("next"))
        return page("told_once", deed=what, secret=reply.body[what.shows], reply=reply, back=back, curl=what.curl(path))
    _note("good", what.done)
    found = reply.body if isinstance(reply.body, dict) else {}
    return redirect(what.leads.format_map(_Given(found)) if what.leads else _back(), 303)


class _Given(dict[str, Any]):
    """A variable that the form lacks makes an address that finds nothing."""

    def __missing__(self, key: str) -> str:
        return "-"


def _body(what: Deed) -> dict[str, Any] | None:
    if not what.fields and what.fixed is None:
        return None
    fixed = {name: dict(value) if isinstance(value, dict) else value for name, value in (what.fixed or {}).items()}
    given = {each.name: each.read(request.form.getlist(each.name)) for each in what.fields}
    return filled(fixed, {name: value for name, value in given.items() if value is not None})


def _back() -> str:
    return inside(request.form.get("next"))


def _note(kind: str, text: str, more: str = "") -> None:
    with transaction() as connection:
        sessions.leave_notice(connection, g.signed_in.id, {"kind": kind, "text": text, "more": more[:500]})


def _refused(what: Deed, problem: str) -> AnyResponse:
    _note("bad", what.label, f"– {problem}")
    return redirect(_back(), 303)


mistakes.install(blueprint)
