"""disclosed(...): what of a change the audit log may keep: which fields, and the values that say nothing of a person.

Pure. Never here: who did it, or keeping it.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

MOST_FIELDS = 100
_TERM = re.compile(r"[a-z][a-z0-9_.:-]{0,63}\Z")
"""What has the form of a choice, an id, a scope, a slug or a domain: no sentence, no address, no name."""
_SECRET = re.compile(
    r"password|secret|token|private|credential|authorization|headers|template_data|metadata|html|text|subject|code"
    r"|(^|\.|_|user)name$|email|recipient|address|author"
)


def disclosed(given: Mapping[str, Any]) -> dict[str, Any]:
    """{"given": the dotted names of all that was given, "values": of those that may be shown}.

    Shown are numbers, true, false, null, and strings of the form of a term, unless the name speaks of secrets,
    content or people.
    """
    found = list(_walk(given, ""))[:MOST_FIELDS]
    return {
        "given": [name for name, _ in found],
        "values": {name: value for name, value in found if _tells(name, value)},
    }


def _walk(given: Mapping[str, Any], before: str) -> Iterator[tuple[str, Any]]:
    for name, value in given.items():
        if isinstance(value, Mapping) and before.count(".") < 2 and not _SECRET.search(name):
            yield from _walk(value, f"{before}{name[:64]}.")
        else:
            yield f"{before}{name[:64]}", value


def _tells(name: str, value: Any) -> bool:
    if _SECRET.search(name):
        return False
    if isinstance(value, list):
        return len(value) <= 50 and all(_plain(each) for each in value)
    return _plain(value)


def _plain(value: Any) -> bool:
    return (
        value is None or isinstance(value, bool | int | float) or (isinstance(value, str) and bool(_TERM.match(value)))
    )
