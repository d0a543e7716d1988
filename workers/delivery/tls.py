"""Which TLS a mail host must show, and why: the source's wish, the provider's, MTA-STS and DANE, strictest first.

Also what is remembered: hosts whose TLS is broken, and counters for reports (RFC 8460). Never here: handshakes.
"""

import threading
from collections import Counter
from collections.abc import Sequence

from common import clock
from common.config import Settings
from common.domain.providers import provider_named
from common.services.tls_results import Counted
from workers.delivery.mx import Exchangers, Host
from workers.delivery.smtp import Demand, Target, Tlsa
from workers.delivery.smtp.certificates import usable
from workers.delivery.sts import Policy
from workers.dns_cache import Shelf
from workers.resolver import NoAnswer, NoName, Resolver, Unclear

BROKEN_SECONDS = 3 * 86_400
ORDER = {"none": 0, "opportunistic": 1, "encrypted": 2, "required": 3, "implicit": 3, "dane": 4}


class Undecided(Exception):
    """Whether DANE binds this host could not be learnt: mail waits rather than go unprotected (RFC 7672 2.1)."""


def demand_for(
    resolver: Resolver,
    exchangers: Exchangers,
    host: Host,
    *,
    port: int,
    level: str,
    policy: Policy | None,
    provider: str | None,
    optional: bool = False,
) -> Demand:
    """What this host must show. `level` is the source's; `policy` the domain's MTA-STS policy, if any.

    `optional`: the mail says TLS-Required: No (RFC 8689): what domains publish does not bind it then.
    Raises Undecided.
    """
    own = _own(level, provider)
    if optional:
        return Demand("opportunistic", "the mail itself says TLS-Required: No", "message") if level != "none" else own
    dane = _dane(resolver, exchangers, host, port)
    if dane is not None:
        return dane if ORDER[dane.level] >= ORDER[own.level] else own
    if policy is not None and policy.mode == "enforce" and ORDER[own.level] <= ORDER["required"]:
        return Demand("required", f"the domain's MTA-STS policy {policy.id} enforces it", "sts", (host.name,))
    if policy is not None and policy.mode == "testing" and own.level == "opportunistic":
        return Demand("opportunistic", f"the domain's MTA-STS policy {policy.id} is only being tested", "sts-testing")
    return own


def _own(level: str, provider: str | None) -> Demand:
    wanted = provider_named(provider).tls
    if level == "opportunistic" and wanted != "opportunistic":
        return Demand(wanted, f"{provider} takes mail over TLS only", "provider")
    reasons = {
        "none": "the source sends in clear",
        "opportunistic": "TLS if the server offers it, certificate not checked",
        "encrypted": "the source demands TLS",
        "required": "the source demands TLS with a verified certificate",
        "implicit": "the source speaks TLS from the first byte",
    }
    return Demand(level, reasons[level], "opportunistic" if level == "opportunistic" else "source")


def _dane(resolver: Resolver, exchangers: Exchangers, host: Host, port: int) -> Demand | None:
    """None where DANE does not apply: an unsigned MX set, unsigned addresses, or no signed TLSA records."""
    if not host.secure or not (exchangers.secure or exchangers.implicit):
        return None
    names = [name for name in dict.fromkeys((host.canonical, host.name)) if name]
    for name in names:
        try:
            answer = resolver.ask(f"_{port}._tcp.{name}", "TLSA")
        except (NoAnswer, NoName):
            continue
        except Unclear as error:
            raise Undecided(f"whether {host.name} has TLSA records is not known: {error}") from error
        if not answer.secure:
            return None
        records = tuple(found for text in answer.records if (found := read_tlsa(text)) is not None and usable(found))
        if not records:
            return Demand("encrypted", f"no TLSA record of {name} can be used, so only TLS is demanded", "dane")
        return Demand("dane", f"TLSA records of {name}", "dane", (exchangers.domain, name), records)
    return None


def read_tlsa(text: str) -> Tlsa | None:
    """A TLSA record as DNS writes it, or None."""
    parts = text.split()
    try:
        return Tlsa(int(parts[0]), int(parts[1]), int(parts[2]), bytes.fromhex("".join(parts[3:])))
    except (ValueError, IndexError):
        return None


def permitted(names: Sequence[tuple[int, str]], policy: Policy | None) -> list[tuple[int, str]]:
    """The mail hosts that an enforced policy allows; all of them without one (RFC 8461 5)."""
    if policy is None or policy.mode != "enforce":
        return list(names)
    return [(preference, name) for preference, name in names if policy.allows(name)]


class TlsRecords:
    """Broken hosts, remembered for three days by all workers of a machine; and counters since the last look."""

    def __init__(self, settings: Settings) -> None:
        self._shelf = Shelf(settings, "tls")
        self._counts: Counter[tuple[str, str, str, str, str]] = Counter()
        self._lock = threading.Lock()

    def broken(self, target: Target) -> str | None:
        """Why TLS is not tried with this host, or None."""
        found = self._shelf.get(f"{target.host}:{target.port}")
        return f"{found['why']} (on {found['at']}, remembered for 3 days)" if found else None

    def remember_broken(self, target: Target, why: str) -> None:
        value = {"why": why[:200], "at": clock.rfc3339(clock.now())}
        self._shelf.put(f"{target.host}:{target.port}", value, BROKEN_SECONDS)

    def note(self, target: Target, kind: str) -> None:
        """Count one session of direct mail; a relay's TLS is no domain's business."""
        if target.domain is None:
            return
        source = target.wanted.source
        policy = {"dane": "tlsa", "sts": "sts", "sts-testing": "sts"}.get(source, "no-policy-found")
        day = clock.now().date().isoformat()
        with self._lock:
            self._counts[day, target.domain, policy, target.host, kind] += 1

    def take(self) -> list[Counted]:
        """What was counted since the last call."""
        with self._lock:
            counts, self._counts = self._counts, Counter()
        return [Counted(*key, count) for key, count in counts.items()]

    def give_back(self, counted: Sequence[Counted]) -> None:
        """What could not be written."""
        with self._lock:
            for each in counted:
                self._counts[each.day, each.policy_domain, each.policy_type, each.mx, each.kind] += each.count
