"""The life of a message: every status, every transition, the event each raises. One table.

`docs/lifecycle.md` draws it and is checked against it. Only services/lifecycle.py acts on it.
"""

from dataclasses import dataclass

STATUSES = (
    "scheduled",
    "queued",
    "accepted",
    "deferred",
    "delivered",
    "bounced",
    "complained",
    "suppressed",
    "cancelled",
    "expired",
    "failed",
)
LIVE = ("scheduled", "queued", "accepted", "deferred")
ENDED = tuple(status for status in STATUSES if status not in LIVE)
DEAD = ("bounced", "failed")


@dataclass(frozen=True, slots=True)
class Transition:
    """One arrow: `to` follows any of `origins`; `leased` says whether the writer must hold the lease."""

    number: str
    origins: tuple[str, ...]
    to: str
    event: str | None
    leased: bool
    who: str


_WAITING = ("queued", "accepted", "deferred")
_SENDABLE = ("accepted", "deferred")

TRANSITIONS: dict[str, Transition] = {
    "create": Transition("T1", (), "queued", "message.queued", False, "accept"),
    "schedule": Transition("T1s", (), "scheduled", "message.queued", False, "accept"),
    "release": Transition("T1d", ("scheduled",), "queued", None, False, "scheduler"),
    "accept": Transition("T2", ("queued",), "accepted", "message.accepted", False, "routing"),
    "suppress": Transition("T3/T13", _WAITING, "suppressed", "message.suppressed", False, "routing, delivery claim"),
    "refuse": Transition("T4", ("queued",), "failed", "message.failed", False, "routing"),
    "cancel": Transition("T5", LIVE, "cancelled", "message.cancelled", False, "caller"),
    "expire": Transition("T6", LIVE, "expired", "message.expired", False, "scheduler"),
    "deliver": Transition("T8", _SENDABLE, "delivered", "message.delivered", True, "delivery"),
    "defer": Transition("T9", _SENDABLE, "deferred", "message.deferred", True, "delivery, sweeper"),
    "bounce": Transition("T10", _SENDABLE, "bounced", "message.bounced", True, "delivery"),
    "fail": Transition("T12", _SENDABLE, "failed", "message.failed", True, "delivery, sweeper"),
    "doubt": Transition("T12d", _SENDABLE, "deferred", "message.held", True, "delivery, sweeper"),
    "resend": Transition("T12r", ("deferred",), "deferred", "message.released", False, "caller"),
    "keep_back": Transition("T12k", ("deferred",), "deferred", "message.held", False, "caller"),
    "give_up": Transition("T12g", ("deferred",), "failed", "message.failed", False, "caller, scheduler"),
    "bounce_late": Transition("T14", ("delivered",), "bounced", "message.bounced", False, "inbound"),
    "complain": Transition("T15", ("delivered",), "complained", "message.complained", False, "inbound"),
    "reschedule": Transition("T16", ("scheduled", "queued"), "scheduled", "message.queued", False, "caller"),
    "reschedule_now": Transition("T16n", ("scheduled", "queued"), "queued", "message.queued", False, "caller"),
}


def may_follow(origin: str, to: str) -> bool:
    """Whether any arrow leads from `origin` to `to`."""
    return any(origin in arrow.origins and arrow.to == to for arrow in TRANSITIONS.values())
