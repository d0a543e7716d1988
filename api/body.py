"""Reading a request body strictly: size, encoding, JSON. What it returns can be stored as it is.

Never here: what the fields mean (schemas) or the answer to a bad one (errors).

Strictness is kept cheap. orjson already refuses bad UTF-8, NaN, Infinity and lone surrogates. It keeps
the last of two equal keys, though, and a reader in front of us may keep the first, so duplicates must
be refused. A duplicate shows as more separators in the text than keys in the result: counting colons
costs a microsecond, and only a body with other colons in it (a URL, a style sheet) is counted by
pattern, and only one that is still ambiguous is parsed a second time, pair by pair.
"""

import json
import re
from collections.abc import Collection, Iterator
from typing import Any

import orjson
from flask import Response, after_this_request, current_app, g, request

from api.uploads import LARGE, UPLOADS, too_large
from common.domain.errors import FieldError, InvalidRequest, TooLarge, UnsupportedMedia

MAX_DEPTH = 32
MAX_CONTAINERS = 200_000
MAX_COMMAS = 2_000_000
_LEAST, _MOST = -(2**63), 2**63 - 1
_NUMBERS = (int, float)
_SEPARATOR = re.compile(rb'"[ \t\r\n]*:')


def read_object() -> dict[str, Any]:
    """The JSON object in the body. Raises UnsupportedMedia, TooLarge, InvalidRequest."""
    if request.mimetype != "application/json":
        raise UnsupportedMedia("Send the body as application/json.")
    if request.headers.get("Content-Encoding", "identity") != "identity":
        raise UnsupportedMedia("Send the body without a Content-Encoding.")
    found = parse(read_bytes(current_app.config["MAX_BODY_BYTES"]))
    if not isinstance(found, dict):
        raise InvalidRequest("The body must be a JSON object.", code="invalid_json")
    g.given = found  # what the audit log may tell of it
    return found


def read_bytes(most: int) -> bytes | bytearray:
    """The raw body, refused before it is read when its length is told.

    Raises TooLarge, InvalidRequest, RequestTimeout, and Unavailable while too many large ones are in work.
    """
    length = request.content_length
    if length is None and "HTTP_TRANSFER_ENCODING" not in request.environ:
        return b""
    if length is not None and length > most:
        raise too_large(most)
    account = str(g.principal.account_id) if "principal" in g else ""
    if length is not None and length > LARGE:
        _stay_among_few(account)
    grown = None if length is not None else lambda: _stay_among_few(account)
    return UPLOADS.read(request.environ["wsgi.input"], length, most, account, grown)


def read_pieces(most: int, size: int) -> Iterator[bytes]:
    """The raw body in pieces of at most `size` bytes, never held whole. Raises TooLarge, InvalidRequest."""
    if request.headers.get("Content-Encoding", "identity") != "identity":
        raise UnsupportedMedia("Send the body without a Content-Encoding.")
    length, stream, seen = request.content_length, request.environ["wsgi.input"], 0
    if length is not None and length > most:
        raise TooLarge(f"The body is over {most} bytes: send it in parts.")
    if length is None and "HTTP_TRANSFER_ENCODING" not in request.environ:
        return
    while length is None or seen < length:
        piece: bytes = stream.read(size if length is None else min(size, length - seen))
        if not piece:
            break
        seen += len(piece)
        if seen > most:
            raise TooLarge(f"The body is over {most} bytes: send it in parts.")
        yield piece
    if length is not None and seen < length:
        raise InvalidRequest("The body ended before its Content-Length.")


def _stay_among_few(account: str) -> None:
    """Until its answer is made the request counts as one of the few large ones."""
    end = UPLOADS.begin_large(account)

    @after_this_request
    def leave(response: Response) -> Response:
        end()
        return response


def parse(raw: bytes | bytearray) -> Any:
    """Strict JSON. Raises InvalidRequest (invalid_json, json_too_complex)."""
    containers = raw.count(b"{") + raw.count(b"[")
    if containers > MAX_CONTAINERS or raw.count(b",") > MAX_COMMAS:
        raise InvalidRequest("The body has too many values: send less at once.", code="json_too_complex")
    try:
        found = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise InvalidRequest(f"The body is not valid JSON: {str(error)[:120]}.", code="invalid_json") from error
    keys, depth, huge = _measure(found)
    if depth > MAX_DEPTH:
        raise InvalidRequest(f"The body is nested deeper than {MAX_DEPTH}.", code="json_too_complex")
    if huge:
        json.loads(raw, parse_int=_fitting)
    if raw.count(b":") != keys and len(_SEPARATOR.findall(raw)) != keys:
        json.loads(raw, object_pairs_hook=_unique)
    if b"\\u0000" in raw:
        _refuse_nul(found)
    return found


def _measure(found: Any) -> tuple[int, int, bool]:
    """Number of keys, depth of nesting, and whether a number may have been too large to be kept exactly."""
    keys = depth = 0
    huge = False
    values: Collection[Any]
    level = [found]
    while level:
        deeper: list[Any] = []
        for each in level:
            if type(each) is dict:
                keys += len(each)
                values = each.values()
            elif type(each) is list:
                values = each
            else:
                continue
            deeper += [value for value in values if type(value) is dict or type(value) is list]
            huge = huge or any(not _LEAST < value <= _MOST for value in values if type(value) in _NUMBERS)
        depth += 1
        level = deeper
    return keys, depth, huge


def _fitting(digits: str) -> int:
    """A whole number that 64 bits hold; orjson makes a rounded float of a larger one."""
    if len(digits) > 20 or not _LEAST <= int(digits) <= _MOST:
        raise InvalidRequest(f"The number {digits[:24]} is beyond 64 bits: send it as a string.", code="invalid_json")
    return int(digits)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                error = FieldError(name[:80], "duplicate", "appears twice in one object")
                raise InvalidRequest("A key appears twice in one object.", code="invalid_json", errors=[error])
            seen.add(name)
    return found


def _refuse_nul(found: Any) -> None:
    level = [found]
    while level:
        each = level.pop()
        if isinstance(each, str) and "\x00" in each:
            raise InvalidRequest("The body contains a NUL character.", code="invalid_json")
        if isinstance(each, dict):
            level += [*each.keys(), *each.values()]
        elif isinstance(each, list):
            level += each
