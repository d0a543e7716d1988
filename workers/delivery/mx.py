"""From a recipient domain to an ordered list of hosts with addresses, or a verdict (delivery.md 3.2, 1-9)."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from common.domain.outcomes import Kind, Outcome
from workers.egress import Network, may_reach
from workers.resolver import NoAnswer, NoName, Resolver, Unclear

MOST_HOSTS = 5


@dataclass(frozen=True, slots=True)
class Host:
    name: str
    ips: tuple[str, ...]


class Verdict(Exception):
    """No host may or can take mail for this domain; `outcome` says whether for ever."""

    def __init__(self, kind: Kind, code: int | None, enhanced: str, text: str, category: str) -> None:
        super().__init__(text)
        self.outcome = Outcome(kind, "dns", code, enhanced, text, category)


def find_hosts(resolver: Resolver, domain: str, allowed: Sequence[Network]) -> list[Host]:
    """Hosts by preference, equals shuffled. Raises Verdict."""
    try:
        names = _exchangers(resolver, domain)
    except Unclear as error:
        raise Verdict("deferred", None, "4.4.3", f"DNS gives no clear answer: {error}", "dns") from error
    except NoName as error:
        raise Verdict("bounced", 550, "5.1.2", f"the domain {domain} does not exist", "bad_domain") from error
    hosts, refused, open_question = [], False, False
    for name in names[:MOST_HOSTS]:
        ips, unclear = _addresses(resolver, name)
        permitted = tuple(ip for ip in ips if may_reach(ip, allowed))
        refused = refused or len(permitted) < len(ips)
        open_question = open_question or unclear
        if permitted:
            hosts.append(Host(name, permitted))
    if hosts:
        return hosts
    if refused and not open_question:
        text = f"every mail host of {domain} has a private address"
        raise Verdict("bounced", 550, "5.4.4", text, "bad_domain")
    raise Verdict("deferred", 451, "4.4.4", f"no mail host of {domain} has an address", "dns")


def _exchangers(resolver: Resolver, domain: str) -> list[str]:
    try:
        records = [record.split() for record in resolver.look_up(domain, "MX")]
    except NoAnswer:
        return [domain]
    found = [(int(preference), random.random(), host.rstrip(".").lower()) for preference, host in records]
    if len(found) == 1 and found[0][2] == "":
        raise Verdict("bounced", 556, "5.1.10", f"the domain {domain} takes no mail (null MX)", "bad_domain")
    return [host for _, _, host in sorted(found) if host]


def _addresses(resolver: Resolver, host: str) -> tuple[list[str], bool]:
    """What is known, and whether a question stayed open."""
    found: list[str] = []
    unclear = False
    for kind in ("A", "AAAA"):
        try:
            found += resolver.look_up(host, kind)
        except Unclear:
            unclear = True
        except (NoAnswer, NoName):
            continue
    return found, unclear
