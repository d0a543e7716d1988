"""From a recipient domain to an ordered list of hosts with addresses, or a verdict (delivery.md 3.2, 1-12)."""

import random
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address
from itertools import zip_longest

from common.domain.egress import Network, may_reach
from common.domain.outcomes import Kind, Outcome
from workers.resolver import Answer, NoAnswer, NoName, Resolver, Unclear

MOST_HOSTS = 20
MOST_ADDRESSES = 5


@dataclass(frozen=True, slots=True)
class Host:
    """A mail server. `ips` are to be tried in order. `secure`: DNSSEC vouches for its addresses; `canonical` is
    its name after CNAMEs, while `name` stays the one its certificate must bear."""

    name: str
    ips: tuple[str, ...]
    preference: int = 0
    secure: bool = False
    canonical: str = ""


@dataclass(frozen=True, slots=True)
class Exchangers:
    """The names that take a domain's mail, best first, equals shuffled, whatever their addresses.

    `implicit`: there is no MX record and the domain itself is meant. `secure`: DNSSEC vouches for them.
    """

    domain: str
    names: tuple[tuple[int, str], ...]
    implicit: bool
    secure: bool


class Verdict(Exception):
    """No host may or can take mail for this domain; `outcome` says whether for ever.

    `question`: DNS gave no clear answer, so nothing was attempted.
    """

    def __init__(
        self, kind: Kind, code: int | None, enhanced: str, text: str, category: str, *, question: bool = False
    ) -> None:
        super().__init__(text)
        self.outcome = Outcome(kind, "dns", code, enhanced, text, category, transcript=((0, "*", text),))
        self.question = question


def find_hosts(resolver: Resolver, domain: str, allowed: Sequence[Network], ipv6: bool = True) -> list[Host]:
    """Hosts by preference, equals shuffled. Raises Verdict."""
    return find_addresses(resolver, find_exchangers(resolver, domain), allowed, ipv6)


def find_exchangers(resolver: Resolver, domain: str) -> Exchangers:
    """The MX set of a domain. Raises Verdict: null MX, no such domain, or no clear answer."""
    if domain.startswith("["):
        raise Verdict("bounced", 550, "5.1.2", "mail to address literals is not sent", "bad_domain")
    try:
        answer = resolver.ask(domain, "MX")
    except NoAnswer:
        return Exchangers(domain, ((0, domain),), True, False)
    except Unclear as error:
        raise Verdict("deferred", None, "4.4.3", f"DNS gives no clear answer: {error}", "dns", question=True) from error
    except NoName as error:
        raise Verdict("bounced", 550, "5.1.2", f"the domain {domain} does not exist", "bad_domain") from error
    found = [_read(record) for record in answer.records]
    if len(found) == 1 and found[0][1] == "":
        raise Verdict("bounced", 556, "5.1.10", f"the domain {domain} takes no mail (null MX)", "bad_domain")
    shuffled = sorted(random.sample(found, len(found)), key=lambda each: each[0])
    return Exchangers(domain, tuple(each for each in shuffled if each[1]), False, answer.secure)


def _read(record: str) -> tuple[int, str]:
    preference, _, host = record.partition(" ")
    return int(preference), host.strip().rstrip(".").lower()


def find_addresses(
    resolver: Resolver, exchangers: Exchangers, allowed: Sequence[Network], ipv6: bool = True
) -> list[Host]:
    """At most five addresses, by preference of their hosts. Raises Verdict."""
    hosts: list[Host] = []
    refused: list[str] = []
    unclear = False
    left = MOST_ADDRESSES
    for preference, name in exchangers.names[:MOST_HOSTS]:
        if left <= 0:
            break
        ips, secure, canonical, open_question = _addresses(resolver, name, ipv6)
        permitted = [ip for ip in ips if _may_send_to(ip, allowed)]
        refused += [ip for ip in ips if ip not in permitted]
        unclear = unclear or open_question
        if permitted:
            hosts.append(Host(name, tuple(permitted[:left]), preference, secure, canonical))
            left -= len(permitted)
    if hosts:
        return hosts
    domain = exchangers.domain
    if refused and not unclear:
        loops = any(ip_address(ip).is_loopback or is_own(ip) for ip in refused)
        text = f"every mail host of {domain} has a private or own address ({refused[0]})"
        raise Verdict("bounced", 550, "5.4.6" if loops else "5.4.4", text, "bad_domain")
    raise Verdict("deferred", 451, "4.4.4", f"no mail host of {domain} has an address", "dns", question=unclear)


def _addresses(resolver: Resolver, host: str, ipv6: bool) -> tuple[list[str], bool, str, bool]:
    """Addresses with families in turns, whether they are secure, the canonical name, and whether a question
    stayed open. An MX that is itself an address is read as nothing: RFC 5321 wants a name."""
    families: list[Sequence[str]] = []
    answers: list[Answer] = []
    unclear = False
    for kind in ("AAAA", "A") if ipv6 else ("A",):
        try:
            answer = resolver.ask(host, kind)
        except Unclear:
            unclear = True
        except (NoAnswer, NoName):
            continue
        else:
            answers.append(answer)
            families.append(random.sample(answer.records, len(answer.records)))
    # In turns: a family that does not work from here must not eat every try.
    mixed = [ip for pair in zip_longest(*families) for ip in pair if ip is not None]
    secure = bool(answers) and all(answer.secure for answer in answers)
    return mixed, secure, answers[0].name if answers else host, unclear


def _may_send_to(ip: str, allowed: Sequence[Network]) -> bool:
    return may_reach(ip, allowed) and (not is_own(ip) or _is_named(ip, allowed))


def _is_named(ip: str, allowed: Sequence[Network]) -> bool:
    found = ip_address(ip)
    return any(found in network for network in allowed if network.version == found.version)


@lru_cache(maxsize=4096)
def is_own(ip: str) -> bool:
    """Whether it is an address of this machine: only those can be bound to."""
    if ip_address(ip).is_multicast:
        return False
    family = socket.AF_INET6 if ":" in ip else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((ip, 0))
            return True
    except OSError:
        return False
