"""One simulated day by one way of choosing: arrivals, threads that deliver, retries, and what came of it.

Threads work as the delivery line does: a ticket of one path, a lease and a rate from pacing, mails over one connection,
then the marks. Never here: what a receiver says, or how a source is chosen.
"""

import heapq
import random
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from uuid import UUID

from common.domain import pacing
from common.domain.categories import reroutes
from common.domain.outcomes import Outcome
from common.domain.providers import provider_named
from common.domain.retry import REROUTE_SECONDS, delay_after, with_jitter
from common.pacing import Feedback, Level, Scope
from tests.simulation.choices import WEIGHTS, YOUNG, Chooser
from tests.simulation.clocked import ClockedPaces
from tests.simulation.receivers import HOUR, Receiver

BEGIN, END = 6 * HOUR, 18 * HOUR
THREADS, TOGETHER, CONNECT_SECONDS = 64, 20, 0.15
FIRST_CONNECTIONS = 5
TOGETHER_ROUTED = 200


@dataclass(slots=True)
class Letter:
    """One message on its way."""

    number: int
    id: UUID
    tier: int
    place: str
    accepted: float
    attempt: int = 1
    avoids: str | None = None
    source: str = ""


@dataclass(slots=True)
class Tally:
    """What a day came to. `waits` are seconds from acceptance to delivery; `young` counts a warming source's mails
    by provider."""

    waits: list[float] = field(default_factory=list)
    outcomes: Counter[str] = field(default_factory=Counter)
    young: Counter[str] = field(default_factory=Counter)
    given_up: int = 0
    ended: float = 0.0

    @property
    def deferrals(self) -> int:
        return sum(n for name, n in self.outcomes.items() if name != "delivered")


class Day:
    """The event loop of one run."""

    def __init__(self, seed: int, messages: int, chooser: Chooser, paces: ClockedPaces, world: list[Receiver]) -> None:
        self._draws = random.Random(seed)
        self._left, self._messages = messages, messages
        self._chooser, self._paces = chooser, paces
        self._world = {each.name: each for each in world}
        self._scopes = {(source, each.name): _scope(source, each.name) for source in WEIGHTS for each in world}
        self._queues: dict[tuple[str, str], tuple[deque[Letter], ...]] = {}
        self._asleep: dict[tuple[str, str], float] = {}
        self._ready: deque[tuple[str, str]] = deque()
        self._events: list[tuple[float, int, Callable[[float], None]]] = []
        self._order, self._idle = count(), THREADS
        self._accepted = 0
        self.tally = Tally()

    def run(self, progress: Callable[[int], None]) -> Tally:
        """Until every message has ended. `progress` hears how many have."""
        self._at(BEGIN, self._arrive)
        rounds = 0
        while self._events:
            now, _, work = heapq.heappop(self._events)
            self._paces.moment = now
            work(now)
            self._deliver(now)
            rounds += 1
            if rounds % 2000 == 0:
                progress(len(self.tally.waits) + self.tally.given_up)
        self.tally.ended = now
        return self.tally

    def _at(self, moment: float, work: Callable[[float], None]) -> None:
        heapq.heappush(self._events, (moment, next(self._order), work))

    def _arrive(self, now: float) -> None:
        """Some mail, and when the next comes; busier in the late morning."""
        every = max(1.0, TOGETHER_ROUTED * (END - BEGIN) / self._messages)
        share = every / (END - BEGIN) * (1 + 0.5 * (9 * HOUR <= now < 12 * HOUR))
        want = self._messages * share
        number = min(self._left, int(want) + (self._draws.random() < want % 1))
        if self._left and now > END:
            number = self._left
        self._left -= number
        self._route(list(self._letters(number, now)), now)
        if self._left:
            self._at(now + every, self._arrive)

    def _letters(self, number: int, now: float) -> Iterator[Letter]:
        names, shares = list(self._world), [each.share for each in self._world.values()]
        for place in self._draws.choices(names, shares, k=number):
            tier = self._draws.choices((0, 1, 2), (5, 35, 60))[0]
            self._accepted += 1
            yield Letter(self._accepted, UUID(int=self._draws.getrandbits(128)), tier, place, now)

    def _route(self, letters: list[Letter], now: float) -> None:
        if not letters:
            return
        for letter, source in zip(letters, self._chooser.choose(letters, now), strict=True):
            letter.source = source
            if source == YOUNG:
                self.tally.young[letter.place] += 1
            self._queue(letter)

    def _queue(self, letter: Letter) -> None:
        path = letter.source, letter.place
        if path not in self._queues:
            self._queues[path] = (deque(), deque(), deque())
        if not any(self._queues[path]) and path not in self._asleep:
            self._ready.append(path)
        self._queues[path][letter.tier].append(letter)

    def _deliver(self, now: float) -> None:
        """Give idle threads work, path by path."""
        while self._idle and self._ready:
            path = self._ready.popleft()
            waiting = next((queue for queue in self._queues[path] if queue), None)
            if waiting is None:
                continue
            tier, lease = waiting[0].tier, self._paces.new_lease()
            grant = self._paces.take(self._scopes[path], lease, min(TOGETHER, len(waiting)), tier=tier, woken=True)
            if not grant.count:
                self._sleep(path, now, max(grant.wait, 0.05))
                continue
            batch = [waiting.popleft() for _ in range(min(grant.count, len(waiting)))]
            if any(self._queues[path]):
                self._ready.append(path)
            self._idle -= 1
            self._open(path, lease, batch, grant.count, now)

    def _sleep(self, path: tuple[str, str], now: float, seconds: float) -> None:
        self._asleep[path] = now + seconds

        def wake(_: float) -> None:
            del self._asleep[path]
            if any(self._queues[path]):
                self._ready.append(path)

        self._at(now + min(seconds, 5.0), wake)

    def _open(self, path: tuple[str, str], lease: str, batch: list[Letter], granted: int, now: float) -> None:
        source, place = path
        receiver = self._world[place]
        refused = receiver.refuses_connection(source, now)
        if refused is not None:
            self._at(now + CONNECT_SECONDS, lambda end: self._close(path, lease, batch, [refused], granted, end, 0))
            return
        receiver.open[source] = receiver.open.get(source, 0) + 1
        at, outcomes = now + CONNECT_SECONDS, []
        for letter in batch:
            at += receiver.seconds
            chance = self._draws.random()
            outcomes.append(receiver.answer(source, letter.number, at, is_new=source == YOUNG, chance=chance))
            if outcomes[-1].code in (None, 421):
                break
        self._at(at, lambda end: self._close(path, lease, batch, outcomes, granted, end, 1))

    def _close(
        self, path: tuple[str, str], lease: str, batch: list[Letter], outcomes: list[Outcome],
        granted: int, now: float, opened: int,
    ) -> None:  # fmt: skip
        source, place = path
        self._world[place].open[source] = self._world[place].open.get(source, 0) - opened
        self._idle += 1
        marks = pacing.marks_of(outcomes)
        unused = granted - len(outcomes)
        feedback = Feedback(marks.good, marks.bad, marks.crowded, marks.throttled, unused, marks.lost)
        self._paces.finish(self._scopes[path], lease, feedback)
        self._chooser.learn(source, place, outcomes, now)
        for letter, outcome in zip(batch, outcomes, strict=False):
            self._settle(letter, outcome, now)
        for letter in batch[len(outcomes) :]:  # untried: no attempt
            self._queue(letter)

    def _settle(self, letter: Letter, outcome: Outcome, now: float) -> None:
        self.tally.outcomes[outcome.category] += 1
        if outcome.kind == "delivered":
            self.tally.waits.append(now - letter.accepted)
            return
        moves = reroutes(outcome.category) and letter.avoids is None
        greylisted = outcome.category == "greylisted"
        delay = REROUTE_SECONDS if moves else delay_after(letter.attempt, greylisted=greylisted)
        if delay is None:
            self.tally.given_up += 1
            return
        letter.attempt += 1
        if moves:
            letter.avoids = letter.source
        again = self._route if moves else lambda letters, _: self._queue(letters[0])
        self._at(now + with_jitter(delay, self._draws.random()), lambda moment: again([letter], moment))


def _scope(source: str, place: str) -> Scope:
    likes = provider_named(place)
    level = Level(f"{source}/{place}", likes.connections, likes.per_second, min(FIRST_CONNECTIONS, likes.connections))
    return Scope(source, place, place, (level,))
