"""What this process holds of each paced scope: threads at work, mail handed to them, and leases that idle
connections keep. Never here: Redis, SQL, or what is sent.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass

from common import clock
from common.services.delivery import Claimed
from workers.shell import threads

HAND_OVER_SECONDS = 2.0
"""How long a thread waits at most for those at work on a scope to take its mail over, before it parks it."""

PROGRESS_SECONDS = 0.4
"""It waits no longer than this for a scope from which no batch came back meanwhile."""

SLOW_SECONDS = 10.0
"""A scope where nobody came in that time is not waited for again so soon, unless a batch is seen to go quickly."""


@dataclass(slots=True, eq=False)
class _Offer:
    claimed: Sequence[Claimed]
    taken: bool = False


class Slots:
    """Thread-safe, one per process."""

    def __init__(self) -> None:
        self._busy: dict[str, int] = {}
        self._idle: dict[str, list[tuple[float, str]]] = {}
        self._offers: dict[str, list[_Offer]] = {}
        self._slow: dict[str, float] = {}
        self._progress: dict[str, float] = {}
        self._changed = threading.Condition()

    def enter(self, key: str, most: int) -> int:
        """Join those at work; answers 0, or how many there are when that is too many."""
        with self._changed:
            busy = self._busy.get(key, 0)
            if busy >= most:
                return busy
            self._busy[key] = busy + 1
            return 0

    def leave(self, key: str) -> None:
        with self._changed:
            self._busy[key] -= 1
            if not self._busy[key]:
                del self._busy[key]
                self._progress.pop(key, None)
                self._changed.notify_all()

    def progress(self, key: str, since: float) -> None:
        """A batch that was sent at `since` came back from this scope."""
        with self._changed:
            now = self._progress[key] = clock.monotonic()
            if now - since < PROGRESS_SECONDS:
                self._slow.pop(key, None)

    @property
    def all_busy(self) -> bool:
        """Whether every thread of this process is at paced work."""
        with self._changed:
            return sum(self._busy.values()) >= threads()

    def hand_over(self, key: str, claimed: Sequence[Claimed]) -> bool:
        """Offer mail to those at work on a scope; whether one of them has taken it, who then answers for all of it.

        Where connections go from mail to mail quickly this is at once, and spares the mail being parked.
        """
        offer, since = _Offer(claimed), clock.monotonic()
        with self._changed:
            if self._slow.get(key, 0.0) > clock.monotonic():
                return False
            self._offers.setdefault(key, []).append(offer)
            while not offer.taken and key in self._busy and (left := self._patience(key, since)) > 0:
                self._changed.wait(left)
            if offer.taken:
                return True
            self._take_back(key, offer)
            if key in self._busy:
                now = clock.monotonic()
                self._slow = {each: until for each, until in self._slow.items() if until > now}
                self._slow[key] = now + SLOW_SECONDS
            return False

    def _take_back(self, key: str, offer: _Offer) -> None:
        """Nobody is offered it any more; a place where nothing is offered is forgotten."""
        self._offers[key].remove(offer)
        if not self._offers[key]:
            del self._offers[key]

    def _patience(self, key: str, since: float) -> float:
        """Seconds that who has offered at `since` still waits."""
        until = min(since + HAND_OVER_SECONDS, max(self._progress.get(key, 0.0), since) + PROGRESS_SECONDS)
        return until - clock.monotonic()

    def take_over(self, key: str, most: int) -> list[Claimed]:
        """What has been offered, the highest tier and the longest wait first: about `most`, whole offers only."""
        found: list[Claimed] = []
        with self._changed:
            while len(found) < most and (offers := self._offers.get(key)):
                offer = min(offers, key=lambda each: each.claimed[0].row.tier)
                self._take_back(key, offer)
                offer.taken = True
                found.extend(offer.claimed)
            if found:
                self._changed.notify_all()
        return found

    def keep(self, key: str, lease: str, seconds: float) -> None:
        """A lease that an idle connection keeps for so long."""
        with self._changed:
            self._idle.setdefault(key, []).append((clock.monotonic() + seconds, lease))

    def idle(self, key: str) -> str | None:
        """A lease whose connection idles."""
        with self._changed:
            waiting = self._idle.get(key, [])
            while waiting:
                until, lease = waiting.pop()
                if until > clock.monotonic():
                    return lease
            self._idle.pop(key, None)
            return None
