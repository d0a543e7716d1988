"""The kinds and states of jobs, and which scopes see and stop one. Pure words.

Never here: what a kind does (services/job_kinds.py).
"""

from dataclasses import dataclass

STATES = ("uploading", "waiting", "running", "done", "failed", "cancelled")
ENDED = ("done", "failed", "cancelled")


@dataclass(frozen=True, slots=True)
class Kind:
    """What a key needs to see a job of this kind, and to stop it."""

    read: str
    stop: str
    ticketed: bool = True
    """Whether workers take it up by a ticket; otherwise the scheduler does its work in its rounds."""


REPLAY = "dead_letters.replay"
DISCARD = "dead_letters.discard"
IMPORT = "suppressions.import"
WEBHOOK_REPLAY = "webhook_replay"
REPRIORITISE = "messages.reprioritise"

KINDS = {
    REPLAY: Kind("messages:read", "messages:send"),
    DISCARD: Kind("messages:read", "messages:cancel"),
    IMPORT: Kind("suppressions:read", "suppressions:write"),
    REPRIORITISE: Kind("queues:read", "queues:write"),
    WEBHOOK_REPLAY: Kind("webhooks:read", "webhooks:write", ticketed=False),
}
TICKETED = tuple(name for name, kind in KINDS.items() if kind.ticketed)
