"""HTTP in, JSON out. create_app builds the application; importing does no work.

Never here: workers, models, queues, the internet.
"""

from typing import Any

import orjson
from flask import Flask, Response, current_app, g, request
from flask.json.provider import JSONProvider
from werkzeug.exceptions import MethodNotAllowed

from api import errors, pages, ratelimit, unsubscribe_page, v1
from api.answers import standard_headers
from api.auth import authenticate, caller_ip
from api.counted import Counted
from api.dashboard import BLUEPRINTS as DASHBOARD
from api.docs import routes as docs
from api.handover import inner, tried
from api.lane import Lane
from api.openapi import document
from api.proxies import Proxies
from api.uploads import UPLOADS
from common.config import Settings, current_settings
from common.domain.errors import DomainError
from common.domain.ids import encode, new_id
from common.limits import Limiter

MOST_FORM_BYTES = 4_194_304
"""Of a page's form: a template is the longest. Bodies of the API are read by body.py, which has its own bound."""


class OrjsonProvider(JSONProvider):
    """Flask's JSON through orjson."""

    def dumps(self, obj: Any, **_: Any) -> str:
        return orjson.dumps(obj, default=str).decode()

    def loads(self, s: str | bytes, **_: Any) -> Any:
        return orjson.loads(s)


def create_app(settings: Settings | None = None) -> Flask:
    """The application with every route. Touches neither PostgreSQL nor Redis until a request comes."""
    settings = settings or current_settings()
    app = Flask("api", root_path=errors.__file__.rpartition("/")[0], static_folder="static")
    app.json = OrjsonProvider(app)
    app.config.update(
        MAX_BODY_BYTES=settings.max_body_bytes,
        MAX_CONTENT_LENGTH=MOST_FORM_BYTES,
        PROVIDE_AUTOMATIC_OPTIONS=False,
        TRAP_HTTP_EXCEPTIONS=False,
    )
    app.url_map.merge_slashes = False
    app.extensions["limiter"] = Limiter(settings)
    app.extensions["settings"] = settings
    UPLOADS.suit(settings.api_threads)
    errors.install(app)
    app.before_request(_begin)
    app.after_request(_finish)
    for blueprint in v1.BLUEPRINTS:
        app.register_blueprint(blueprint)
    app.register_blueprint(document.blueprint)
    app.register_blueprint(docs.blueprint)
    app.register_blueprint(pages.home)
    for blueprint in DASHBOARD:
        app.register_blueprint(blueprint)
    app.register_blueprint(unsubscribe_page.blueprint)
    if settings.mailbox_page:
        app.register_blueprint(pages.mailbox)
    app.extensions["whole_paths"] = _whole_paths(app)
    lane = Lane(app, settings, app.extensions["limiter"])
    app.wsgi_app = Counted(Proxies(lane, settings))  # type: ignore[method-assign]
    return app


def _whole_paths(app: Flask) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for rule in app.url_map.iter_rules():
        if not rule.arguments:
            found.setdefault(rule.rule, set()).update(rule.methods or ())
    return found


def _begin() -> None:
    before = tried()
    g.request_id = encode("req", new_id()) if before is None else before.request_id
    if request.view_args and request.path in current_app.extensions["whole_paths"]:
        raise MethodNotAllowed  # `/v1/messages/count` is no message, also for a method that only messages answer
    if request.url_rule is None and "Authorization" in request.headers:
        # A known caller sees their own quota on a 404 too; a stranger's key is no reason to fail here.
        try:
            ratelimit.charge(authenticate(), "read")
        except DomainError:
            pass


def _finish(response: Response) -> Response:
    own = g.get("request_id") or encode("req", new_id())
    response.headers.extend(standard_headers(own, request.headers.get("X-Request-Id")))
    if inner() is None:
        ratelimit.add_headers(response, caller_ip())
    return response
