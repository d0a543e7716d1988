"""What a restricted key may do: from which networks, with which scope, and what it may send. Pure.

Senders are checked where they are found (services/identities.py).
"""

import ipaddress
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from common.domain.errors import Forbidden
from common.domain.principals import Principal


def check_caller(principal: Principal, scope: str | None, ip: str) -> None:
    """Whether the key may be used from this address, has the scope, and its account may send.

    Raises Forbidden (ip_not_allowed, insufficient_scope, account_paused).
    """
    if principal.cidrs is not None and not _is_inside(ip, principal.cidrs):
        raise Forbidden("This key may not be used from your address.", code="ip_not_allowed")
    if scope is not None and not principal.may(scope):
        raise Forbidden(f"This key lacks the scope {scope}.", code="insufficient_scope")
    if principal.paused and scope == "messages:send":
        raise Forbidden("Sending is paused for this account.", code="account_paused")


@lru_cache(maxsize=4096)
def _is_inside(ip: str, cidrs: tuple[str, ...]) -> bool:
    try:
        address = ipaddress.ip_address(ip)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return any((mapped or address) in ipaddress.ip_network(cidr, strict=False) for cidr in cidrs)


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
