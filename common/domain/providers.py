"""Mailbox providers: whose servers an MX set is, and what they like (delivery.md 2.2). One table, pure.

A provider matches only when every MX host bears one of its suffixes: a domain that mixes providers is
nobody's. Never here: DNS, or who counts connections.
"""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Provider:
    """`connections` hold for the whole provider when `shared`, else for each of its sites. `most_mails` is per
    connection, `per_second` mails. `tls`: opportunistic, or encrypted where the provider insists on TLS.
    `failed_connects`: so many in a row make a destination rest."""

    name: str
    suffixes: tuple[str, ...]
    connections: int = 10
    shared: bool = False
    most_mails: int = 100
    per_second: float = 100.0
    connects_per_minute: int = 100
    idle_seconds: float = 60.0
    tls: str = "opportunistic"
    failed_connects: int = 100


DEFAULT = Provider("", ())

PROVIDERS: tuple[Provider, ...] = (
    Provider("google", (".google.com", ".googlemail.com"), 5, True, 50, tls="encrypted", failed_connects=5),
    Provider("yahoo-japan", (".yahoo.co.jp",), 2, True, 20, 10.0),
    Provider("yahoo", (".yahoodns.net",), most_mails=20),
    Provider("outlook", (".olc.protection.outlook.com",), 5, True, 50),
    Provider("office365-dane", (".mx.microsoft",), 5, True, 50),
    Provider("office365", (".mail.protection.outlook.com",), 5, True, 50),
    Provider("apple", (".icloud.com",), 10, True, 5),
    Provider("comcast", (".comcast.net",), 25, False, 1000, idle_seconds=30.0, tls="encrypted", failed_connects=24),
    Provider("orange", (".orange.fr",), 2, True, 100, tls="encrypted"),
    Provider("mimecast", (".mimecast.com", ".mimecast.co.za", ".mimecast-offshore.com")),
    Provider("gmx", (".gmx.net", ".web.de"), 4, False, 20, tls="encrypted", failed_connects=5),
    Provider("qq", (".qq.com",), 4, False, 8, tls="encrypted"),
    Provider("netease", (".netease.com",), 4, False, 7, tls="encrypted"),
    Provider("barracuda", (".barracudanetworks.com",), 10, False, 15, tls="encrypted"),
    Provider("netvigator", (".netvigator.com",), 5, False, 10, tls="encrypted"),
    Provider("kpn", (".kpnmail.nl",), 10, False, 10, tls="encrypted"),
    Provider("docomo", (".docomo.ne.jp",), 2, True, 20),
    Provider("au", (".ezweb.ne.jp", ".au.com"), 2, True, 20),
    Provider("softbank", (".softbank.ne.jp", ".softbank.jp", ".vodafone.ne.jp"), 2, True, 20),
    Provider("rakuten", (".rakuten.jp",), 2, True, 20),
)

_BY_NAME = {provider.name: provider for provider in PROVIDERS}


def provider_named(name: str | None) -> Provider:
    """What a provider likes; the defaults for None or an unknown one."""
    return _BY_NAME.get(name or "", DEFAULT)


def provider_of(hosts: Iterable[str]) -> Provider | None:
    """The one provider that every host belongs to, or None. Hosts are lower-case names without a last dot."""
    names = [f".{host}" for host in hosts]
    for provider in PROVIDERS:
        if names and all(name.endswith(provider.suffixes) for name in names):
            return provider
    return None
