"""Whether a rule fits a refusal: by stage, codes, provider and plain words. Never here: what follows from it.

Words, never patterns, so that no rule and no reply can make matching slow: a phrase is a lower-case
substring, and ` ... ` inside it stands for anything between two substrings.
"""

import re
from dataclasses import dataclass, field

from common.domain.outcomes import Kind


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a refusal. `code` may be missing (a report tells only an enhanced status)."""

    text: str
    code: int | None = None
    enhanced: str | None = None
    stage: str | None = None
    provider: str | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """Matches when everything given fits; any one phrase is enough. `kind` overrides what the code says.

    `enhanced` lists codes without their class; an empty one stands for a reply that has none.
    """

    name: str
    category: str
    says: tuple[str, ...] = ()
    code_class: int | None = None
    codes: tuple[int, ...] = ()
    enhanced: tuple[str, ...] = ()
    stages: tuple[str, ...] = ()
    provider: str | None = None
    kind: Kind | None = None
    pieces: tuple[tuple[str, ...], ...] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "pieces", tuple(tuple(phrase.split(" ... ")) for phrase in self.says))


# What the sender or the recipient chose is no evidence: an address like spam@ must not look like a verdict.
# Bounded and without overlap between neighbours, so that a hostile reply costs linear time.
_FOREIGN = re.compile(r"<[^<>]{0,320}>|https?://[^\s]{0,500}|[^\s@<>]{1,64}@[^\s@<>]{1,255}")
_MOST_TEXT = 4096


def plain(text: str) -> str:
    """A reply as rules see it: lower case, one line, without addresses and links."""
    return " ".join(_FOREIGN.sub(" ", text[:_MOST_TEXT].lower()).split())


def without_foreign(text: str) -> str:
    """A reply without addresses and links, at most 300 characters: fit to be shown to an operator."""
    return " ".join(_FOREIGN.sub("…", text[:_MOST_TEXT]).split())[:300]


def class_of(facts: Facts) -> int:
    """2, 4 or 5; what tells no code at all counts as permanent, as a report of failure does."""
    if facts.code is not None:
        return facts.code // 100
    return int(facts.enhanced[0]) if facts.enhanced else 5


def fits(rule: Rule, facts: Facts, digit: int, detail: str | None, lowered: str) -> bool:
    """`digit` is the class, `detail` the enhanced code without it, `lowered` the text through `plain`."""
    return (
        (rule.code_class is None or rule.code_class == digit)
        and (not rule.codes or facts.code in rule.codes)
        and (not rule.enhanced or (detail or "") in rule.enhanced)
        and (not rule.stages or facts.stage is None or facts.stage in rule.stages)
        and (rule.provider is None or rule.provider == facts.provider)
        and (not rule.pieces or any(_says(pieces, lowered) for pieces in rule.pieces))
    )


def _says(pieces: tuple[str, ...], lowered: str) -> bool:
    at = 0
    for piece in pieces:
        found = lowered.find(piece, at)
        if found < 0:
            return False
        at = found + len(piece)
    return True
