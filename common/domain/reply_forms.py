"""A reply without what is particular to one mail, so that equal refusals count as one. Never here: meanings.

Numbers, addresses, names of hosts and ids become placeholders; each step is linear in the text.
"""

import re

MOST_TEXT = 500

_STEPS = tuple(
    (re.compile(pattern, re.ASCII), by)
    for pattern, by in (
        (r"https?://[^\s<>\"]{1,300}", "<link>"),
        (r"<?[^\s<>@\"]{1,64}@[^\s<>@\"]{1,255}>?", "<address>"),
        (r"\b[245]\.\d{1,3}\.\d{1,3}\b(?!\.)", ""),
        (r"\[?\b\d{1,3}(?:\.\d{1,3}){3}\b\]?", "<ip>"),
        (r"\[?\b(?:[0-9a-f]{1,4}:){2,7}:?[0-9a-f]{0,4}\b\]?", "<ip>"),
        (r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b", "<id>"),
        (r"\b(?=[a-z0-9_-]{0,40}\d)(?=[a-z0-9_-]{0,40}[a-z])[a-z0-9_-]{8,120}(?:\.[a-z0-9_-]{1,40}){0,3}\b", "<id>"),
        (r"\b(?:[a-z0-9_-]{1,63}\.){2,8}[a-z]{2,24}\b", "<host>"),
        (r"\d{1,40}", "<n>"),
    )
)


def normal_form(text: str) -> str:
    """`text` as it is counted: lower case, on one line, at most 500 characters."""
    form = text[: 4 * MOST_TEXT].lower()
    for pattern, by in _STEPS:
        form = pattern.sub(by, form)
    return " ".join(form.split())[:MOST_TEXT]
