"""Headers that bulk senders owe: List-Unsubscribe with one click, Feedback-ID, CFBL-Address (RFC 2369, 8058, 9477).

Never here: whether a stream wants them; making the token.
"""

import re
from collections.abc import Sequence

_NOT_IN_A_FIELD = re.compile(r"[^A-Za-z0-9_-]+")


def list_unsubscribe(url: str | None, mail: str | None) -> dict[str, str]:
    """The two headers for an https `url` and an address; {} without either.

    One click is promised only with a URL: RFC 8058 wants a POST to it to be enough.
    """
    places = [f"<{url}>"] if url else []
    if mail:
        places.append(f"<mailto:{mail}?subject=unsubscribe>")
    if not places:
        return {}
    found = {"List-Unsubscribe": ", ".join(places)}
    return found | {"List-Unsubscribe-Post": "List-Unsubscribe=One-Click"} if url else found


def feedback_id(parts: Sequence[str | None], sender_id: str) -> str:
    """Gmail's `a:b:c:SenderId`: at most three parts, nothing that differs per recipient, SenderId of 5 to 15."""
    clean = [_NOT_IN_A_FIELD.sub("-", part or "")[:30].strip("-") or "none" for part in parts[:3]]
    return ":".join([*clean, sender_id])
