"""What a refusal says about when to come back: "try again in 5 minutes", "retry after 300 seconds", "in 00:04:55".

A number counts only behind a word that asks to return: "too many messages in 60 minutes" asks nothing.
Every pattern is bounded, so that a hostile reply costs little. Never here: what follows from it (retry.py).
"""

import re

SHORTEST, LONGEST = 10.0, 3600.0
_FEW = 5
_MOST_TEXT = 1000

_WORDS = {
    "a": 1, "an": 1, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "ten": 10, "fifteen": 15,
    "twenty": 20, "thirty": 30, "sixty": 60, "few": _FEW, "some": _FEW, "several": _FEW, "couple": 2,
}  # fmt: skip
_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0}

_ASKS = (
    r"(?:try|tried|retry|retries|retried|resend|send|return|come\s+back|back\s?off|wait|delay(?:ed)?|defer(?:red)?"
    r"|gr[ae]y-?\s?list(?:ed|ing)?|resubmit|again|blocked|throttled)"
)
_BETWEEN = r"[^.\d]{0,40}?"
_COUNT = r"(?:an?\s+(?=few|couple))?(?P<count>\d{1,6}|" + "|".join(_WORDS) + r")(?:\s+(?:more|of))?"
_UNIT = r"(?P<unit>s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?)\b"
_SAID = re.compile(rf"\b{_ASKS}\b{_BETWEEN}\b{_COUNT}\s?-?{_UNIT}", re.IGNORECASE)
_CLOCK = re.compile(
    rf"\b{_ASKS}\b{_BETWEEN}(?<!at )\b(?P<first>\d{{1,2}}):(?P<second>\d{{2}})(?::(?P<third>\d{{2}}))?(?![:\d])",
    re.IGNORECASE,
)
_BARE = re.compile(r"\bretry[-_ ]?after\b[\s:=]{1,3}(?P<count>\d{1,6})\b(?!:)", re.IGNORECASE)


def hint_in(text: str) -> float | None:
    """Seconds after which the server wants to be asked again, between 10 s and 1 h; None when it says nothing.

    "In a few minutes" is five. `00:05:00` has hours first, `05:00` minutes.
    """
    text = text[:_MOST_TEXT]
    if (found := _SAID.search(text)) is not None:
        seconds = _number(found["count"]) * _UNITS[found["unit"][0].lower()]
    elif (found := _CLOCK.search(text)) is not None:
        parts = [int(part) for part in (found["first"], found["second"], found["third"]) if part is not None]
        seconds = float(parts[-1] + 60 * parts[-2] + (3600 * parts[0] if len(parts) == 3 else 0))
    elif (found := _BARE.search(text)) is not None:
        seconds = float(found["count"])
    else:
        return None
    return min(max(seconds, SHORTEST), LONGEST) if seconds > 0 else None


def _number(text: str) -> float:
    return float(text) if text.isdigit() else float(_WORDS[text.lower()])
