"""The limits of a way out: a relay, or a site and its provider; and what policies and automations make of them.

Delivery paces by these very functions, and explaining tells of them. Never here: counters or DNS.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Protocol
from uuid import UUID

from common.domain.pace_limits import PaceLimit, said
from common.domain.profiles import profile_named
from common.domain.providers import provider_named
from common.domain.sites import Site
from common.pacing import Level, Scope
from common.services.automations import InForce

FIRST_CONNECTIONS = 5
"""So many connections to a site that nothing is known of; what it takes without complaint raises them."""

RELAY = "relay"
RELAY_CONNECTIONS, RELAY_PER_SECOND = 10, 10_000.0
"""Of a relay that publishes no rate: it knows us, and says so when it is too much."""

Values = dict[str, tuple[Any, str]]
"""What is said of one level: `connections` and `per_second`, each with its origin."""


class Outlet(Protocol):
    """A source, as far as its pace goes."""

    @property
    def id(self) -> UUID: ...
    @property
    def host(self) -> str | None: ...
    @property
    def profile(self) -> str | None: ...
    @property
    def most_mails(self) -> int | None: ...


def scope_of_relay(way: Outlet) -> Scope:
    """All mail over a relay is one scope; what lies behind it the relay paces itself."""
    profile = profile_named(way.profile)
    rate = profile.per_second or RELAY_PER_SECOND
    level = Level(f"{way.id}/relay", RELAY_CONNECTIONS, rate, RELAY_CONNECTIONS)
    return Scope(str(way.id), RELAY, f"the relay {way.host}", (level,), way.most_mails or profile.most_mails)


def scope_of_site(way: Outlet, site: Site) -> Scope:
    """A site, and the provider around it where one edge serves all its sites."""
    likes = provider_named(site.provider)
    most_mails = way.most_mails or likes.most_mails
    level = Level(
        f"{way.id}/site/{site.key}",
        likes.connections,
        likes.per_second,
        min(FIRST_CONNECTIONS, likes.connections),
        likes.connects_per_minute,
        likes.failed_connects,
    )
    if not likes.shared:
        return Scope(str(way.id), site.key, site.name, (level,), most_mails, likes.idle_seconds)
    wide = replace(level, key=f"{way.id}/provider/{likes.name}")
    return Scope(str(way.id), likes.name, likes.name, (level, wide), most_mails, likes.idle_seconds)


def values_of(
    scope: Scope, limits: Sequence[PaceLimit], provider: str | None, hosts: Sequence[str]
) -> tuple[Values, ...]:
    """What policies say of each level: a provider's limits are for the widest, a site's for the narrowest."""
    found: list[Values] = [{} for _ in scope.levels]
    found[-1] |= said([each for each in limits if each.site is None], provider, hosts)
    found[0] |= said([each for each in limits if each.site is not None], provider, hosts)
    return tuple(found)


def within(scope: Scope, limits: Sequence[PaceLimit], provider: str | None, hosts: Sequence[str]) -> Scope:
    """The scope as policies want it."""
    values = values_of(scope, limits, provider, hosts)
    return replace(scope, levels=tuple(map(_limited, scope.levels, values)))


def _limited(level: Level, values: Values) -> Level:
    connections = values["connections"][0] if "connections" in values else level.connections
    rate = values["per_second"][0] if "per_second" in values else level.per_second
    return replace(level, connections=connections, per_second=rate, start=min(level.start, connections))


def slowed(scope: Scope, holds: Sequence[InForce]) -> Scope:
    """The scope as automations leave it: they are for the widest level."""
    level = scope.levels[-1]
    for each in holds:
        connections = min(level.connections, each.connections or level.connections)
        rate = min(level.per_second, each.per_minute / 60 if each.per_minute else level.per_second)
        level = replace(level, connections=connections, per_second=rate, start=min(level.start, connections))
    return replace(scope, levels=(*scope.levels[:-1], level))


def suspending(holds: Sequence[InForce]) -> InForce | None:
    """The automation that lets nothing pass for longest, or None."""
    found = [each for each in holds if each.suspend]
    return max(found, key=lambda each: each.until) if found else None
