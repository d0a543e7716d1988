"""Cached DNS, shared by the workers of a machine. Never decides what an answer means for a message (delivery/mx.py)."""

from dataclasses import dataclass

import dns.exception
import dns.flags
import dns.nameserver
import dns.resolver
import structlog

from common.clock import now
from common.config import Settings
from workers.dns_cache import Cache, Entry

log = structlog.get_logger()

LEAST_SECONDS, MOST_SECONDS = 60, 86_400
NEGATIVE_SECONDS = 60
LIFETIME_SECONDS = 10.0
LOOPBACK = ("127.", "::1")


class NoAnswer(Exception):
    """The name exists and has no such record."""


class NoName(Exception):
    """NXDOMAIN: the name does not exist."""


class Unclear(Exception):
    """SERVFAIL, a time-out or anything else that says nothing."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Record texts. `secure`: a validating resolver that is trusted vouches for them (DNSSEC). `name` is the
    owner after CNAMEs. `seconds` is how long it may still be used; `stale`: it is used beyond that."""

    records: tuple[str, ...]
    secure: bool = False
    name: str = ""
    seconds: int = 0
    stale: bool = False


def read_servers(text: str) -> list[tuple[str, int]]:
    """SENDARIX_DNS_SERVERS as addresses and ports: `192.0.2.1`, `192.0.2.1:5353`, `[2001:db8::1]:5353`."""
    found = []
    for part in (each.strip() for each in text.split(",")):
        if part.startswith("["):
            host, _, port = part[1:].partition("]")
            found.append((host, int(port[1:] or 53)))
        elif part.count(":") == 1:
            host, _, port = part.partition(":")
            found.append((host, int(port)))
        elif part:
            found.append((part, 53))
    return found


class Resolver:
    """`ask` with a cache clamped to 60 s to 24 h, in Redis and in this process.

    On SERVFAIL a stale answer is better than none, but never a stale absence: that would bounce mail.
    NXDOMAIN counts only when a second try, at another server where there is one, says the same.
    """

    def __init__(self, settings: Settings, *, seconds: float = LIFETIME_SECONDS) -> None:
        self._resolver = dns.resolver.Resolver(configure=not settings.dns_servers)
        if settings.dns_servers:
            self._resolver.nameservers = [
                dns.nameserver.Do53Nameserver(host, port) for host, port in read_servers(settings.dns_servers)
            ]
        self._resolver.lifetime = self._seconds = seconds
        self._resolver.use_edns(0, dns.flags.DO, 1232)
        self._trusted = settings.dns_trusted
        self.cache = Cache(settings)

    def look_up(self, name: str, kind: str) -> list[str]:
        """Record texts. Raises NoAnswer, NoName or Unclear."""
        return list(self.ask(name, kind).records)

    def ask(self, name: str, kind: str) -> Answer:
        """The answer with what is known about it. Raises NoAnswer, NoName or Unclear."""
        key = f"{kind}:{name.lower().rstrip('.')}"
        known = self.cache.get(key)
        moment = now().timestamp()
        if known is not None and known.expires > moment:
            return _told(known, name, moment)
        try:
            fresh = self._query(name, kind, moment)
            if fresh.kind == "no_name":
                fresh = self._confirm(name, kind, moment, fresh)
        except (dns.exception.DNSException, OSError, ValueError) as error:
            if known is not None and known.kind == "found":
                log.info("dns_answer_stale", name=name, kind=kind, error=type(error).__name__)
                return Answer(tuple(known.records), known.secure, known.name, 0, True)
            raise Unclear(f"{name} {kind}: {type(error).__name__}") from error
        self.cache.keep(key, fresh)
        return _told(fresh, name, moment)

    def _confirm(self, name: str, kind: str, moment: float, first: Entry) -> Entry:
        """A second opinion on an absence; when it is unclear, so is the absence."""
        servers = self._resolver.nameservers
        other = dns.resolver.Resolver(configure=False)
        other.nameservers = [*servers[1:], *servers[:1]]
        other.lifetime = self._seconds
        other.use_edns(0, dns.flags.DO, 1232)
        second = self._query(name, kind, moment, other)
        return first if second.kind == "no_name" else second

    def _query(self, name: str, kind: str, moment: float, resolver: dns.resolver.Resolver | None = None) -> Entry:
        """One question. Raises whatever says nothing."""
        try:
            answer = (resolver or self._resolver).resolve(name, kind, search=False, raise_on_no_answer=False)
        except dns.resolver.NXDOMAIN:
            return Entry("no_name", [], False, name, moment + NEGATIVE_SECONDS)
        secure = bool(answer.response.flags & dns.flags.AD) and self._is_trusted(answer.nameserver)
        if answer.rrset is None:
            return Entry("no_answer", [], secure, name, moment + NEGATIVE_SECONDS)
        seconds = min(max(answer.rrset.ttl, LEAST_SECONDS), MOST_SECONDS)
        owner = answer.canonical_name.to_text(omit_final_dot=True)
        return Entry("found", [record.to_text() for record in answer], secure, owner, moment + seconds)

    def _is_trusted(self, server: str | None) -> bool:
        """Whether nobody between that server and us can set the AD bit (RFC 6698 A.3)."""
        return self._trusted or (server or "").startswith(LOOPBACK)


def _told(entry: Entry, name: str, moment: float) -> Answer:
    if entry.kind == "found":
        return Answer(tuple(entry.records), entry.secure, entry.name, int(entry.expires - moment))
    raise (NoName if entry.kind == "no_name" else NoAnswer)(name)
