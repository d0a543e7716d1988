"""Which addresses mail and webhooks may reach (threats F4, A1). Pure: an address in, a verdict out."""

import ipaddress
from collections.abc import Iterable

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
    found: Address = ipaddress.ip_address(address)
    if any(found in network for network in _NEVER if network.version == found.version):
        return False
    if any(found in network for network in allowed if network.version == found.version):
        return True
    if isinstance(found, ipaddress.IPv4Address):
        return not any(found in network for network in _DENIED_4)
    return found in _ALLOWED_6 and not any(found in network for network in _DENIED_6)
