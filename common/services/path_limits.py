"""limits_of(...): the pace of one path as delivery would keep it now: each limit, who set it, its use, the next turn.

Built by the functions that pace (scopes.py, common/pacing.py). Nothing is taken or written. Never here: what waits.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from common import clock
from common.db.session import rows
from common.domain.pacing import note_of
from common.domain.profiles import profile_named
from common.domain.providers import provider_named
from common.domain.routing import Facts
from common.domain.sites import Site, identify
from common.pacing import Grant, Level, Paces, Scope, Use
from common.services import automations, pace_limits
from common.services.automations import InForce
from common.services.scopes import (
    RELAY,
    Values,
    scope_of_relay,
    scope_of_site,
    slowed,
    suspending,
    values_of,
    within,
)


@dataclass(frozen=True, slots=True)
class Place:
    """What is paced: its scope as built in, the kind of each level, and whose hosts it is. `known`: counters exist."""

    scope: Scope
    kinds: tuple[str, ...]
    provider: str | None
    hosts: Sequence[str]
    origin: tuple[str, str]
    known: bool = True


_SOURCE = """
SELECT id, account_id, name, kind, host, profile, messages_per_connection AS most_mails
  FROM sources WHERE id = %s AND enabled
"""


def limits_of(connection: Connection, paces: Paces, source_id: UUID | None, facts: Facts) -> dict[str, Any] | None:
    """How mail like this is paced over a source; None for a sink, which is not paced, and without a source."""
    found = rows(connection, _SOURCE, source_id)
    if not found or found[0].kind == "sink":
        return None
    place, now = _place(found[0], facts), clock.now()
    limits = pace_limits.of_owner(connection, found[0].account_id)
    values = values_of(place.scope, limits, place.provider, place.hosts)
    wanted = within(place.scope, limits, place.provider, place.hosts)
    holds = [each for each in automations.in_force(connection).get(wanted.key, []) if each.until > now]
    scope = slowed(wanted, holds)
    looked = paces.look(scope, tier=facts.tier) if place.known else None
    uses: Sequence[Use | None] = looked[0] if looked else [None] * len(scope.levels)
    levels = zip(place.kinds, scope.levels, wanted.levels, values, uses, strict=True)
    return {
        "source": found[0].name,
        "place": scope.name,
        "levels": [
            _level(place, kind, (level, before), said, use, holds if level is scope.levels[-1] else [])
            for kind, level, before, said, use in levels
        ],
        **_turn(scope, looked and looked[1], suspending(holds), now),
    }


def _place(source: Any, facts: Facts) -> Place:
    if source.kind == "relay":
        profile = profile_named(source.profile)
        rate = f"profile {profile.name}" if profile.per_second else "built_in"
        hosts = [source.host or ""]
        return Place(scope_of_relay(source), (RELAY,), source.profile, hosts, ("built_in", rate))
    if facts.hosts:
        return _of_site(source, identify(facts.hosts), facts.hosts)
    # Which hosts these are is learnt at the first delivery; until then a shared provider is counted, a site is not.
    found = _of_site(source, Site("", facts.recipient_domain, facts.provider), ())
    if provider_named(facts.provider).shared:
        wide = replace(found.scope, levels=found.scope.levels[-1:])
        return replace(found, scope=wide, kinds=found.kinds[-1:])
    return replace(found, known=False)


def _of_site(source: Any, site: Site, hosts: Sequence[str]) -> Place:
    scope, name = scope_of_site(source, site), provider_named(site.provider).name
    origin = f"provider {name}" if name else "built_in"
    return Place(scope, ("site", "provider")[: len(scope.levels)], site.provider, hosts, (origin, origin))


def _level(
    place: Place, kind: str, levels: tuple[Level, Level], said: Values, use: Use | None, holds: Sequence[InForce]
) -> dict[str, Any]:
    level, before = levels
    slow = next((f"automation {each.what} until {clock.rfc3339(each.until)}" for each in holds), "")
    by = [said[name][1] if name in said else origin
          for name, origin in zip(("connections", "per_second"), place.origin, strict=True)]  # fmt: skip
    return {
        "level": kind,
        "connections": level.connections,
        "connections_origin": by[0] if level.connections == before.connections else slow,
        "connections_believed": use and use.believed,
        "connections_in_use": use and use.connections,
        "connections_shown_for_seconds": use and (round(use.ceiling, 3) or None),
        "connects_per_minute": level.connects_per_minute or None,
        "connect_wait_seconds": use and round(use.connect_wait, 3),
        "per_second": level.per_second,
        "per_second_origin": by[1] if level.per_second == before.per_second else slow,
        "rate_wait_seconds": use and round(use.rate_wait, 3),
        "rests_for_seconds": use and (round(use.rest, 3) or None),
    }


def _turn(scope: Scope, grant: Grant | None, suspended: InForce | None, now: datetime) -> dict[str, Any]:
    """When the next mail may go at the latest, and what it waits for until then."""
    if suspended is not None:
        detail = note_of("suspended", scope.name)
        return {"waits_for": "suspended", "detail": detail, "next_at": clock.rfc3339(suspended.until)}
    if grant is None:
        return {"waits_for": None, "detail": None, "next_at": None}
    if not grant.limit:
        return {"waits_for": None, "detail": None, "next_at": clock.rfc3339(now)}
    detail = note_of(grant.limit, scope.name, grant.used, grant.most)
    until = now + timedelta(seconds=max(0.0, grant.wait))
    return {"waits_for": grant.limit, "detail": detail, "next_at": clock.rfc3339(until)}
