"""JSON answers of views. Errors are `errors.py`; lists are `paging.py`."""

import re
from typing import Any

import orjson
from flask import Response

from common.domain.events import API_VERSION

_SAFE_ID = re.compile(r"[A-Za-z0-9._:+/=@-]{1,128}\Z")


def standard_headers(request_id: str, theirs: str | None) -> list[tuple[str, str]]:
    """What every answer carries; `theirs` is the caller's own X-Request-Id."""
    headers = [
        ("X-Request-Id", request_id),
        ("Sendarix-Version", API_VERSION),
        ("X-Content-Type-Options", "nosniff"),
    ]
    if theirs is not None and _SAFE_ID.match(theirs):
        headers.append(("X-Client-Request-Id", theirs))
    return headers


def json_answer(body: Any, status: int = 200) -> Response:
    """`body` as JSON."""
    return Response(orjson.dumps(body, default=str), status, mimetype="application/json")


def no_content() -> Response:
    """204: it is gone."""
    response = Response(b"", 204)
    del response.headers["Content-Type"]
    return response
