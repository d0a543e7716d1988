"""One error shape for every answer that is not a success (RFC 9457), and the table that leads to it.

Never here: decisions. Views and verbs raise; only this file turns errors into statuses.
"""

from typing import Any

import orjson
import structlog
from flask import Flask, Response, current_app, g, request
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.exceptions import HTTPException

from api.problems import PROBLEMS
from common.domain.errors import DomainError, FieldError, InFlight

log = structlog.get_logger()

DOCS = "/docs/errors/"  # relative (RFC 9457 3.1.1): every installation serves its own documentation
PROBLEM = "application/problem+json"
_FRAMEWORK = {
    400: "invalid_request",
    404: "not_found",
    405: "method_not_allowed",
    408: "request_timeout",
    413: "payload_too_large",
    414: "uri_too_long",
    415: "unsupported_media_type",
    431: "header_too_large",
}
_RETRYABLE = frozenset({408, 429, 500, 503})


def problem(
    status: int,
    code: str,
    title: str,
    detail: str,
    *,
    retryable: bool | None = None,
    errors: tuple[FieldError, ...] = (),
    retry_after: int | None = None,
    extra: dict[str, object] | None = None,
) -> Response:
    """A problem+json response. `extra` members stand beside the standard ones."""
    body: dict[str, Any] = {
        "type": DOCS + code,
        "title": title,
        "status": status,
        "detail": detail or title + ".",
        "instance": request.path,
        "code": code,
        "request_id": g.get("request_id"),
        "retryable": status in _RETRYABLE if retryable is None else retryable,
        **(extra or {}),
    }
    if errors or status == 422:
        body["errors"] = [_shown(each) for each in errors]
    response = Response(orjson.dumps(body, default=str), status, mimetype=PROBLEM)
    if status == 408:
        response.headers["Connection"] = "close"  # the rest of the body may still come
    if status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    if retry_after is not None:
        response.headers["Retry-After"] = str(retry_after)
    return response


def _shown(error: FieldError) -> dict[str, str]:
    shown = {"field": error.field, "code": error.code, "message": error.message}
    if error.location == "body":
        return {"field": error.field, "pointer": error.pointer, "code": error.code, "message": error.message}
    return {**shown, "location": error.location}


def from_domain(error: DomainError) -> Response:
    """The response of an error that a verb or a view raised."""
    wait = error.retry_after
    if wait is None and error.status == 503:
        wait = 2
    if wait is None and isinstance(error, InFlight):
        wait = 1
    return problem(
        error.status,
        error.code,
        error.title,
        error.detail,
        retryable=error.retryable,
        errors=error.errors,
        retry_after=wait,
        extra=error.extra,
    )


def from_framework(error: HTTPException) -> Response:
    """404, 405 and the like, raised before any view ran."""
    status = error.code or 500
    code = _FRAMEWORK.get(status, "internal_error" if status >= 500 else "invalid_request")
    response = problem(status, code, PROBLEMS[code].title, _advice(status))
    if status == 405:
        allowed = current_app.extensions["whole_paths"].get(request.path) or getattr(error, "valid_methods", None) or ()
        response.headers["Allow"] = ", ".join(sorted(allowed))
    return response


def _advice(status: int) -> str:
    if status == 404:
        return "Nothing is at this address: check the path."
    if status == 405:
        return "This address does not answer that method: see the Allow header."
    return ""


def from_database(error: Exception) -> Response:
    """PostgreSQL away, read-only, full or out of connections: nothing was written."""
    log.error("database_unavailable", error=str(error)[:300], request_id=g.get("request_id"))
    return problem(
        503, "unavailable", "Service unavailable", "Nothing was written: send the request again.", retry_after=2
    )


_PASSING_STATES = ("08", "53", "57", "25006", "40001", "40P01", "55P03")


def from_statement(error: DBAPIError) -> Response:
    """A failed statement: passing faults of the database are 503, the rest are our defects."""
    state = getattr(error.orig, "sqlstate", None) or ""
    if error.connection_invalidated or state.startswith(_PASSING_STATES):
        return from_database(error)
    return from_defect(error)


def from_defect(error: Exception) -> Response:
    """A defect of ours: logged whole, shown as an id."""
    log.error("request_failed", exc_info=error, request_id=g.get("request_id"), path=request.path)
    return problem(500, "internal_error", "Internal error", "A defect on our side; the request id finds it.")


def install(app: Flask) -> None:
    """Route every error of `app` through this file."""
    app.register_error_handler(DomainError, from_domain)
    app.register_error_handler(HTTPException, from_framework)
    app.register_error_handler(DBAPIError, from_statement)
    for kind in (OperationalError, InterfaceError, PoolTimeout):
        app.register_error_handler(kind, from_database)
    app.register_error_handler(Exception, from_defect)
