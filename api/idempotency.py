"""Finding the Idempotency-Key of a request in the places it may stand, and answering a request once.

What a key does to a message is the accept verb's. Never here: storage.
"""

import hashlib
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import orjson
from flask import Response, current_app, g, request
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from common.db.session import transaction
from common.domain.errors import FieldError, InFlight, InvalidRequest
from common.domain.principals import Principal
from common.services import auditing, idempotency
from common.services.idempotency import Claim, Kept

_HEADERS = ("Idempotency-Key", "X-Idempotency-Key")
_LOWERED = frozenset(each.lower() for each in _HEADERS)
_KEY = re.compile(r"[\x20-\x7e]{1,256}\Z")


def take_key(principal: Principal, fields: dict[str, Any]) -> str | None:
    """The key of this request, or None; the body's copy is removed so that it never leaves with the mail.

    Raises InvalidRequest: malformed, two different values, or missing where this API key requires one.
    """
    return find_key(principal, fields, request.headers.get)


def find_key(principal: Principal, fields: dict[str, Any], header: Callable[[str], str | None]) -> str | None:
    """The same of a request whose headers `header` looks up."""
    key = _find(fields, header)
    if key is None and principal.require_idempotency:
        raise InvalidRequest("This API key requires an Idempotency-Key.", code="idempotency_key_required")
    return key


def _find(fields: dict[str, Any], header: Callable[[str], str | None]) -> str | None:
    found = {_read(value, name) for name in _HEADERS if (value := header(name)) is not None}
    return _only(found | _carried(fields))


def take_item_key(fields: dict[str, Any]) -> str | None:
    """The own key of one message of a batch, taken out of its fields. Raises InvalidRequest."""
    own = fields.pop("idempotency_key", None)
    return _only(({_read(own, "idempotency_key")} if own is not None else set()) | _carried(fields))


def _carried(fields: dict[str, Any]) -> set[str]:
    """Keys among the mail's headers, taken out of them."""
    mail_headers = fields.get("headers") or {}
    carried = [name for name in mail_headers if name.lower() in _LOWERED]
    if carried:
        fields["headers"] = {name: text for name, text in mail_headers.items() if name not in carried}
    return {_read(mail_headers[name], name) for name in carried}


def _only(found: set[str]) -> str | None:
    if len(found) > 1:
        raise InvalidRequest(
            "The request carries different Idempotency-Keys: send one.",
            code="idempotency_key_conflict",
            errors=[FieldError("Idempotency-Key", "conflict", "has more than one value", "header")],
        )
    return found.pop() if found else None


def _read(text: str, name: str) -> str:
    text = text.strip(" \t")
    if 2 <= len(text) <= 256 and text[0] == text[-1] == '"':  # RFC 8941 string
        text = re.sub(r"\\([\"\\])", r"\1", text[1:-1])
    if not _KEY.match(text):
        raise InvalidRequest(
            "An Idempotency-Key is 1 to 256 printable ASCII characters.",
            code="idempotency_key_invalid",
            errors=[FieldError(name, "invalid_format", "is not 1 to 256 printable ASCII characters", "header")],
        )
    return text


MOST_AT_ONCE = 3
"""Requests with one key that one process works on: the first and two that wait for its end."""
_busy: Counter[tuple[Any, ...]] = Counter()
_lock = threading.Lock()


def answer_once(fields: Mapping[str, Any], work: Callable[[Connection], Response]) -> Response:
    """Run `work` in a transaction of its own. With an Idempotency-Key it runs once: later requests with the same
    `fields` get its answer again, byte for byte. What raises leaves nothing, so the key is still free.

    Raises KeyReused for other fields, InFlight while the first one still runs.
    """
    key = _find({}, request.headers.get)
    if key is None:
        with transaction() as connection:
            return _noted(work(connection))
    payload = orjson.dumps([request.path, fields], option=orjson.OPT_SORT_KEYS, default=str)
    claim = Claim(g.principal, _route(), key, hashlib.sha256(payload).hexdigest(), g.request_id)
    settings = current_app.extensions["settings"]
    with _turn(claim.identity), _told_when_locked(), transaction() as connection:
        kept = idempotency.take(connection, settings, claim)
        if kept is not None:
            auditing.forget()
            response = Response(kept.body, kept.status, mimetype="application/json")
            response.headers["Idempotent-Replayed"] = "true"
            return response
        response = _noted(work(connection))
        idempotency.keep(connection, settings, claim, Kept(response.status_code, response.get_data()))
        return response


def _noted(response: Response) -> Response:
    """The same; where it shows what was made, the audit log learns its id."""
    wanted = response.status_code == 201 or not request.view_args
    shown = response.get_json(silent=True) if wanted else None
    if isinstance(shown, dict) and isinstance(shown.get("id"), str):
        auditing.about(shown["id"])
    return response


def _route() -> str:
    assert request.url_rule is not None
    return f"{request.method} " + re.sub(r"<(?:[^:<>]+:)?([^<>]+)>", r"{\1}", request.url_rule.rule)


@contextmanager
def _turn(identity: tuple[Any, ...]) -> Iterator[None]:
    """Raises InFlight when enough requests with this key are here already."""
    with _lock:
        if _busy[identity] >= MOST_AT_ONCE:
            raise InFlight("Requests with this Idempotency-Key are still running.", retry_after=1)
        _busy[identity] += 1
    try:
        yield
    finally:
        with _lock:
            _busy[identity] -= 1
            if not _busy[identity]:
                del _busy[identity]


@contextmanager
def _told_when_locked() -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) == "55P03":
            raise InFlight("The first request with this key is still running.", retry_after=1) from error
        raise
