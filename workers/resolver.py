"""Cached DNS. One resolver per process; never decides what an answer means for a message (delivery/mx.py)."""

import threading

import dns.exception
import dns.rdatatype
import dns.resolver

from common.clock import monotonic
from common.config import Settings

LEAST_SECONDS, MOST_SECONDS = 60, 86_400
SIZE = 10_000


class NoAnswer(Exception):
    """The name exists and has no such record."""


class NoName(Exception):
    """NXDOMAIN: the name does not exist."""


class Unclear(Exception):
    """SERVFAIL, a time-out or anything else that says nothing."""


class Resolver:
    """`look_up` with a cache clamped to 60 s to 24 h; a stale answer is better than none on SERVFAIL."""

    def __init__(self, settings: Settings) -> None:
        self._resolver = dns.resolver.Resolver(configure=not settings.dns_servers)
        if settings.dns_servers:
            servers = [each.strip().rpartition(":") for each in settings.dns_servers.split(",")]
            self._resolver.nameservers = [host or port for host, _, port in servers]
            self._resolver.port = int(servers[0][2]) if servers[0][0] else 53
        self._resolver.lifetime = 10.0
        self._known: dict[tuple[str, str], tuple[float, list[str]]] = {}
        self._lock = threading.Lock()

    def look_up(self, name: str, kind: str) -> list[str]:
        """Record texts. Raises NoAnswer, NoName or Unclear."""
        known = self._known.get((name, kind))
        if known is not None and known[0] > monotonic():
            return known[1]
        try:
            answer = self._resolver.resolve(name, kind, search=False)
        except dns.resolver.NXDOMAIN as error:
            raise NoName(name) from error
        except dns.resolver.NoAnswer as error:
            raise NoAnswer(name) from error
        except dns.exception.DNSException as error:
            if known is not None:
                return known[1]
            raise Unclear(f"{name} {kind}: {type(error).__name__}") from error
        texts = [record.to_text() for record in answer]
        seconds = min(max(answer.rrset.ttl if answer.rrset else 0, LEAST_SECONDS), MOST_SECONDS)
        with self._lock:
            if len(self._known) >= SIZE:
                self._known.pop(next(iter(self._known)))
            self._known[(name, kind)] = (monotonic() + seconds, texts)
        return texts
