"""A site: the identity of an MX set. Domains that share their mail servers share a site. Pure.

Never here: DNS.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from common.domain.providers import provider_of


@dataclass(frozen=True, slots=True)
class Site:
    """`key` is short and stable, for counters and locks; `name` is for people; `provider` its name or None."""

    key: str
    name: str
    provider: str | None


def identify(hosts: Iterable[str]) -> Site:
    """The site of an MX set: the same for the same hosts in whatever order, preference and spelling.

    Raises ValueError without hosts.
    """
    canonical = sorted({host.lower().rstrip(".") for host in hosts})
    if not canonical:
        raise ValueError("a site needs a host")
    provider = provider_of(canonical)
    key = hashlib.sha256("\n".join(canonical).encode()).hexdigest()[:16]
    return Site(key, _factored(canonical), provider.name if provider else None)


def _factored(hosts: list[str]) -> str:
    """`mx1.example.net` and `mx2.example.net` as `(mx1|mx2).example.net`."""
    if len(hosts) == 1:
        return hosts[0]
    labels = [host.split(".") for host in hosts]
    shared = 0
    while all(len(each) > shared + 1 for each in labels) and len({each[-1 - shared] for each in labels}) == 1:
        shared += 1
    if not shared:
        return "|".join(hosts)[:253]
    heads = "|".join(".".join(each[:-shared]) for each in labels)
    return f"({heads}).{'.'.join(labels[0][-shared:])}"[:253]
