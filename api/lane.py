"""The short way for `POST /v1/messages`: the same checks, verb and answer, without the framework's machinery.

It serves what is plainly right. Everything else goes to the application: before the request has had any
effect as if nothing had been tried, afterwards with what was found (`Tried`), so that every error is told
by `errors.py`. tests/integration/test_lane.py holds both ways to the same answers. Never here: an error's shape,
or a rule of its own.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from http import HTTPStatus
from io import BytesIO
from typing import Any

from flask import Flask

from api import auth, ratelimit
from api.answers import standard_headers
from api.body import parse
from api.handover import TRIED, Tried
from api.idempotency import find_key
from api.uploads import UPLOADS, Unreadable
from api.v1.schemas.messages import MESSAGE_IN
from api.v1.schemas.plain import read_plainly
from common.config import Settings
from common.domain.errors import DomainError
from common.domain.ids import encode, new_id
from common.domain.principals import Principal
from common.limits import Limiter
from common.services import quotas
from common.services.accepting import accept
from common.services.writing import Answer

PATH = "/v1/messages"
SCOPE, POLICY = "messages:send", "send"
MOST_BYTES = 65_536
"""Larger bodies cost so much to read that the short way saves nothing."""

Environ = dict[str, Any]
Wsgi = Callable[[Environ, Any], Iterable[bytes]]


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A message that is right as far as nothing has been counted or written for it."""

    principal: Principal
    fields: dict[str, Any]
    key: str | None


class Lane:
    """In front of an application; a WSGI application itself."""

    def __init__(self, app: Flask, settings: Settings, limiter: Limiter) -> None:
        self._app: Wsgi = app.wsgi_app
        self._limiter = limiter
        self._most = min(MOST_BYTES, settings.max_body_bytes)

    def __call__(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        if environ["PATH_INFO"] == PATH and environ["REQUEST_METHOD"] == "POST":
            answer = self._try(environ)
            if answer is not None:
                start_response(_status(answer.status), _headers(environ, answer))
                return [answer.body]
        return self._app(environ, start_response)

    def _try(self, environ: Environ) -> Answer | None:
        """The answer, or None when the application has to give it."""
        try:
            wanted = self._read(environ)
        except Exception:  # nothing has happened yet: the application meets the same and says what it is
            return None
        if wanted is None:
            return None
        tried = Tried(encode("req", new_id()), quotas.take(self._limiter, wanted.principal, POLICY))
        environ[TRIED] = tried
        if not tried.verdict.allowed:
            return None
        try:
            return accept(
                wanted.principal,
                wanted.fields,
                idempotency_key=wanted.key,
                request_id=tried.request_id,
                traceparent=environ.get("HTTP_TRACEPARENT"),
            )
        except Exception as error:
            tried.error = error
            return None

    def _read(self, environ: Environ) -> _Wanted | None:
        length = environ.get("CONTENT_LENGTH") or ""
        if environ.get("CONTENT_TYPE") != "application/json" or "HTTP_CONTENT_ENCODING" in environ:
            return None
        if environ.get("QUERY_STRING"):
            return None
        if not length.isdecimal() or int(length) > self._most:
            return None
        ip = environ.get("REMOTE_ADDR") or auth.LOOPBACK
        principal = auth.prove(environ.get("HTTP_AUTHORIZATION"), ip)
        auth.permit(principal, SCOPE, ip)
        auth.demand_https(principal, environ)
        try:
            raw = UPLOADS.read(environ["wsgi.input"], int(length), self._most, str(principal.account_id))
        except DomainError as error:
            environ["wsgi.input"] = Unreadable(error)
            return None
        environ["wsgi.input"] = BytesIO(raw)
        body = parse(raw)
        fields = read_plainly(MESSAGE_IN, body) if type(body) is dict else None
        if fields is None:
            return None
        key = find_key(principal, fields, lambda name: environ.get("HTTP_" + name.upper().replace("-", "_")))
        return _Wanted(principal, fields, key)


def _status(status: int) -> str:
    return f"{status} {HTTPStatus(status).phrase}"


def _headers(environ: Environ, answer: Answer) -> list[tuple[str, str]]:
    tried: Tried = environ[TRIED]
    headers = [
        ("Content-Type", "application/json"),
        ("Content-Length", str(len(answer.body))),
        *standard_headers(tried.request_id, environ.get("HTTP_X_REQUEST_ID")),
        *ratelimit.headers_of(tried.verdict, POLICY),
    ]
    if answer.replayed:
        headers.append(("Idempotent-Replayed", "true"))
    return headers
