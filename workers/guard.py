"""The guard of every outgoing URL (threats A1): its name is resolved here, and every address of it is looked at.

What passes is a list of addresses to connect to; nobody looks a name up again between this check and the connection
(workers/pinned.py), so a name that changes its mind meanwhile gains nothing. Never here: connections.
"""

import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from common.clock import monotonic
from common.config import Settings
from common.domain.egress import Network, Place, Refused, is_named, may_reach, read_networks, read_url
from workers.resolver import NoAnswer, NoName, Resolver, Unclear

DNS_SECONDS = 2.0
MOST_ADDRESSES = 3

Lookup = Callable[[str, str], list[str]]


class Blocked(Exception):
    """A URL that is not called. `word` is blocked_url, blocked_address or dns."""

    def __init__(self, word: str, sentence: str) -> None:
        super().__init__(sentence)
        self.word = word


@dataclass(frozen=True, slots=True)
class Admitted:
    """Where to connect, and nowhere else: up to three addresses, all of them allowed."""

    place: Place
    addresses: tuple[str, ...]
    dns_ms: float


class Guard:
    """Admits URLs. `look_up` answers record texts and raises as Resolver does; `allowed`: the operator's networks."""

    def __init__(self, look_up: Lookup, allowed: Sequence[Network]) -> None:
        self._look_up, self._allowed = look_up, tuple(allowed)

    def admit(self, url: str, *, plain: bool = False) -> Admitted:
        """The addresses of a URL. `plain` allows http to anywhere. Raises Blocked.

        One refused address refuses them all: a name that mixes public and private ones is an attack or a mistake.
        """
        try:
            place = read_url(url)
        except Refused as error:
            raise Blocked("blocked_url", str(error)) from error
        since = monotonic()
        found = self._addresses(place)
        took = (monotonic() - since) * 1000
        if not found:
            raise Blocked("dns", f"{place.host} has no address")
        for address in found:
            if not may_reach(address, self._allowed):
                raise Blocked("blocked_address", f"{place.host} leads to {address}")
        private = all(is_named(address, self._allowed) for address in found)
        if place.private_name and not private:
            raise Blocked("blocked_url", f"{place.host} is not a public name")
        if not (place.secure or plain or private):
            raise Blocked("blocked_url", "must be https")
        return Admitted(place, tuple(found[:MOST_ADDRESSES]), took)

    def _addresses(self, place: Place) -> list[str]:
        if place.address is not None:
            return [place.address]
        if place.private_name:
            return self._private(place.host)
        found, unclear = [], False
        for kind in ("A", "AAAA"):
            try:
                found += self._look_up(place.host, kind)
            except (NoAnswer, NoName):
                continue
            except Unclear:
                unclear = True
        if unclear and not found:
            raise Blocked("dns", f"{place.host} could not be resolved")
        return found

    def _private(self, host: str) -> list[str]:
        """Names of the operator's own network, by the machine's own means; only where some of it is allowed."""
        if not self._allowed:
            raise Blocked("blocked_url", f"{host} is not a public name")
        try:
            found = [str(each[4][0]) for each in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)]
        except (OSError, UnicodeError) as error:
            raise Blocked("dns", f"{host} could not be resolved") from error
        return list(dict.fromkeys(found))


def make_guard(settings: Settings) -> Guard:
    """The guard of this process's settings, with a budget of two seconds for DNS."""
    return Guard(Resolver(settings, seconds=DNS_SECONDS).look_up, read_networks(settings.egress_allow))
