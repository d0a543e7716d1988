"""SPF records: find the one, read it, count what it makes receivers look up (RFC 7208, 4.5, 4.6.4, 5).

Never here: deciding for an address; a sender needs to know that receivers can decide at all.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from common.domain.dns_answers import Ask

MOST_LOOKUPS, MOST_VOID = 10, 2
_MECHANISM = re.compile(r"[+?~-]?(all|include|a|mx|ptr|ip4|ip6|exists)(?:[:/].*)?\Z", re.IGNORECASE)
_MODIFIER = re.compile(r"([a-z][a-z0-9._-]*)=(\S*)\Z", re.IGNORECASE)
_ASKING = ("include", "a", "mx", "ptr", "exists", "redirect")


@dataclass(slots=True)
class Count:
    """What evaluating a record costs, and what is wrong with it. `faults` are clauses without a full stop."""

    lookups: int = 0
    voids: int = 0
    unclear: bool = False
    faults: list[str] = field(default_factory=list)
    domains: set[str] = field(default_factory=set)


def spf_records(texts: Iterable[str]) -> list[str]:
    """Those that are SPF records (4.5)."""
    return [text for text in texts if text.lower() == "v=spf1" or text.lower().startswith("v=spf1 ")]


def count(domain: str, record: str, ask: Ask) -> Count:
    """Walk `record` of `domain` as a receiver would in the worst case; stops soon behind the limits."""
    found = Count()
    _walk(domain, record, ask, found, (domain,))
    if found.lookups > MOST_LOOKUPS:
        found.faults.append(f"it takes more than {MOST_LOOKUPS} DNS look-ups, so receivers give up (permerror)")
    if found.voids > MOST_VOID:
        found.faults.append(f"more than {MOST_VOID} of its look-ups find nothing, so receivers give up (permerror)")
    return found


def _walk(domain: str, record: str, ask: Ask, found: Count, path: tuple[str, ...]) -> None:
    redirect, has_all = "", False
    for term in record.split()[1:]:
        if found.lookups > MOST_LOOKUPS or found.voids > MOST_VOID:
            return
        kind, target = _read(term)
        if not kind:
            found.faults.append(f"the term {term[:40]!r} is no SPF")
        elif kind == "all":
            has_all = True
        elif kind == "redirect":
            redirect = target
        elif kind in _ASKING:
            _look(kind, target or domain, ask, found, path)
    if redirect and not has_all:
        _look("redirect", redirect, ask, found, path)


def _read(term: str) -> tuple[str, str]:
    """Kind and target of a term; ("", "") when it is none, ("other", "") for an unknown modifier."""
    modifier = _MODIFIER.match(term)
    if modifier is not None:
        name = modifier[1].lower()
        return (name, modifier[2].lower()) if name == "redirect" else ("other", "")
    mechanism = _MECHANISM.match(term)
    if mechanism is None:
        return "", ""
    kind = mechanism[1].lower()
    target = term.partition(":")[2].partition("/")[0].lower() if kind not in ("ip4", "ip6", "all") else ""
    return ("", "") if kind in ("include", "exists") and not target else (kind, target)


def _look(kind: str, target: str, ask: Ask, found: Count, path: tuple[str, ...]) -> None:
    found.lookups += 1
    found.domains.add(target)
    if "%" in target or kind == "ptr":
        return  # a macro's or a reverse name depends on who sends
    if kind in ("include", "redirect"):
        _include(kind, target, ask, found, path)
        return
    answer = ask(target, "MX" if kind == "mx" else "A")
    found.unclear = found.unclear or bool(answer.unclear)
    if not answer.seen and not answer.unclear:
        found.voids += 1


def _include(kind: str, target: str, ask: Ask, found: Count, path: tuple[str, ...]) -> None:
    if target in path:
        found.faults.append(f"{target} includes itself")
        return
    answer = ask(target, "TXT")
    if answer.unclear:
        found.unclear = True
        return
    records = spf_records(answer.seen)
    if not answer.seen:
        found.voids += 1
    if len(records) != 1:
        found.faults.append(f"{kind} of {target} finds {len(records) or 'no'} SPF record{'s' * (len(records) > 1)}")
        return
    _walk(target, records[0], ask, found, (*path, target))
