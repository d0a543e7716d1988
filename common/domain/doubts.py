"""What follows when nobody knows whether a server kept a mail: send it again, hold it, or end it. Pure.

Never here: when an outcome is unknown (lifecycle.md), or what a policy says about it (policy.py).
"""

CHOICES = ("resend", "hold", "fail")
"""`resend`: possibly a second copy. `hold`: somebody decides. `fail`: possibly no mail."""

HOLD_SECONDS = 72 * 3600.0
"""So long a message in doubt waits for somebody to decide; then it ends as `failed`. Never sent by itself."""

HELD = "in doubt: "
"""How the reason of a hold begins that an unknown outcome made."""

NOBODY_KNOWS = "nobody knows whether the server kept it"


def choice_of(wanted: str | None, guarantee: str) -> str:
    """What follows an unknown outcome. Without a wish the guarantee tells; what is promised `at_most_once` is never
    sent again by itself."""
    if wanted is None:
        return "fail" if guarantee == "at_most_once" else "resend"
    return "fail" if wanted == "resend" and guarantee == "at_most_once" else wanted
