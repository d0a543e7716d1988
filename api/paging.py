"""Opaque cursors: a position in (created_at, id) order, bound to its filters, signed.

Never here: SQL. A cursor holds no secret; the signature only keeps it from being made up.
"""

import base64
import binascii
import hashlib
import hmac
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import orjson
from flask import Response, request

from common.db.keyset import EPOCH, Page, Position, Turn
from common.domain.errors import FieldError, InvalidRequest
from common.services.keys import server_secret

_MICROSECOND = timedelta(microseconds=1)


def filter_hash(account_id: UUID, filters: dict[str, Any]) -> bytes:
    """Eight bytes that change when any filter does."""
    text = orjson.dumps([str(account_id), request.path, filters], option=orjson.OPT_SORT_KEYS, default=str)
    return hashlib.sha256(text).digest()[:8]


def encode_cursor(position: Position, filters: bytes, back: bool = False) -> str:
    """A cursor that points after `position`, or with `back` before it."""
    moment = (position[0] - EPOCH) // _MICROSECOND
    body = moment.to_bytes(8, "big") + position[1].bytes + filters
    return base64.urlsafe_b64encode(body + _sign(body, back)).decode().rstrip("=")


def decode_turn(text: str, filters: bytes) -> Turn:
    """Where a cursor of either direction leads. Raises InvalidRequest (invalid_cursor)."""
    try:
        whole = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        whole = b""
    body, signature = whole[:32], whole[32:]
    ways = [back for back in (False, True) if hmac.compare_digest(signature, _sign(body, back))]
    if len(whole) != 42 or not ways or body[24:] != filters:
        error = FieldError("cursor", "invalid_format", "is not a cursor of this list with these filters", "query")
        raise InvalidRequest(
            "The cursor does not belong to this query: start again without it.",
            code="invalid_cursor",
            errors=[error],
        )
    return Turn((EPOCH + int.from_bytes(body[:8], "big") * _MICROSECOND, UUID(bytes=body[8:24])), ways[0])


def _sign(body: bytes, back: bool) -> bytes:
    return hmac.digest(server_secret(), (b"cursor back" if back else b"cursor") + body, "sha256")[:10]


def turning_page(found: Page, filters: bytes) -> Response:
    """The list envelope with cursors in both directions."""
    following, previous = (
        None if turn is None else encode_cursor(turn.position, filters, turn.back)
        for turn in (found.older, found.newer)
    )
    return _envelope(found.data, following, previous)


def whole(data: list[dict[str, Any]]) -> Response:
    """The list envelope without pages."""
    return _envelope(data, None, None)


def _envelope(data: list[dict[str, Any]], following: str | None, previous: str | None) -> Response:
    body = {"data": data, "has_more": following is not None, "next_cursor": following, "prev_cursor": previous}
    response = Response(orjson.dumps(body, default=str), mimetype="application/json")
    query = [(name, value) for name, value in request.args.items(multi=True) if name != "cursor"]
    links = [
        f'<{request.path}?{urlencode([*query, ("cursor", cursor)])}>; rel="{name}"'
        for name, cursor in (("next", following), ("prev", previous))
        if cursor is not None
    ]
    if links:
        response.headers["Link"] = ", ".join(links)
    return response
