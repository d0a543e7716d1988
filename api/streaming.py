"""Cursors of the event stream, and waiting for what comes next: long-poll and server-sent events.

A reader that waits holds a thread, so a process lets only so many wait. Never here: SQL.
"""

import base64
import binascii
import hmac
import threading
from collections.abc import Callable, Iterator
from uuid import UUID

import orjson

from common import clock
from common.domain.errors import FieldError, InvalidRequest, Unavailable
from common.services.keys import server_secret
from common.services.stream import Part, Place

MOST_WAITING = 12
"""Readers that wait, of the 32 threads of a web process."""

LOOK_SECONDS = 0.2
HEARTBEAT_SECONDS = 15.0
STREAM_SECONDS = 300.0
"""A stream ends after this and is opened again by the reader, whose key is looked at then."""

_waiting = threading.BoundedSemaphore(MOST_WAITING)
_BIAS = 1


def encode_place(place: Place) -> str:
    """A place as an opaque cursor."""
    body = (place[0] + _BIAS).to_bytes(8, "big") + place[1].bytes
    return base64.urlsafe_b64encode(body + _sign(body)).decode().rstrip("=")


def decode_place(text: str, name: str, location: str = "query") -> Place:
    """The place of a cursor. Raises InvalidRequest (invalid_cursor)."""
    try:
        whole = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        whole = b""
    if len(whole) != 32 or not hmac.compare_digest(whole[24:], _sign(whole[:24])):
        raise InvalidRequest(
            "The cursor is not one of this stream: take `next_cursor` as it is, or start without one.",
            code="invalid_cursor",
            errors=[FieldError(name, "invalid_format", "is not a cursor of this stream", location)],
        )
    return int.from_bytes(whole[:8], "big") - _BIAS, UUID(bytes=whole[8:24])


def _sign(body: bytes) -> bytes:
    return hmac.digest(server_secret(), b"stream" + body, "sha256")[:8]


Reading = Callable[[Place], Part]


def read_waiting(read: Reading, place: Place, seconds: float) -> Part:
    """What follows `place`; when there is nothing, what comes within `seconds`. Too many waiting: at once."""
    part = read(place)
    if part.events or part.more or not seconds or not _waiting.acquire(blocking=False):
        return part
    try:
        deadline = clock.monotonic() + seconds
        while not (part.events or part.more) and clock.monotonic() < deadline:
            threading.Event().wait(LOOK_SECONDS)
            part = read(part.place)
        return part
    finally:
        _waiting.release()


def follow(read: Reading, place: Place) -> Iterator[bytes]:
    """Server-sent events from `place` on, each with its cursor for Last-Event-ID. Raises Unavailable when full."""
    if not _waiting.acquire(blocking=False):
        raise Unavailable("Too many readers follow the stream here: try again soon.", retry_after=5)
    return _follow(read, place)


def _follow(read: Reading, place: Place) -> Iterator[bytes]:
    try:
        yield b"retry: 1000\n\n"
        began = heard = clock.monotonic()
        while clock.monotonic() - began < STREAM_SECONDS:
            part = read(place)
            for at, event in part.events:
                yield _frame(encode_place(at), event["type"], orjson.dumps(event))
                heard = clock.monotonic()
            if part.place != place and not part.events and clock.monotonic() - heard > HEARTBEAT_SECONDS:
                heard = clock.monotonic()
                yield f"id: {encode_place(part.place)}\n: still here\n\n".encode()
            place = part.place
            if not part.more:
                threading.Event().wait(LOOK_SECONDS)
    finally:
        _waiting.release()


def _frame(cursor: str, name: str, data: bytes) -> bytes:
    return b"id: %b\nevent: %b\ndata: %b\n\n" % (cursor.encode(), name.encode(), data)
