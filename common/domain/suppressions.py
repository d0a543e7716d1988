"""Why an address receives nothing more, and how much of the mail that stops. Never here: rows."""

import re

UNSUBSCRIBED = "user_unsubscribed"
REPEATED = "repeated_bounce"
REASONS = (UNSUBSCRIBED, "hard_bounce", REPEATED, "complaint", "manual", "invalid")

STREAM = r"[a-z0-9][a-z0-9_-]{0,62}"
"""The name of a stream or a topic, without anchors."""

ALL = "all"
SCOPE = rf"all|(?:stream|topic):{STREAM}"
_SCOPE = re.compile(rf"(?:{SCOPE})\Z")
_WHOLE = ("hard_bounce", REPEATED, "complaint")


def is_scope(text: str) -> bool:
    """`all`, `stream:<name>` or `topic:<name>`."""
    return _SCOPE.match(text) is not None


def covers_all_mail(reason: str) -> bool:
    """Whether this reason is about the mailbox or the person, so that its scope is always `all`."""
    return reason in _WHOLE
