"""What a policy says about the pace at a destination, over what is built in; each value with its origin. Pure.

An account's limits are for its own sources; the operator's for all. Never here: counting.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

UNSET = "unset"
NAMES = ("connections", "per_second")


@dataclass(frozen=True, slots=True)
class PaceLimit:
    """One entry. Without `provider` and `site` it is for every destination; `unset` takes a weaker layer's back."""

    origin: str
    provider: str | None = None
    site: str | None = None
    connections: int | str | None = None
    per_second: float | str | None = None


def covers(limit: PaceLimit, provider: str | None, hosts: Sequence[str]) -> bool:
    """Whether an entry speaks of these mail hosts."""
    if limit.provider is not None:
        return limit.provider == provider
    if limit.site is None:
        return True
    suffix = f".{limit.site.lstrip('.')}"
    return bool(hosts) and all(f".{host}".endswith(suffix) for host in hosts)


def said(limits: Sequence[PaceLimit], provider: str | None, hosts: Sequence[str]) -> dict[str, tuple[Any, str]]:
    """{"connections": (value, origin), "per_second": ...} of what is said about these hosts: the first entry of the
    strongest layer that names a value."""
    found: dict[str, tuple[Any, str]] = {}
    for limit in limits:
        if covers(limit, provider, hosts):
            for name in NAMES:
                value = getattr(limit, name)
                if value is not None and name not in found:
                    found[name] = (value, limit.origin)
    return {name: each for name, each in found.items() if each[0] != UNSET}
