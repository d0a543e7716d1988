"""What outcomes say of the pace a destination bears, and how a wait for it is told. Pure.

Never here: counters or clocks (common/pacing.py), or the limits of providers (providers.py).
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from common.domain.categories import CATEGORIES
from common.domain.outcomes import Outcome

_OPENING = ("connect", "banner", "ehlo", "tls", "auth")
_CROWDED = ("too many connections", "concurrent", "simultaneous", "connection limit", "number of connections",
            "max connections", "connexions", "too many sessions", "connections from your")  # fmt: skip
OURS = ("dns", "sign", "render", "pace")
"""Stages that are our own: what happens there says nothing of a destination."""


@dataclass(frozen=True, slots=True)
class Marks:
    """Mails that show that the host works, marks against it, those of them that nobody answered, whether it named
    too many connections, and whether it asked for less."""

    good: int = 0
    bad: int = 0
    lost: int = 0
    crowded: bool = False
    throttled: bool = False


def marks_of(outcomes: Iterable[Outcome]) -> Marks:
    """What a batch of outcomes says of its destination. What is ours, or the recipient's alone, says nothing."""
    good = bad = lost = 0
    crowded = throttled = False
    for outcome in outcomes:
        if outcome.kind == "untried" or outcome.stage in OURS:
            continue
        path = 1 if outcome.kind == "delivered" else CATEGORIES[outcome.category].path
        good += path > 0
        bad += path < 0
        lost += is_lost(outcome)
        throttled = throttled or is_throttle(outcome)
        crowded = crowded or is_crowded(outcome)
    return Marks(good, bad, lost, crowded, throttled)


def is_lost(outcome: Outcome) -> bool:
    """Whether the host let nobody say what mail it is about: it could not be reached, or hung up before."""
    return outcome.category == "connection" and outcome.code is None and outcome.stage in _OPENING


def is_throttle(outcome: Outcome) -> bool:
    """Whether the server asks for less, rather than being broken or objecting to this mail."""
    return outcome.category == "throttled" or is_crowded(outcome)


def is_crowded(outcome: Outcome) -> bool:
    """Whether the server says that too many connections are open: in words, or by 421 before any mail."""
    if outcome.kind not in ("deferred", "bounced") or outcome.code is None:
        return False
    lowered = outcome.reply.lower()
    early = outcome.code == 421 and outcome.stage in _OPENING
    return early or (outcome.category == "throttled" and any(words in lowered for words in _CROWDED))


_FASTER_THAN_AGREED = "maximum sending rate exceeded"
AGREED_WAIT = 3.0


def excused(outcome: Outcome) -> Outcome:
    """A relay's "too many a second" is about our pace, not the mail: no attempt, and again in a moment."""
    if outcome.kind == "deferred" and outcome.code == 454 and _FASTER_THAN_AGREED in outcome.reply.lower():
        return replace(outcome, kind="untried", wait_seconds=AGREED_WAIT)
    return outcome


_SAID = {
    "connections": "{used} of {most:g} connections are in use",
    "connects": "{most:g} new connections a minute are the limit",
    "share": "this worker already works on it with {used} threads",
    "rate": "{most:g} mails a second are the limit",
    "queue": "others wait before it",
    "rest": "it asked for less, or nobody answers; a rest",
    "suspended": "an automation has suspended it",
    "throttled": "it has just asked for less",
    "lost": "nobody has just answered",
}


def note_of(limit: str, place: str, used: int = 0, most: float = 0.0) -> str:
    """Why mail to `place` waits, as a sentence."""
    return f"Pacing of {place}: {_SAID[limit].format(used=used, most=most)}."
