"""Whether a sending address has a name that leads back to it, and says that name in EHLO. Pure.

Large providers refuse addresses without one. Never here: asking DNS (`ask` is given), or what a domain's report makes
of it (readiness.py).
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from ipaddress import ip_address
from typing import Any

from common.domain.dns_answers import Answer, Ask
from common.domain.egress import may_reach

OK, WARNING, FAILED, UNKNOWN = "ok", "warning", "failed", "unknown"
_ORDER = (FAILED, WARNING, UNKNOWN, OK)
MOST_ADDRESSES, MOST_NAMES = 4, 3


@dataclass(frozen=True, slots=True)
class Sender:
    """A direct source: its name, what it says in EHLO, and the addresses it is bound to."""

    source: str
    ehlo: str
    binds: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Sighting:
    """What DNS said of one source: the state, in a sentence, and what to do (empty when nothing)."""

    source: str
    ehlo: str
    state: str
    text: str
    fix: str = ""

    def kept(self) -> dict[str, Any]:
        """As a JSON object."""
        return asdict(self)


def look(senders: Iterable[Sender], ask: Ask) -> list[Sighting]:
    """A sighting of each source. One that is bound to no public address is judged by those of its EHLO name: behind
    a translated address that is all that can be seen from here."""
    return [_look(each, ask) for each in senders]


def _look(sender: Sender, ask: Ask) -> Sighting:
    addresses: Sequence[str] = [ip for ip in sender.binds if may_reach(ip, ())]
    if not addresses:
        answers = [ask(sender.ehlo, kind) for kind in ("A", "AAAA")]
        addresses = [ip for answer in answers for ip in answer.seen]
        if not addresses:
            return _nameless(sender, answers)
    seen = [_judge(sender, ip, ask) for ip in addresses[:MOST_ADDRESSES]]
    return min(seen, key=lambda each: _ORDER.index(each.state))


def _nameless(sender: Sender, answers: Sequence[Answer]) -> Sighting:
    if any(answer.unclear for answer in answers):
        return _said(sender, UNKNOWN, f"DNS gave no clear answer for {sender.ehlo}")
    fix = "Give it an A record with the sending address, and that address a PTR record with the name."
    return _said(sender, FAILED, f"{sender.ehlo}, said in EHLO, has no address", fix)


def _judge(sender: Sender, ip: str, ask: Ask) -> Sighting:
    pointed = ask(ip_address(ip).reverse_pointer, "PTR")
    names = [name.rstrip(".").lower() for name in pointed.seen[:MOST_NAMES]]
    if not names:
        if pointed.unclear:
            return _said(sender, UNKNOWN, f"DNS gave no clear answer about the name of {ip}")
        return _said(sender, FAILED, f"{ip} has no PTR record", f"Have whoever gave you {ip} set it to {sender.ehlo}.")
    back = {name: ask(name, "AAAA" if ":" in ip else "A") for name in names}
    confirmed = [name for name, answer in back.items() if any(_same(ip, each) for each in answer.seen)]
    if sender.ehlo.rstrip(".").lower() in confirmed:
        return _said(sender, OK, f"{ip} is {sender.ehlo}, both ways")
    if confirmed:
        text = f"{ip} is {confirmed[0]}, both ways, but says {sender.ehlo} in EHLO"
        return _said(sender, WARNING, text, f"Set the source's ehlo_name to {confirmed[0]}.")
    if any(answer.unclear for answer in back.values()):
        return _said(sender, UNKNOWN, f"DNS gave no clear answer about the address of {names[0]}")
    text = f"{ip} is called {names[0]}, which does not lead back to it"
    return _said(sender, FAILED, text, f"Give {names[0]} an address record with {ip}.")


def _said(sender: Sender, state: str, text: str, fix: str = "") -> Sighting:
    return Sighting(sender.source, sender.ehlo, state, f"{sender.source}: {text}.", fix)


def _same(one: str, other: str) -> bool:
    try:
        return ip_address(one) == ip_address(other)
    except ValueError:
        return False
