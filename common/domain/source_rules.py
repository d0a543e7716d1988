"""What a source must be to be kept: its fields against its kind, its profile and the networks it may reach.

Pure: values in, faults out. Never here: rows, secrets, name resolution (delivery looks at what a name leads to).
"""

import ipaddress
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from common.domain.egress import Network, may_reach
from common.domain.errors import FieldError
from common.domain.profiles import profile_named

KINDS = ("direct", "relay", "sink")
TLS_LEVELS = ("none", "opportunistic", "encrypted", "required", "implicit")
SECRET_LEVELS = ("encrypted", "required", "implicit")
"""What a password may travel over to another machine."""

SETTINGS = {
    "relay": ("profile", "host", "port", "tls", "username", "password", "ehlo_name", "bind_ipv4", "bind_ipv6",
              "messages_per_connection"),
    "direct": ("tls", "ehlo_name", "bind_ipv4", "bind_ipv6", "messages_per_connection"),
    "sink": (),
}  # fmt: skip
"""The fields beside name, enabled and is_default that each kind has."""


def fill(fields: Mapping[str, Any]) -> dict[str, Any]:
    """`fields` with what the profile of a relay, or the kind, knows about the rest."""
    found = dict(fields)
    if found["kind"] == "relay":
        found.setdefault("profile", "generic")
        profile = profile_named(found["profile"])
        found.setdefault("host", profile.host or None)
        found.setdefault("tls", profile.tls)
        found.setdefault("port", 465 if found["tls"] == "implicit" else 587 if profile.port == 465 else profile.port)
        if found.get("password") is not None and profile.fixed_username:
            found.setdefault("username", profile.fixed_username)
    elif found["kind"] == "direct":
        found.setdefault("tls", "opportunistic")
    else:
        found["tls"] = "none"  # the sink is the mailbox of this installation
    return found


def faults(source: Mapping[str, Any], allowed: Iterable[Network], *, shared: bool) -> list[FieldError]:
    """Everything that is wrong with a filled source; empty when it may be kept.

    An account's relay may be only where `allowed` or the public internet is; the operator's (`shared`) anywhere.
    """
    return [*_of_kind(source), *(_of_relay(source, tuple(allowed), shared) if source["kind"] == "relay" else ())]


def _of_kind(source: Mapping[str, Any]) -> Iterator[FieldError]:
    kind = source["kind"]
    for name in SETTINGS["relay"]:
        if source.get(name) is not None and name not in SETTINGS[kind] and not (kind == "sink" and name == "tls"):
            yield FieldError(name, "conflict", f"does not belong to a source of kind {kind}")
    if kind == "direct" and source["tls"] == "implicit":
        yield FieldError("tls", "conflict", "must not be implicit: mail hosts of domains speak TLS after STARTTLS only")


def _of_relay(source: Mapping[str, Any], allowed: tuple[Network, ...], shared: bool) -> Iterator[FieldError]:
    host = source.get("host")
    ip = _literal(host) if host else None
    if not host:
        yield FieldError("host", "required", f"is required: the profile {source['profile']} has no host of its own")
    elif ip is not None and not shared and not may_reach(ip, allowed):
        yield FieldError(
            "host",
            "invalid_format",
            "is a private or reserved address: the operator must name it in SENDARIX_EGRESS_ALLOW",
        )
    for name, other in (("username", "password"), ("password", "username")):
        if source.get(name) is None and source.get(other) is not None:
            yield FieldError(name, "required", f"is required beside {other}")
    near = ip is not None and not may_reach(ip, ())
    if source.get("password") is not None and source["tls"] not in SECRET_LEVELS and not near:
        levels = ", ".join(SECRET_LEVELS)
        yield FieldError("tls", "conflict", f"must be one of {levels}, or the password would travel in clear")


def _literal(host: str) -> str | None:
    """The address that a host is, if it is one and no name."""
    if host.rstrip(".").lower() == "localhost" or host.lower().endswith(".localhost"):
        return "127.0.0.1"
    try:
        return str(ipaddress.ip_address(host.strip("[]")))
    except ValueError:
        return None
