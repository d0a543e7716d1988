"""The limits of a way out: a relay, or a site and its provider. Never here: counters or DNS."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from common.domain.pace_limits import PaceLimit, said
from common.domain.profiles import profile_named
from common.domain.providers import provider_named
from common.domain.sites import Site
from common.pacing import Level, Scope
from common.services.sources import Exit
from workers.delivery.sessions import IDLE_SECONDS

FIRST_CONNECTIONS = 5
"""So many connections to a site that nothing is known of; what it takes without complaint raises them."""

RELAY = "relay"
RELAY_CONNECTIONS, RELAY_PER_SECOND = 10, 10_000.0
"""Of a relay that publishes no rate: it knows us, and says so when it is too much."""


def scope_of_relay(way: Exit) -> Scope:
    """All mail over a relay is one scope; what lies behind it the relay paces itself."""
    profile = profile_named(way.profile)
    rate = profile.per_second or RELAY_PER_SECOND
    level = Level(f"{way.id}/relay", RELAY_CONNECTIONS, rate, RELAY_CONNECTIONS)
    most_mails = way.most_mails or profile.most_mails
    return Scope(str(way.id), RELAY, f"the relay {way.host}", (level,), most_mails, IDLE_SECONDS)


def scope_of_site(way: Exit, site: Site) -> Scope:
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


def within(scope: Scope, limits: Sequence[PaceLimit], provider: str | None, hosts: Sequence[str]) -> Scope:
    """The scope as policies want it: a provider's limits are for its widest level, a site's for the narrowest."""
    wide = said([each for each in limits if each.site is None], provider, hosts)
    narrow = said([each for each in limits if each.site is not None], provider, hosts)
    levels = [*scope.levels[:-1], _limited(scope.levels[-1], wide)]
    levels[0] = _limited(levels[0], narrow)
    return replace(scope, levels=tuple(levels))


def _limited(level: Level, values: dict[str, tuple[Any, str]]) -> Level:
    connections = values["connections"][0] if "connections" in values else level.connections
    rate = values["per_second"][0] if "per_second" in values else level.per_second
    return replace(level, connections=connections, per_second=rate, start=min(level.start, connections))
