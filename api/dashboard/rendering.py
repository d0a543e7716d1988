"""A page as an answer: its frame, its words in the reader's language, its headers.

Never here: what a page shows.
"""

from typing import Any
from urllib.parse import urlencode

from flask import Response, g, make_response, render_template, request

from api.dashboard.deeds import DEEDS
from api.dashboard.words import LANGUAGES, speak
from api.pages import MAIL_CSP
from common import clock
from common.domain.ids import encode, new_id

TONES = {
    "good": "delivered active verified ok found enabled done succeeded taken idle",
    "bad": "bounced failed complained expired missing wrong disabled refused revoked failing exhausted",
    "warn": "deferred suppressed held paused unknown pending invited warning degraded no-workers partial unclear",
    "busy": "queued accepted scheduled running sending waiting working",
}
"""Which colour a state has. Its word is always there too."""
_TONE_OF = {state: tone for tone, states in TONES.items() for state in states.split()}

CSP = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


def page(name: str, status: int = 200, **values: Any) -> Response:
    """The page of a template under templates/dashboard/."""
    found = g.get("signed_in")
    language = language_of()
    response = make_response(
        render_template(
            f"dashboard/{name}.html",
            t=lambda text, **given: speak(language, text, **given),
            language=language,
            languages=LANGUAGES,
            me=found,
            may=lambda scope: found is not None and found.principal.may(scope),
            deeds=DEEDS,
            turned=turned,
            place_of=place_of,
            theme=(found.theme if found else None) or "auto",
            once=lambda: encode("req", new_id()),
            now=clock.now(),
            here=request.full_path.rstrip("?") if request.method == "GET" else "/dashboard",
            **values,
        ),
        status,
    )
    return guarded(response)


def turned(**changed: str | None) -> str:
    """The address of this page with other parameters; None takes one out."""
    kept = [(name, text) for name, text in request.args.items(multi=True) if name not in changed and text]
    kept += [(name, text) for name, text in changed.items() if text]
    return request.path + (f"?{urlencode(kept)}" if kept else "")


_PLACES = {"msg": "/messages", "dom": "/domains", "tpl": "/templates", "whk": "/webhooks"}


def place_of(object_id: str) -> str:
    """The page of what has this id; empty where it has none of its own."""
    found = _PLACES.get(object_id.partition("_")[0])
    return f"/dashboard{found}/{object_id}" if found else ""


def tone(state: str) -> str:
    """The colour of a state: good, bad, warn, busy, or none."""
    return _TONE_OF.get(state.replace(" ", "-"), "")


def guarded(response: Response, csp: str = CSP) -> Response:
    """With the headers that every page of the dashboard has."""
    response.headers["Content-Security-Policy"] = csp
    response.headers["Referrer-Policy"] = "same-origin"
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Robots-Tag"] = "noindex"
    response.headers["Cross-Origin-Opener-Policy"] = "same-origin"
    return response


def language_of() -> str:
    """That of the session; otherwise what the address or the browser asks for; otherwise English."""
    found = g.get("signed_in")
    for wanted in (found.language if found else None, request.args.get("language")):
        if wanted in LANGUAGES:
            return str(wanted)
    return request.accept_languages.best_match(list(LANGUAGES)) or "en"


def frame(html: str | None) -> Response:
    """HTML of a mail: in an origin of its own, no script, no form, nothing fetched."""
    return guarded(Response(html or "", mimetype="text/html"), MAIL_CSP)
