"""What a restricted key may send: its templates, streams and tags. Senders are checked where they are found
(services/composing.py), networks where the request arrives (the API). Pure.
"""

from collections.abc import Mapping
from typing import Any

from common.domain.errors import Forbidden
from common.domain.principals import Principal


def check_restrictions(principal: Principal, fields: Mapping[str, Any]) -> str | None:
    """The stream of the message: the one it names, or the only one the key allows.

    Raises Forbidden (template_not_allowed, stream_not_allowed, tag_not_allowed).
    """
    _check_template(principal, fields.get("template"))
    _check_tags(principal, fields.get("tags") or ())
    return _stream(principal, fields.get("stream"))


def _check_template(principal: Principal, slug: str | None) -> None:
    if principal.templates is not None and slug not in principal.templates:
        allowed = ", ".join(sorted(principal.templates))
        raise Forbidden(f"This key may send only these templates: {allowed}.", code="template_not_allowed")


def _check_tags(principal: Principal, tags: list[str] | tuple[str, ...]) -> None:
    others = [] if principal.tags is None else [each for each in tags if each not in principal.tags]
    if others:
        raise Forbidden(f"This key may not send with the tag {others[0]}.", code="tag_not_allowed")


def _stream(principal: Principal, named: str | None) -> str | None:
    allowed = principal.streams
    if allowed is None:
        return named
    if named is None and len(allowed) == 1:
        return next(iter(allowed))
    if named not in allowed:
        streams = ", ".join(sorted(allowed))
        raise Forbidden(f"This key may send only in these streams: {streams}.", code="stream_not_allowed")
    return named
