"""MTA-STS (RFC 8461): a domain's published demand for verified TLS, fetched, cached and read.

Never here: connections to mail servers.
"""

import http.client
import ssl
from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from common.clock import monotonic, now
from common.config import Settings
from common.domain.egress import Network
from workers.dns_cache import Shelf
from workers.guard import Blocked, Guard
from workers.pinned import Timings, connect
from workers.resolver import NoAnswer, NoName, Resolver, Unclear

log = structlog.get_logger()

PATH = "/.well-known/mta-sts.txt"
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
        self._resolver, self._port = resolver, port
        self._guard = Guard(resolver.look_up, allowed)
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
        """GET over verified TLS from an admitted address; no redirect, no large body. Raises OSError, ValueError."""
        deadline, timings = monotonic() + FETCH_SECONDS, Timings()
        try:
            admitted = self._guard.admit(f"https://mta-sts.{domain}:{self._port}{PATH}")
        except Blocked as error:
            raise ValueError(str(error)) from error
        host = admitted.place.authority
        request = f"GET {PATH} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: Sendarix\r\nConnection: close\r\n\r\n"
        connection = connect(admitted, self._context, deadline, timings)
        try:
            reply = connection.exchange(request.encode(), "GET", deadline, MOST_BYTES + 1, timings)
        finally:
            connection.close()
        if reply.status != 200:
            raise ValueError(f"the policy server answers {reply.status}")
        kind = (reply.headers.get("Content-Type") or "").partition(";")[0].strip().lower()
        if kind != "text/plain":
            raise ValueError(f"the policy is {kind or 'of no type'}, not text/plain")
        if len(reply.body) > MOST_BYTES:
            raise ValueError(f"the policy is over {MOST_BYTES} octets")
        return reply.body.decode("utf-8")
