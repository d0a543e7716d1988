"""The words and bounds of webhooks: orderings, states, what is recovered, and which headers are their owner's."""

import re

ORDERINGS = ("none", "per_message")
"""`none`: as fast as possible, ordered by `seq` at the receiver. `per_message`: event n+1 of a message is not
attempted before n is delivered or exhausted."""

STATES = ("enabled", "disabled")
DELIVERY_STATES = ("waiting", "delivered", "exhausted", "held", "skipped")
RECOVERIES = ("all", "since", "none")

MOST_WEBHOOKS = 50
MOST_ATTEMPTS = 20
MOST_IN_FLIGHT = 100
MOST_HEADERS = 10
MOST_OVERLAP_SECONDS = 604_800
USUAL_OVERLAP_SECONDS = 86_400
MOST_SECRETS = 3
MOST_REPLAYED_IDS = 1000

HEADER_NAME = r"[A-Za-z][A-Za-z0-9-]{0,63}"
_TAKEN = re.compile(
    r"(?:webhook|svix|sendarix|content|proxy|sec)-.*|host|connection|keep-alive|te|trailer|transfer-encoding|upgrade"
    r"|expect|user-agent|accept-encoding|cookie2?|date|via|forwarded|x-forwarded-.*|alt-svc",
    re.IGNORECASE,
)


def is_header_taken(name: str) -> bool:
    """Whether a header of a delivery is set by the service or by HTTP itself."""
    return _TAKEN.fullmatch(name) is not None
