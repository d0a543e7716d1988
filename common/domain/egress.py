"""Which addresses and URLs mail and webhooks may reach (threats F4, A1). Pure: an address or a URL in, a verdict out.

Resolving and connecting is workers/guard.py, which asks here about every address.
"""

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import urlsplit

import idna

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_DENIED_4 = tuple(
    ipaddress.IPv4Network(text)
    for text in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.31.196.0/24",
        "192.52.193.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "192.175.48.0/24",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
    )
)
_ALLOWED_6 = ipaddress.IPv6Network("2000::/3")
_DENIED_6 = tuple(
    ipaddress.IPv6Network(text)
    for text in (
        "2001::/23",
        "2001:db8::/32",
        "2002::/16",
        "3fff::/20",
        "2620:4f:8000::/48",
    )
)
_NEVER = (ipaddress.IPv4Network("169.254.0.0/16"), ipaddress.IPv6Network("fd00:ec2::254/128"))


def read_networks(text: str) -> tuple[Network, ...]:
    """SENDARIX_EGRESS_ALLOW as networks. Raises ValueError naming the wrong one."""
    return tuple(ipaddress.ip_network(part.strip(), strict=False) for part in text.split(",") if part.strip())


def may_reach(address: str, allowed: Iterable[Network]) -> bool:
    """Whether an outgoing connection to this address is permitted."""
    return _may_reach(address, tuple(allowed))


@lru_cache(maxsize=8192)
def _may_reach(address: str, allowed: tuple[Network, ...]) -> bool:
    found: Address = ipaddress.ip_address(address)
    if any(found in network for network in _NEVER if network.version == found.version):
        return False
    if any(found in network for network in allowed if network.version == found.version):
        return True
    if isinstance(found, ipaddress.IPv4Address):
        return not any(found in network for network in _DENIED_4)
    return found in _ALLOWED_6 and not any(found in network for network in _DENIED_6)


_HOSTS_DENIED = (".local", ".internal", ".localhost", ".onion", ".home.arpa")
_PORTS_LOW = frozenset({80, 443})
_PORTS_DENIED = frozenset(
    {1433, 1521, 2049, 2181, 2375, 2376, 2379, 2380, 2525, 2526, 3306, 3389, 4369, 5432, 5433, 5672, 5900, 5984}
    | {6379, 6380, 6443, 6667, 8500, 8600, 9042, 9092, 9200, 9300, 10250, 11211, 15672, 26379, 27017}
)
"""Where databases, brokers, mail and cluster managers listen: a POST there is never a webhook."""
_BEGIN = re.compile(r"[a-z]+://(?P<host>[^/?#@:\[\]\\]+)")
_NUMBER = re.compile(r"(?:0x[0-9a-f]*|[0-9]+)\Z")
_NAME = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)*\Z")


def to_ascii_host(url: str) -> str:
    """A URL with its host as A-labels (UTS-46), any other URL as it is. Raises Refused for what is no host name."""
    found = _BEGIN.match(url)
    if found is None or found["host"].isascii():
        return url
    try:
        host = idna.encode(found["host"], uts46=True).decode()
    except idna.IDNAError as error:
        raise Refused("must have a host of letters, digits and hyphens") from error
    return url[: found.start("host")] + host + url[found.end("host") :]


class Refused(ValueError):
    """An outgoing URL is not one to call; the text says why."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a URL leads. `host` is in lower case; `address` is set when it is written as one; `path` has the query.

    `private_name`: only the operator's own network can mean it, as with `localhost`.
    """

    secure: bool
    host: str
    port: int
    path: str
    address: str | None
    private_name: bool

    @property
    def authority(self) -> str:
        """The Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.secure else 80) else f"{host}:{self.port}"


@lru_cache(maxsize=4096)
def read_url(text: str) -> Place:
    """The place of an http or https URL. Raises Refused. Whether its addresses are allowed is asked elsewhere."""
    try:
        parts = urlsplit(text)
        host, port = (parts.hostname or "").rstrip("."), parts.port
    except ValueError as error:
        raise Refused("is not a URL") from error
    if parts.scheme not in ("http", "https") or not host:
        raise Refused("must be an http or https URL with a host")
    if "@" in parts.netloc or parts.fragment or "#" in text:
        raise Refused("must have no credentials and no fragment")
    secure = parts.scheme == "https"
    port = port if port is not None else (443 if secure else 80)
    if port in _PORTS_DENIED or (port < 1024 and port not in _PORTS_LOW):
        raise Refused(f"must not use port {port}: take 443, 80, or one above 1023 that no other kind of server uses")
    address = _literal(host)
    if address is None and (not _NAME.match(host) or len(host) > 253):
        raise Refused("must have a host of letters, digits and hyphens")
    if address is None and _NUMBER.match(host.rpartition(".")[2]):
        raise Refused("must not have a number for a host: write an address in full")
    private = address is None and ("." not in host or f".{host}".endswith(_HOSTS_DENIED))
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Place(secure, address or host, port, path, address, private)


def _literal(host: str) -> str | None:
    """The address a host is written as, without a zone."""
    try:
        found = ipaddress.ip_address(host)
    except ValueError:
        return None
    if isinstance(found, ipaddress.IPv6Address) and found.scope_id:
        raise Refused("must not name a network interface")
    return str(found)


def is_named(address: str, allowed: Iterable[Network]) -> bool:
    """Whether the operator's own list names this address, and it is not one of those never reached."""
    return _is_named(address, tuple(allowed))


@lru_cache(maxsize=8192)
def _is_named(address: str, allowed: tuple[Network, ...]) -> bool:
    found = ipaddress.ip_address(address)
    return may_reach(address, allowed) and any(found in net for net in allowed if net.version == found.version)


def refusal(place: Place, allowed: Iterable[Network], *, plain: bool) -> str | None:
    """Why a place cannot be right whatever its name resolves to, or None. `plain`: http is allowed to anywhere."""
    allowed = tuple(allowed)
    if place.address is not None and not may_reach(place.address, allowed):
        return "must not lead to a private or reserved address"
    if place.private_name and not allowed:
        return "must have a public host name"
    if not place.secure and not plain:
        inside = is_named(place.address, allowed) if place.address is not None else bool(allowed)
        if not inside:
            return "must be https"
    return None
