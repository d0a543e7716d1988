"""Where a path's mail goes: the source's host, or the recipient domain's mail hosts with what TLS they must show.

Never here: sending.
"""

import socket
from collections.abc import Sequence
from dataclasses import replace
from ipaddress import ip_address
from typing import NoReturn
from uuid import UUID

from common.caching import Remembered
from common.config import Settings
from common.db.session import transaction
from common.domain.egress import may_reach, read_networks
from common.domain.pace_limits import PaceLimit
from common.domain.profiles import profile_named
from common.domain.providers import provider_named
from common.domain.sites import Site, identify
from common.pacing import Scope
from common.services import pace_limits, sources
from common.services.path_health import RELAY
from common.services.scopes import scope_of_relay, scope_of_site, within
from common.services.sources import Exit
from workers.delivery.learning import Learning
from workers.delivery.mx import MOST_ADDRESSES, Exchangers, Host, Verdict, find_addresses, find_exchangers
from workers.delivery.smtp import Demand, Target
from workers.delivery.sts import Policies
from workers.delivery.tls import ORDER, Undecided, demand_for, permitted
from workers.resolver import NoAnswer, NoName, Resolver, Unclear

_HEADER_BYTES = 16_384
LIMITS_SECONDS = 2.0
"""A published policy's limits are in force everywhere after this long."""

Paced = tuple[Scope, str | None, list[str]]
"""A scope with the provider and the mail hosts behind it."""


def says_tls_optional(content: bytes) -> bool:
    """Whether the header says `TLS-Required: No` (RFC 8689 5)."""
    head = content[:_HEADER_BYTES]
    at = head.lower().find(b"\ntls-required:")
    return at >= 0 and head[at:].partition(b":")[2].partition(b"\n")[0].strip().lower() == b"no"


class Ways:
    """Shared by every delivery thread of a process."""

    def __init__(
        self,
        settings: Settings,
        resolver: Resolver | None = None,
        policies: Policies | None = None,
        learning: Learning | None = None,
    ) -> None:
        self._settings, self._learning = settings, learning
        self._allowed = read_networks(settings.egress_allow)
        self.resolver = resolver or Resolver(settings)
        self._policies = policies or Policies(settings, self.resolver, self._allowed)
        self._scopes: Remembered[tuple[UUID, str], Paced | None] = Remembered(seconds=30.0)
        self._limits: Remembered[UUID | None, tuple[PaceLimit, ...]] = Remembered(seconds=LIMITS_SECONDS)
        self._exits: Remembered[UUID, Exit | None] = Remembered()
        self._ipv6: Remembered[str, bool] = Remembered(seconds=3600.0)

    def is_sink(self, source_id: UUID) -> bool:
        way = self._exit(source_id)
        return way is not None and way.kind == "sink"

    def scope_of(self, source_id: UUID, domain: str) -> Scope | None:
        """What mail of a source to a domain is paced by; None for a sink, and where it cannot be sent anyway."""
        way = self._exit(source_id)
        if way is None or way.kind == "sink":
            return None
        found = self._scopes.get((source_id, domain if way.kind == "direct" else ""), lambda: self._scope(way, domain))
        limits = self._limits.get(way.account_id, lambda: self._load_limits(way.account_id))
        if found is None or not limits:
            return found and found[0]
        return within(found[0], limits, found[1], found[2])

    def _load_limits(self, account_id: UUID | None) -> tuple[PaceLimit, ...]:
        with transaction() as connection:
            return pace_limits.of_owner(connection, account_id)

    def _scope(self, way: Exit, domain: str) -> Paced | None:
        if way.kind == "relay":
            return scope_of_relay(way), way.profile, [way.host or ""]
        try:
            exchangers = find_exchangers(self.resolver, domain)
        except Verdict:
            return None
        policy, _ = self._policies.find(domain)
        names = [name for _, name in permitted(exchangers.names, policy)]
        if not names:
            return None
        site = identify(names)
        return scope_of_site(way, site), site.provider, [name.lower().rstrip(".") for name in names]

    def place_of(self, source_id: UUID, domain: str, provider: str | None) -> str | None:
        """Where a source's mail to a domain is counted; None for a sink, which is ours."""
        way = self._exit(source_id)
        if way is None or way.kind == "sink":
            return None
        return RELAY if way.kind == "relay" else provider or domain

    def targets(
        self, source_id: UUID, domain: str, *, optional: bool = False, least: str | None = None
    ) -> Sequence[Target]:
        """In the order in which they are to be tried; with at least the TLS `least`. Raises Verdict."""
        way = self._exit(source_id)
        if way is None:
            raise Verdict("deferred", None, "4.3.5", "the source of this message is gone or disabled", "policy")
        if least is not None and way.kind != "sink" and ORDER[least] > ORDER[way.tls]:
            way, optional = replace(way, tls=least), False
        return self.of_exit(way, domain, optional=optional)

    def of_exit(self, way: Exit, domain: str, *, optional: bool = False) -> Sequence[Target]:
        """The same for a source at hand. Raises Verdict."""
        return self._of_relay(way) if way.kind != "direct" else self._of_domain(way, domain, optional)

    def _of_relay(self, way: Exit) -> Sequence[Target]:
        host = way.host or self._settings.mailbox_host
        port = way.port or (self._settings.mailbox_port if way.kind == "sink" else 587)
        profile = profile_named(way.profile)
        return [
            Target(
                host,
                port,
                ip,
                tls=way.tls,
                username=way.username,
                password=way.password,
                ehlo_name=way.ehlo_name or self._settings.ehlo_name,
                key=str(way.id),
                bind=_bind(way, ip),
                provider=way.profile,
                site=way.kind,
                most_mails=way.most_mails or profile.most_mails,
            )
            for ip in self._addresses_of(way, host, port)
        ]

    def _addresses_of(self, way: Exit, host: str, port: int) -> Sequence[str]:
        """A relay's addresses, as this machine's own configuration knows them. An account's relay may only be
        where its webhooks may go too; the operator's may be anywhere."""
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError as error:
            text = f"the address of {host} is not known: {error}"
            raise Verdict("deferred", None, "4.4.3", text, "dns", question=True) from error
        ips = [str(each[4][0]) for each in found]
        guarded = way.account_id is not None and way.kind == "relay"
        reachable = [ip for ip in dict.fromkeys(ips) if not guarded or may_reach(ip, self._allowed)]
        if not reachable:
            text = f"the relay {host} has only addresses that may not be reached; see SENDARIX_EGRESS_ALLOW"
            raise Verdict("deferred", None, "4.4.4", text, "policy")
        return reachable[:MOST_ADDRESSES]

    def _of_domain(self, way: Exit, domain: str, optional: bool) -> Sequence[Target]:
        exchangers = find_exchangers(self.resolver, domain)
        ipv6 = way.bind_ipv6 is not None and self._is_confirmed(way.bind_ipv6)
        policy, why = self._policies.find(domain)
        names = permitted(exchangers.names, policy if not optional else None)
        if not names:
            text = f"none of the mail hosts of {domain} is named in its MTA-STS policy ({why})"
            raise Verdict("deferred", None, "4.7.5", text, "tls")
        exchangers = Exchangers(domain, tuple(names), exchangers.implicit, exchangers.secure)
        # An address that is allowed by name is for labs and relays on the own network: no PTR can be had there.
        hosts = find_addresses(self.resolver, exchangers, self._allowed, ipv6 or bool(self._allowed))
        site = identify(name for _, name in exchangers.names)
        self._learn(domain, site, exchangers)
        found: list[Target] = []
        undecided: Undecided | None = None
        for host in hosts:
            try:
                demand = demand_for(
                    self.resolver,
                    exchangers,
                    host,
                    port=self._settings.smtp_remote_port,
                    level=way.tls,
                    policy=policy,
                    provider=site.provider,
                    optional=optional,
                )
            except Undecided as problem:
                undecided = problem
                continue
            found += self._at_host(way, domain, host, demand, site.key, site.provider)
        if not found:
            self._give_up(domain, undecided)
        return found

    def _learn(self, domain: str, site: Site, exchangers: Exchangers) -> None:
        if self._learning is not None:
            self._learning.place(domain, site.provider, [name.rstrip(".") for _, name in exchangers.names])

    def _at_host(
        self, way: Exit, domain: str, host: Host, demand: Demand, site: str, provider: str | None
    ) -> list[Target]:
        likes = provider_named(provider)
        return [
            Target(
                host.name,
                self._settings.smtp_remote_port,
                ip,
                tls=demand.level,
                ehlo_name=way.ehlo_name or self._settings.ehlo_name,
                key=str(way.id),
                bind=_bind(way, ip),
                demand=demand,
                provider=provider,
                site=site,
                domain=domain,
                most_mails=way.most_mails or likes.most_mails,
                idle_seconds=likes.idle_seconds,
            )
            for ip in host.ips
            if ":" not in ip or way.bind_ipv6 is not None or may_reach_by_name(ip, self._settings.egress_allow)
        ]

    def _give_up(self, domain: str, undecided: Undecided | None) -> NoReturn:
        if undecided is not None:
            raise Verdict("deferred", None, "4.7.5", str(undecided), "dns", question=True)
        text = f"the mail hosts of {domain} have only IPv6 addresses, and the source has no IPv6 address"
        raise Verdict("deferred", 451, "4.4.4", text, "dns")

    def _is_confirmed(self, ip: str) -> bool:
        """Whether an IPv6 address has a name that points back to it: without one the large providers refuse."""

        def look() -> bool:
            try:
                names = self.resolver.look_up(ip_address(ip).reverse_pointer, "PTR")
                back = [each for name in names[:3] for each in self.resolver.look_up(name.rstrip("."), "AAAA")]
            except (NoAnswer, NoName, Unclear):
                return False
            return any(ip_address(each) == ip_address(ip) for each in back)

        return self._ipv6.get(ip, look)

    def _exit(self, source_id: UUID) -> Exit | None:
        def load() -> Exit | None:
            with transaction() as connection:
                return sources.get(connection, self._settings, source_id)

        return self._exits.get(source_id, load)


def may_reach_by_name(ip: str, allow: str) -> bool:
    """Whether an address is reachable because the operator names its network."""
    found = ip_address(ip)
    return any(found in network for network in read_networks(allow) if network.version == found.version)


def _bind(way: Exit, ip: str) -> str | None:
    return way.bind_ipv6 if ":" in ip else way.bind_ipv4
