"""Asking a zone's own name servers, so that a record is seen the moment it is published and no cache lies.

Where they cannot be found or reached, the configured resolver answers instead. Never here: what an answer means.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.nameserver
import dns.query
import dns.rcode
import dns.rdatatype
import dns.resolver
from dns.rdtypes.ANY.TXT import TXT

from common.clock import monotonic
from common.config import Settings
from common.domain.dns_answers import Answer
from common.domain.egress import may_reach, read_networks
from workers.resolver import read_servers

MOST_SERVERS, MOST_ALIASES = 6, 8
QUERY_SECONDS, TRIES, BUDGET_SECONDS = 1.5, 2, 30.0


@dataclass(slots=True)
class _Reply:
    """One server's word: the values, or where an alias leads on."""

    values: tuple[str, ...] = ()
    alias: str = ""


@dataclass(slots=True)
class Authorities:
    """For the checks of one domain: servers and answers are remembered, the whole has a budget of time."""

    settings: Settings
    _servers: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    _answers: dict[tuple[str, str], Answer] = field(default_factory=dict)
    _silent: set[str] = field(default_factory=set)
    _began: float = field(default_factory=monotonic)

    def ask(self, name: str, kind: str) -> Answer:
        """What every authoritative server says; aliases are followed, except when CNAME itself is asked for."""
        place = (name.rstrip(".").lower(), kind)
        if place not in self._answers:
            self._answers[place] = self._ask(*place)
        return self._answers[place]

    def _ask(self, name: str, kind: str) -> Answer:
        for _ in range(MOST_ALIASES):
            if monotonic() - self._began > BUDGET_SECONDS:
                return Answer(unclear="the check took too long")
            replies = self._replies(name, kind)
            if not replies:
                return self._ask_resolver(name, kind)
            aliases = {reply.alias for reply in replies.values() if reply.alias}
            if len(aliases) != 1 or not all(reply.alias for reply in replies.values()):
                return _agree(replies)
            name = aliases.pop()
        return Answer(unclear="its aliases lead in a circle")

    def _replies(self, name: str, kind: str) -> dict[str, _Reply]:
        """The word of each authoritative server that gave one, by its name."""
        found = {}
        for server, ip in self._servers_of(name):
            reply = self._query(name, kind, ip)
            if reply is not None:
                found[server] = reply
        return found

    def _query(self, name: str, kind: str, ip: str) -> _Reply | None:
        response = self._exchange(name, kind, ip)
        if response is None or response.rcode() not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
            return None
        if not response.flags & dns.flags.AA:
            return None  # lame: its word counts for nothing
        wanted, alias = dns.rdatatype.from_text(kind), ""
        values: list[str] = []
        for rrset in response.answer:
            if rrset.rdtype == wanted:
                values += [_text(record) for record in rrset]
            elif rrset.rdtype == dns.rdatatype.CNAME:
                alias = rrset[0].target.to_text(omit_final_dot=True).lower()
        return _Reply(tuple(sorted(values)), "" if values else alias)

    def _exchange(self, name: str, kind: str, ip: str) -> dns.message.Message | None:
        """One question to one server; a server that was silent twice is not asked again in this check."""
        for _ in range(TRIES if ip not in self._silent else 0):
            try:
                query = dns.message.make_query(name, kind, use_edns=0, payload=1232)
                query.flags &= ~dns.flags.RD
                port = self.settings.dns_authority_port
                return dns.query.udp_with_fallback(query, ip, timeout=QUERY_SECONDS, port=port)[0]
            except dns.exception.Timeout:
                continue
            except (dns.exception.DNSException, OSError, ValueError, EOFError):
                return None
        self._silent.add(ip)
        return None

    def _servers_of(self, name: str) -> list[tuple[str, str]]:
        """Name and address of the servers of the zone that `name` is in; [] when they cannot be found."""
        labels = name.split(".")
        for at in range(len(labels) - 1):
            zone = ".".join(labels[at:])
            if zone not in self._servers:
                self._servers[zone] = self._look_up_servers(zone)
            if self._servers[zone]:
                return self._servers[zone]
        return []

    def _look_up_servers(self, zone: str) -> list[tuple[str, str]]:
        try:
            answer = self._resolver().resolve(zone, "NS", search=False, raise_on_no_answer=False)
        except (dns.exception.DNSException, OSError):
            return []
        if answer.rrset is None or answer.canonical_name != dns.name.from_text(zone):
            return []
        names = sorted(record.target.to_text(omit_final_dot=True).lower() for record in answer.rrset)
        allowed = read_networks(self.settings.egress_allow)
        found = []
        for server in names[:MOST_SERVERS]:
            ips = [ip for kind in ("A", "AAAA") for ip in self._ask_resolver(server, kind).values]
            reachable = [ip for ip in ips if may_reach(ip, allowed)]
            found += [(server, ip) for ip in reachable[:1]]
        return found

    def _ask_resolver(self, name: str, kind: str) -> Answer:
        try:
            answer = self._resolver().resolve(name, kind, search=False)
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return Answer(via="resolver")
        except (dns.exception.DNSException, OSError, ValueError) as error:
            return Answer(unclear=f"the resolver failed ({type(error).__name__})", via="resolver")
        return Answer(tuple(sorted(_text(record) for record in answer)), via="resolver")

    def _resolver(self) -> dns.resolver.Resolver:
        found = dns.resolver.Resolver(configure=not self.settings.dns_servers)
        if self.settings.dns_servers:
            servers = read_servers(self.settings.dns_servers)
            found.nameservers = [dns.nameserver.Do53Nameserver(host, port) for host, port in servers]
        found.lifetime = 5.0
        return found


def _text(record: object) -> str:
    if isinstance(record, TXT):
        return b"".join(record.strings).decode("utf-8", "replace")
    text = str(record)
    return text.rstrip(".").lower() or "."


def _agree(replies: dict[str, _Reply]) -> Answer:
    """What all say, and what only some do."""
    said = [set(reply.values) for reply in replies.values()]
    everywhere = set.intersection(*said)
    somewhere = set.union(*said) - everywhere
    lacking: Sequence[str] = [server for server, reply in replies.items() if not somewhere <= set(reply.values)]
    return Answer(tuple(sorted(everywhere)), tuple(sorted(somewhere)), tuple(sorted(lacking)))
