"""What follows from a category, in words: for the message, the path and the address. Read by people.

Never here: how a category is found, or doing any of it.
"""

from dataclasses import dataclass

from common.domain.categories import CATEGORIES
from common.domain.outcomes import Kind


@dataclass(frozen=True, slots=True)
class Effects:
    """One sentence each."""

    message: str
    path: str
    address: str


_PATHS = {
    1: "The host works: it counts for the path.",
    0: "It says nothing about the path.",
    -1: "It counts against the path.",
}


def effects(kind: Kind, category: str) -> Effects:
    """What becomes of a message that was refused like this, of the way it went, and of the address."""
    what = CATEGORIES[category]
    message = (
        "It bounces." if kind == "bounced" else "It is tried again on its schedule; after the last try it bounces."
    )
    days = f" for {what.suppress_days} days" if what.suppress_days else ""
    if kind == "bounced" and what.suppress:
        address = f"It is suppressed{days}: nothing more is sent to it."
    elif what.strikes:
        apart = f" that are {what.strike_hours_apart} hours apart" if what.strike_hours_apart else ""
        address = (
            f"It is suppressed{days} after {what.strikes} messages that bounced so within {what.strike_days} days"
            f"{apart} and no delivery between them."
        )
    else:
        address = "Nothing happens to it."
    return Effects(message, _PATHS[what.path], address)
