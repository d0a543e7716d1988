"""ask(...): one request to the public API inside this process, as whoever is signed in.

The same views, checks and errors as over HTTP. Never here: what a page makes of the answer.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import Any
from urllib.parse import urlencode

import orjson
from flask import current_app, g, request

from api.handover import INSIDE
from common.domain.ids import encode, new_id

_HANDED_ON = ("REMOTE_ADDR", "HTTP_HOST", "SERVER_NAME", "SERVER_PORT", "SERVER_PROTOCOL", "wsgi.url_scheme")


@dataclass(frozen=True, slots=True)
class Reply:
    """What the API answered. `body` is the JSON value, or the text of another type."""

    status: int
    body: Any

    @property
    def ok(self) -> bool:
        return self.status < 400

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The items of a list; none when it was refused."""
        found: list[dict[str, Any]] = self.body.get("data", []) if self.ok and isinstance(self.body, dict) else []
        return found

    @property
    def problem(self) -> str:
        """What went wrong, as a sentence; empty when nothing did."""
        if self.ok:
            return ""
        if not isinstance(self.body, dict):
            return str(self.body)[:300]
        told = [f"{each['field']} {each['message']}" for each in self.body.get("errors") or ()]
        return " ".join([str(self.body.get("detail", "")), *(f"{each}." for each in told)]).strip()


def ask(
    method: str,
    path: str,
    query: Mapping[str, Any] | None = None,
    body: Any = None,
    *,
    key: str | None = None,
) -> Reply:
    """One request. `query` leaves out what is None or empty and repeats lists. `key` is an Idempotency-Key."""
    app = current_app._get_current_object()  # type: ignore[attr-defined]
    raw = b"" if body is None else orjson.dumps(body)
    given = {name: value for name, value in (query or {}).items() if value not in (None, "", [])}
    environ = {name: request.environ[name] for name in _HANDED_ON if name in request.environ}
    environ |= {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": urlencode(given, doseq=True),
        "CONTENT_LENGTH": str(len(raw)),
        "wsgi.input": BytesIO(raw),
        "wsgi.errors": request.environ["wsgi.errors"],
        INSIDE: g.signed_in.principal,
    }
    if raw:
        environ["CONTENT_TYPE"] = "application/json"
    if method == "POST":
        environ["HTTP_IDEMPOTENCY_KEY"] = key or encode("req", new_id())
    with app.app_context(), app.request_context(environ):
        response = app.full_dispatch_request()
        text = response.get_data()
        kind = response.mimetype
    return Reply(response.status_code, orjson.loads(text) if kind.endswith("json") and text else text.decode())
