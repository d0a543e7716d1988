"""JSON answers of views. Errors are `errors.py`; lists are `paging.py`."""

from typing import Any

import orjson
from flask import Response


def json_answer(body: Any, status: int = 200) -> Response:
    """`body` as JSON."""
    return Response(orjson.dumps(body, default=str), status, mimetype="application/json")


def no_content() -> Response:
    """204: it is gone."""
    response = Response(b"", 204)
    del response.headers["Content-Type"]
    return response
