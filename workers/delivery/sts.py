"""MTA-STS (RFC 8461): a domain's published demand for verified TLS, fetched, cached and read.

Never here: connections to mail servers.
"""

import http.client
import random
import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from common.clock import now
from common.config import Settings
from common.domain.egress import Network, may_reach
from workers.dns_cache import Shelf
from workers.resolver import NoAnswer, NoName, Resolver, Unclear

log = structlog.get_logger()

MOST_BYTES = 64 * 1024
MOST_AGE = 31_557_600
FETCH_SECONDS = 10.0
AGAIN_SECONDS = 300


@dataclass(frozen=True, slots=True)
class Policy:
    """`mode` is enforce, testing or none; `mx` are names, or `*.` and a name."""

    id: str
    mode: str
    mx: tuple[str, ...]
    max_age: int

    def allows(self, host: str) -> bool:
        """Whether a mail host is one of the policy's (RFC 8461 4.1): a wildcard stands for exactly one label."""
        host = host.lower().rstrip(".")
        return any(
            host.partition(".")[2] == pattern[2:] if pattern.startswith("*.") else host == pattern
            for pattern in self.mx
        )


def read_policy(text: str, policy_id: str) -> Policy:
    """A policy file. Raises ValueError naming what is wrong."""
    fields: dict[str, str] = {}
    mx: list[str] = []
    for line in text.splitlines():
        name, colon, value = line.partition(":")
        name, value = name.strip(), value.strip()
        if not colon:
            continue
        if name == "mx":
            mx.append(value.lower().rstrip("."))
        else:
            fields.setdefault(name, value)
    if fields.get("version") != "STSv1":
        raise ValueError("the policy has no version STSv1")
    mode, age = fields.get("mode", ""), fields.get("max_age", "")
    if mode not in ("enforce", "testing", "none"):
        raise ValueError("the policy's mode is none of enforce, testing and none")
    if not (age.isascii() and age.isdigit() and len(age) <= 10):
        raise ValueError("the policy has no max_age")
    if mode != "none" and not mx:
        raise ValueError("the policy names no mx")
    return Policy(policy_id, mode, tuple(mx), min(int(age), MOST_AGE))


def read_id(records: Sequence[str]) -> str | None:
    """The id of the one `v=STSv1` record; None when there is none, or more than one (RFC 8461 3.1)."""
    found = [text for text in (_joined(record) for record in records) if text.startswith("v=STSv1;")]
    if len(found) != 1:
        return None
    for part in found[0].split(";")[1:]:
        name, _, value = part.strip().partition("=")
        if name == "id" and value.isalnum() and len(value) <= 32:
            return value
    return None


def _joined(record: str) -> str:
    """A TXT record as one text; dnspython writes it as quoted strings."""
    return "".join(record.split('"')[1::2]) if record.startswith('"') else record


class Policies:
    """The policy of a domain, from the cache while its id is the same and it has not aged out.

    A policy that cannot be fetched anew stays in force until it ages out; one that never could be
    fetched binds nobody, and is tried again a little later.
    """

    def __init__(
        self,
        settings: Settings,
        resolver: Resolver,
        allowed: Sequence[Network],
        *,
        port: int = 443,
        context: ssl.SSLContext | None = None,
    ) -> None:
        self._resolver, self._allowed, self._port = resolver, allowed, port
        self._context = context
        self._shelf = Shelf(settings, "sts")

    def find(self, domain: str) -> tuple[Policy | None, str]:
        """The policy in force, or None; and why, for people."""
        kept = self._shelf.get(domain)
        known = Policy(kept["id"], kept["mode"], tuple(kept["mx"]), kept["max_age"]) if kept else None
        try:
            current = read_id(self._resolver.look_up(f"_mta-sts.{domain}", "TXT"))
        except (NoAnswer, NoName):
            current = None
        except Unclear:
            return known, "the TXT record could not be asked for; the policy known before holds"
        if current is None or (known is not None and known.id == current):
            # A record that disappeared does not end a policy: that is what max_age is for.
            return known, "a policy known before holds" if known else "the domain publishes none"
        if (problem := self._shelf.get(f"failed:{domain}:{current}")) is not None:
            return known, f"the policy cannot be fetched: {problem}"
        try:
            fresh = read_policy(self._fetch(domain), current)
        except (OSError, ValueError, http.client.HTTPException) as error:
            problem = f"{type(error).__name__}: {error}"[:200]
            self._shelf.put(f"failed:{domain}:{current}", problem, AGAIN_SECONDS)
            log.info("sts_policy_not_fetched", domain=domain, error=problem)
            return known, f"the policy cannot be fetched: {problem}"
        value = {"id": fresh.id, "mode": fresh.mode, "mx": list(fresh.mx), "max_age": fresh.max_age}
        self._shelf.put(domain, value | {"fetched_at": now().timestamp()}, max(fresh.max_age, 1))
        return fresh, "fetched"

    def _fetch(self, domain: str) -> str:
        """GET over verified TLS from a permitted address; no redirect, no large body. Raises OSError, ValueError."""
        host = f"mta-sts.{domain}"
        connection = _Pinned(host, self._port, self._context or ssl.create_default_context())
        connection.ip = self._address(host)
        try:
            connection.request("GET", "/.well-known/mta-sts.txt", headers={"Host": host, "User-Agent": "Sendarix"})
            response = connection.getresponse()
            if response.status != 200:
                raise ValueError(f"the policy server answers {response.status}")
            kind = (response.getheader("Content-Type") or "").partition(";")[0].strip().lower()
            if kind != "text/plain":
                raise ValueError(f"the policy is {kind or 'of no type'}, not text/plain")
            body = response.read(MOST_BYTES + 1)
            if len(body) > MOST_BYTES:
                raise ValueError(f"the policy is over {MOST_BYTES} octets")
            return body.decode("utf-8")
        finally:
            connection.close()

    def _address(self, host: str) -> str:
        for kind in ("A", "AAAA"):
            try:
                found = [ip for ip in self._resolver.look_up(host, kind) if may_reach(ip, self._allowed)]
            except (NoAnswer, NoName, Unclear):
                continue
            if found:
                return random.choice(found)
        raise ValueError(f"{host} has no address that may be reached")


class _Pinned(http.client.HTTPConnection):
    """HTTPS to an address that was looked at before, for the name it was looked up by."""

    ip = ""

    def __init__(self, host: str, port: int, context: ssl.SSLContext) -> None:
        super().__init__(host, port, timeout=FETCH_SECONDS)
        self._tls = context

    def connect(self) -> None:
        plain = socket.create_connection((self.ip, self.port), timeout=FETCH_SECONDS)
        self.sock = self._tls.wrap_socket(plain, server_hostname=self.host)
