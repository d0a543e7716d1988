"""DMARC records: read one, and walk the tree to the one that holds for a domain (RFC 9989, 4.10).

Never here: reports, or judging mail.
"""

from dataclasses import dataclass

from common.domain.dkim import parse_tags
from common.domain.dns_answers import Answer, Ask

_POLICIES = ("none", "quarantine", "reject")
_MOST_LABELS = 8


@dataclass(frozen=True, slots=True)
class Policy:
    """The record that holds. `domain` is where it was found; `applies` its word for the domain asked about."""

    domain: str
    record: str
    applies: str
    testing: bool
    reports_to: str


@dataclass(frozen=True, slots=True)
class Walk:
    """What walking up found. `several`: names with more than one record, which count as none."""

    policy: Policy | None
    several: tuple[str, ...]
    unclear: str
    first: Answer


def walk(domain: str, ask: Ask) -> Walk:
    """The policy that receivers find for mail From `domain`: its own record, or that of its organization."""
    found: list[tuple[str, dict[str, str], str]] = []
    several: list[str] = []
    first: Answer | None = None
    for name in _steps(domain):
        answer = ask(f"_dmarc.{name}", "TXT")
        first = first or answer
        if answer.unclear:
            return Walk(None, tuple(several), answer.unclear, first)
        records = _valid(answer.seen)
        if len(records) > 1:
            several.append(name)
        elif records:
            text, tags = records[0]
            found.append((name, tags, text))
            if tags.get("psd") == "n" or (tags.get("psd") == "y" and name != domain):
                break
    assert first is not None
    return Walk(_choose(domain, found), tuple(several), "", first)


def _steps(domain: str) -> list[str]:
    """The names to ask: the domain, then upward, at most eight (4.10)."""
    labels = domain.split(".")
    steps = [domain]
    rest = labels[1:] if len(labels) < _MOST_LABELS else labels[-(_MOST_LABELS - 1) :]
    while rest:
        steps.append(".".join(rest))
        rest = rest[1:]
    return steps


def _valid(texts: tuple[str, ...]) -> list[tuple[str, dict[str, str]]]:
    valid = []
    for text in texts:
        if text.partition(";")[0].replace(" ", "") != "v=DMARC1":
            continue
        try:
            tags = parse_tags(text)
        except ValueError:
            continue
        valid.append((text, {name.lower(): value for name, value in tags.items()}))
    return valid


def _choose(domain: str, found: list[tuple[str, dict[str, str], str]]) -> Policy | None:
    """The domain's own record, else the organizational domain's: psd=n, below psd=y, or the highest found."""
    if not found:
        return None
    own = [each for each in found if each[0] == domain]
    if own:
        name, tags, text = own[0]
        return _policy(name, tags, text, tags.get("p", ""))
    name, tags, text = found[-1]
    if tags.get("psd") == "y" and len(found) > 1:
        name, tags, text = found[-2]
    return _policy(name, tags, text, tags.get("sp") or tags.get("p", ""))


def _policy(name: str, tags: dict[str, str], text: str, word: str) -> Policy:
    # A p= that says nothing known counts as none where reports are asked for (4.7).
    applies = word.lower() if word.lower() in _POLICIES else "none" if tags.get("rua") else ""
    return Policy(name, text, applies, tags.get("t", "").lower() == "y", tags.get("rua", ""))
