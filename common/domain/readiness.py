"""What Gmail, Yahoo and Microsoft ask of bulk senders, and whether a domain does it (delivery.md 5). Pure.

Above about 5,000 mails a day to one of them a domain has to; below it is good manners. Never here: DNS or counting.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from common.domain.domain_records import FOUND, UNCHECKED, UNCLEAR

OK, WARNING, FAILED, UNKNOWN = STATES = ("ok", "warning", "failed", "unknown")
GMAIL, YAHOO, MICROSOFT = PROVIDERS = ("gmail", "yahoo", "microsoft")
CHECKS = ("spf", "dkim", "dmarc", "alignment", "one_click", "reverse_dns", "tls", "complaints")

BULK_A_DAY = 5000
COMPLAINTS_AIM, COMPLAINTS_LIMIT = 0.001, 0.003
_ASK = "Ask with POST …/verify."
TELLING = 1000
"""Fewer delivered mails say nothing of a rate this small."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What became of the newest live mail of a domain: mails, and the most of one day."""

    delivered: int = 0
    complained: int = 0
    encrypted: int = 0
    most_a_day: int = 0


@dataclass(frozen=True, slots=True)
class Check:
    """One rule: its state, who asks for it, what is there, and what to do (empty when nothing)."""

    check: str
    state: str
    asked_by: tuple[str, ...]
    found: str
    fix: str = ""


def judge(
    findings: Iterable[Mapping[str, Any]],
    streams: Mapping[str, Mapping[str, Any]],
    seen: Seen,
    *,
    one_click_at: str,
    names: Mapping[str, str],
    sightings: Iterable[Mapping[str, Any]] = (),
) -> list[Check]:
    """A check for each rule. `one_click_at` is the public address of this installation, `names` the EHLO name of
    each direct source that carries the mail, `sightings` what DNS said of them (reverse_dns.py)."""
    by_purpose: dict[str, list[Mapping[str, Any]]] = {}
    for each in findings:
        by_purpose.setdefault(each["purpose"], []).append(each)
    dkim = _of_record("dkim", by_purpose)
    return [
        _of_record("spf", by_purpose),
        dkim,
        _of_record("dmarc", by_purpose),
        _alignment(dkim, by_purpose.get("return_path", [])),
        _one_click(streams, one_click_at),
        _reverse_dns(names, sightings),
        _tls(seen),
        _complaints(seen),
    ]


def worst(checks: Iterable[Check]) -> str:
    """failed before warning before unknown before ok."""
    states = {each.state for each in checks}
    return next((state for state in (FAILED, WARNING, UNKNOWN) if state in states), OK)


def _of_record(purpose: str, by_purpose: Mapping[str, list[Mapping[str, Any]]]) -> Check:
    found = by_purpose.get(purpose, [])
    good = [each for each in found if each["state"] == FOUND]
    if good:
        return Check(purpose, OK, PROVIDERS, good[0]["diagnosis"])
    unclear = not found or any(each["state"] in (UNCLEAR, UNCHECKED) for each in found)
    if unclear:
        return Check(purpose, UNKNOWN, PROVIDERS, "DNS has not answered yet.", _ASK)
    return Check(purpose, FAILED, PROVIDERS, found[0]["diagnosis"], found[0]["fix"] or "Publish the domain's records.")


def _alignment(dkim: Check, return_path: list[Mapping[str, Any]]) -> Check:
    if dkim.state != OK:
        return Check("alignment", dkim.state, PROVIDERS, "No signature of the From domain itself is seen.", dkim.fix)
    if any(each["state"] == FOUND for each in return_path):
        return Check("alignment", OK, PROVIDERS, "DKIM and SPF both pass for the From domain.")
    text = "DKIM passes for the From domain; SPF passes for another domain, which is enough until a hop breaks DKIM."
    return Check("alignment", WARNING, PROVIDERS, text, "Publish the return-path record.")


def _one_click(streams: Mapping[str, Mapping[str, Any]], at: str) -> Check:
    named = sorted(name for name, what in streams.items() if what.get("unsubscribe"))
    asked = (GMAIL, YAHOO)
    if not named:
        text = "No stream offers it; mail that people asked for one by one (receipts, codes) needs none."
        return Check("one_click", WARNING, asked, text, "Set streams with unsubscribe for promotional mail.")
    if not at.startswith("https://"):
        text = "The header can name no https address."
        return Check("one_click", FAILED, asked, text, "The operator sets SENDARIX_PUBLIC_URL to an https address.")
    return Check("one_click", OK, asked, f"Offered by: {', '.join(named)[:200]}.")


def _reverse_dns(names: Mapping[str, str], sightings: Iterable[Mapping[str, Any]]) -> Check:
    if not names:
        return Check("reverse_dns", OK, PROVIDERS, "Mail leaves through relays; their addresses are their care.")
    wrong = sorted(source for source, name in names.items() if not _is_public(name))
    if wrong:
        text = f"No public name in EHLO: {', '.join(wrong)[:200]}."
        return Check("reverse_dns", FAILED, PROVIDERS, text, "Give the source the ehlo_name that PTR has.")
    seen = {each["source"]: each for each in sightings if names.get(each["source"]) == each["ehlo"]}
    if len(seen) < len(names):
        listed = ", ".join(sorted(name for source, name in names.items() if source not in seen))[:200]
        return Check("reverse_dns", UNKNOWN, PROVIDERS, f"DNS was not asked yet about: {listed}.", _ASK)
    for state in (FAILED, WARNING, UNKNOWN):
        such = [each for _, each in sorted(seen.items()) if each["state"] == state]
        if such:
            text = " ".join(each["text"] for each in such)[:500]
            return Check("reverse_dns", state, PROVIDERS, text, such[0]["fix"] or _ASK)
    return Check("reverse_dns", OK, PROVIDERS, " ".join(each["text"] for _, each in sorted(seen.items()))[:500])


def _is_public(name: str) -> bool:
    label, dot, rest = name.lower().rpartition(".")
    return bool(dot and label) and rest.isalpha() and rest not in ("localdomain", "local", "internal", "localhost")


def _tls(seen: Seen) -> Check:
    if not seen.delivered:
        return Check("tls", UNKNOWN, (GMAIL, YAHOO), "Nothing was delivered lately.")
    share = seen.encrypted / seen.delivered
    text = f"{share:.1%} of {seen.delivered} mails travelled encrypted."
    if share >= 0.99:
        return Check("tls", OK, (GMAIL, YAHOO), text)
    return Check("tls", WARNING, (GMAIL, YAHOO), text, "Look for attempts without TLS: their tls_reason says why.")


def _complaints(seen: Seen) -> Check:
    if seen.delivered < TELLING:
        text = f"{seen.complained} of {seen.delivered} delivered mails; too few to tell a rate."
        return Check("complaints", UNKNOWN, PROVIDERS, text)
    rate = seen.complained / seen.delivered
    text = f"{rate:.2%} of {seen.delivered} delivered mails were reported as spam."
    if rate < COMPLAINTS_AIM:
        return Check("complaints", OK, PROVIDERS, text)
    state = WARNING if rate < COMPLAINTS_LIMIT else FAILED
    return Check("complaints", state, PROVIDERS, text, "Stay under 0.1 %; 0.3 % gets mail refused.")
