"""What one key may hand to another: never a scope, an environment or a reach that it lacks itself.

Pure: values in, faults out. Never here: rows.
"""

import ipaddress
from collections.abc import Iterator, Mapping
from typing import Any

from common.domain.errors import FieldError
from common.domain.principals import Principal

LISTS = ("sender_domains", "templates", "streams", "tags")
"""Restrictions that list what is allowed; None allows everything."""


def inherit(principal: Principal, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """`wanted` with every restriction of the giver that it does not speak of."""
    found = dict(wanted)
    for name in (*LISTS, "cidrs", "expires_at"):
        own = getattr(principal, name)
        if name not in found and own is not None:
            found[name] = sorted(own) if name in LISTS else own if name == "expires_at" else list(own)
    if "requests_per_minute" not in found:
        found["requests_per_minute"] = principal.key_requests_per_minute
    found.setdefault("require_idempotency", principal.require_idempotency)
    return found


def overreach(principal: Principal, key: Mapping[str, Any]) -> list[FieldError]:
    """Everything about a key that reaches further than `principal`; empty when it may be given.

    `key` has scopes, environment, the lists, cidrs, expires_at, requests_per_minute, require_idempotency.
    """
    return [*_rights(principal, key), *_lists(principal, key), *_bounds(principal, key)]


def _rights(principal: Principal, key: Mapping[str, Any]) -> Iterator[FieldError]:
    for scope in key["scopes"]:
        if not principal.may(scope):
            yield FieldError("scopes", "not_in_enum", f"holds {scope}, which this key does not have itself")
    if key["environment"] != principal.environment:
        yield FieldError("environment", "not_in_enum", f"must be {principal.environment}, as of this key")


def _lists(principal: Principal, key: Mapping[str, Any]) -> Iterator[FieldError]:
    for name in LISTS:
        own = getattr(principal, name)
        if own is not None and (key.get(name) is None or not own.issuperset(key[name])):
            yield FieldError(name, "not_in_enum", f"must stay within {', '.join(sorted(own)) or 'nothing'}")
    if principal.cidrs is not None and not _inside(key.get("cidrs"), principal.cidrs):
        yield FieldError("cidrs", "not_in_enum", f"must stay within {', '.join(principal.cidrs)}")


def _inside(wanted: list[str] | None, own: tuple[str, ...]) -> bool:
    if wanted is None:
        return False
    outer = [ipaddress.ip_network(each, strict=False) for each in own]
    inner = [ipaddress.ip_network(each, strict=False) for each in wanted]
    return all(any(a.version == b.version and a.subnet_of(b) for b in outer) for a in inner)  # type: ignore[arg-type]


def _bounds(principal: Principal, key: Mapping[str, Any]) -> Iterator[FieldError]:
    limit, end = principal.key_requests_per_minute, principal.expires_at
    if limit is not None and (key.get("requests_per_minute") is None or key["requests_per_minute"] > limit):
        yield FieldError("requests_per_minute", "too_large", f"must be at most {limit}, as of this key")
    if end is not None and (key.get("expires_at") is None or key["expires_at"] > end):
        yield FieldError("expires_at", "too_far", "must not be after the end of this key")
    if principal.require_idempotency and not key.get("require_idempotency"):
        yield FieldError("require_idempotency", "conflict", "must be true, as of this key")
