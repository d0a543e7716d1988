"""Cached DNS. One resolver per process; never decides what an answer means for a message (delivery/mx.py)."""

import threading

import dns.exception
import dns.nameserver
import dns.resolver

from common.clock import monotonic
from common.config import Settings

LEAST_SECONDS, MOST_SECONDS = 60, 86_400
NEGATIVE_SECONDS = 60
SIZE = 10_000


class NoAnswer(Exception):
    """The name exists and has no such record."""


class NoName(Exception):
    """NXDOMAIN: the name does not exist."""


class Unclear(Exception):
    """SERVFAIL, a time-out or anything else that says nothing."""


_Nothing = type[NoAnswer] | type[NoName]


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
    """`look_up` with a cache clamped to 60 s to 24 h. On SERVFAIL a stale answer is better than none, but
    never a stale absence: that would bounce mail."""

    def __init__(self, settings: Settings) -> None:
        self._resolver = dns.resolver.Resolver(configure=not settings.dns_servers)
        if settings.dns_servers:
            self._resolver.nameservers = [
                dns.nameserver.Do53Nameserver(host, port) for host, port in read_servers(settings.dns_servers)
            ]
        self._resolver.lifetime = 10.0
        self._known: dict[tuple[str, str], tuple[float, list[str] | _Nothing]] = {}
        self._lock = threading.Lock()

    def look_up(self, name: str, kind: str) -> list[str]:
        """Record texts. Raises NoAnswer, NoName or Unclear."""
        known = self._known.get((name, kind))
        if known is not None and known[0] > monotonic():
            return _told(known[1], name)
        try:
            answer = self._resolver.resolve(name, kind, search=False)
        except dns.resolver.NXDOMAIN:
            return _told(self._keep(name, kind, NoName, NEGATIVE_SECONDS), name)
        except dns.resolver.NoAnswer:
            return _told(self._keep(name, kind, NoAnswer, NEGATIVE_SECONDS), name)
        except (dns.exception.DNSException, OSError, ValueError) as error:
            if known is not None and isinstance(known[1], list):
                return known[1]
            raise Unclear(f"{name} {kind}: {type(error).__name__}") from error
        texts = [record.to_text() for record in answer]
        seconds = min(max(answer.rrset.ttl if answer.rrset else 0, LEAST_SECONDS), MOST_SECONDS)
        return _told(self._keep(name, kind, texts, seconds), name)

    def _keep(self, name: str, kind: str, found: list[str] | _Nothing, seconds: int) -> list[str] | _Nothing:
        with self._lock:
            if len(self._known) >= SIZE:
                self._known.pop(next(iter(self._known)))
            self._known[(name, kind)] = (monotonic() + seconds, found)
        return found


def _told(found: list[str] | _Nothing, name: str) -> list[str]:
    if isinstance(found, list):
        return found
    raise found(name)
