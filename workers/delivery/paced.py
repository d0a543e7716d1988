"""Mail of one paced scope: a connection lease, mails as the rate allows, and what waits next when a slot frees.

A thread that gets no connection hands its mail to one that has. What nobody takes is parked: that is no attempt.
Whoever holds a slot goes on with what is parked, for a while, and then hands over through the queue, so that no
destination keeps a thread for long. Never here: Lua, SQL, or the wire.
"""

import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from common import clock
from common.config import Settings
from common.db.session import transaction
from common.domain.outcomes import Outcome
from common.domain.pacing import Marks, marks_of, note_of
from common.domain.tiers import TIERS
from common.pacing import Feedback, Grant, Paces, Scope
from common.services import delivery, parking, tickets
from common.services.delivery import Claimed
from workers.delivery.automations import Automations
from workers.delivery.leases import Leases
from workers.delivery.rounds import WINDOW, Round
from workers.delivery.slots import Slots
from workers.delivery.targets import Targets
from workers.shell import OWNER, threads

DRAIN_SECONDS = 10.0
"""How long a slot goes on with parked mail before it is handed over through the queue."""

BATCH = 2 * WINDOW
"""Mails of one call for leave to send, at most."""

HOLD_SECONDS = 1.0
"""A wait for the rate that a held connection sits out; a longer one is parked."""

PATIENCE = 86_400.0
"""A message older than this is not parked any more: each refusal counts as an attempt, so that it ends."""


class PacedWork:
    """One thread's work on one scope."""

    def __init__(
        self,
        settings: Settings,
        leases: Leases,
        targets: Targets,
        paces: Paces,
        slots: Slots,
        automations: Automations,
        scope: Scope,
    ) -> None:
        self._settings, self._leases, self._targets = settings, leases, targets
        self._paces, self._slots, self._automations = paces, slots, automations
        self._scope, self._suspended = automations.hold(scope)
        self._waiting: deque[Claimed] = deque()
        self._sending: Sequence[Claimed] = ()
        self._lease = ""
        self._held = False
        self._drained: int | None = None
        self._parked_next = True
        self._unused = self._good = self._bad = self._lost = self._opened = 0
        self._last = Marks()

    def run(self, claimed: Sequence[Claimed]) -> None:
        """Until each is recorded, parked or handed over, and what can go next has been seen to."""
        self._waiting.extend(claimed)
        try:
            self._run(claimed)
        finally:
            self._leases.drop(each.id for each in (*self._sending, *self._waiting))

    def _run(self, claimed: Sequence[Claimed]) -> None:
        tier = claimed[0].row.tier
        if self._suspended is not None:
            left = (self._suspended.until - clock.now()).total_seconds()
            self._park(Grant(0, "suspended", self._scope.key, wait=left))
            return
        most = threads() if tier == 0 else _most_threads()
        if self._slots.enter(self._scope.key, most):
            if self._hand_over():
                return
            if busy := self._slots.enter(self._scope.key, most):
                self._park(Grant(0, "share", self._scope.key, busy))
                return
        try:
            refused = self._work(tier, woken=claimed[0].row.paced is not None)
        finally:
            self._slots.leave(self._scope.key)
            if self._held:
                self._give_back()
        if self._waiting:
            if refused.limit != "connections" or not self._hand_over():
                self._park(refused)
        elif self._held and self._drained is None:
            self._wake(tier)

    def _work(self, tier: int, *, woken: bool) -> Grant:
        """Send while it is granted; answers what ended it."""
        idle = self._slots.idle(self._scope.key)
        self._lease = idle or self._paces.new_lease()
        self._opened = 0 if idle else -1  # a new lease brings leave to open one
        # Who opens a connection risks one mail with it: when the server turns it away, the others have not been tried.
        size, until = BATCH if idle else 1, clock.monotonic() + DRAIN_SECONDS
        pause = threading.Event()
        while True:
            wanted = min(len(self._waiting) or BATCH, size, self._scope.most_mails)
            good, self._good = self._good, 0
            opened = self._count_opened()
            grant = self._paces.take(self._scope, self._lease, wanted, tier=tier, woken=woken, good=good, opened=opened)
            if grant.count:
                self._held = True
                if not self._waiting and not self._next(grant):
                    return grant
                self._send([self._waiting.popleft() for _ in range(min(grant.count, len(self._waiting)))])
                size = BATCH
                if self._last.throttled or (self._last.lost and not self._last.good):
                    return Grant(0, "throttled" if self._last.throttled else "lost", self._scope.key)
                if grant.queued and grant.room:
                    # What has been learned since allows one more at the backlog.
                    self._wake(tier)
            elif not self._held or grant.limit not in ("rate", "connects") or grant.wait > HOLD_SECONDS:
                return grant
            else:
                pause.wait(grant.wait)
            if not self._waiting and (clock.monotonic() > until or self._slots.all_busy):
                return grant

    def _hand_over(self) -> bool:
        """Whether another thread at work here goes on with what waits."""
        if not self._slots.hand_over(self._scope.key, list(self._waiting)):
            return False
        self._waiting.clear()
        return True

    def _next(self, grant: Grant) -> int:
        """The next mail, claimed: of what is parked and of what is offered by turns. 0 when nobody waits."""
        self._parked_next = not self._parked_next
        if grant.queued and self._parked_next:
            return self._fetch(grant) or self._take_over(grant)
        return self._take_over(grant) or self._fetch(grant)

    def _take_over(self, grant: Grant) -> int:
        offered = self._slots.take_over(self._scope.key, grant.count)
        self._waiting.extend(offered)
        self._unused += max(0, grant.count - len(offered)) if offered else 0
        return len(offered)

    def _fetch(self, grant: Grant) -> int:
        """The next parked mail, claimed; answers how many. None means that nobody waits."""
        count = grant.count
        if not grant.queued:
            self._unused, self._drained = self._unused + count, grant.mark
            return 0
        with transaction() as connection:
            woken = parking.wake(connection, self._scope.key, count)
            since = clock.monotonic()
            ids = parking.ids_of(woken)
            claimed = delivery.claim(connection, ids, OWNER, self._settings.lease_seconds) if ids else []
        self._leases.hold((each.id for each in claimed), since)
        self._waiting.extend(claimed)
        self._unused += count - len(claimed)
        self._drained = None if woken else grant.mark
        return len(claimed)

    def _count_opened(self) -> int:
        """Connections opened since the last call that nobody was told of."""
        opened, self._opened = max(self._opened, 0), min(self._opened, 0)
        return opened

    def _send(self, chunk: Sequence[Claimed]) -> None:
        """A mark for what came of it."""
        outcomes: list[Outcome] = []
        self._sending, since = chunk, clock.monotonic()
        for group in by_path(chunk):
            outcomes += Round(self._settings, self._leases, self._targets, group).run()
        self._leases.drop(each.id for each in chunk)
        self._opened += self._targets.count_opened()
        self._sending = ()
        self._slots.progress(self._scope.key, since)
        self._last = marks_of(outcomes)
        if self._automations.watch(self._scope, outcomes):
            self._last = replace(self._last, throttled=True)
        self._good += self._last.good
        self._bad += self._last.bad
        self._lost += self._last.lost

    def _give_back(self) -> None:
        """The lease, with what was learned. An idle connection keeps it when there is room, or is closed first."""
        feedback = Feedback(
            good=self._good,
            bad=self._bad,
            crowded=self._last.crowded,
            throttled=self._last.throttled,
            unused=self._unused,
            lost=self._lost,
            opened=self._count_opened(),
        )
        keep = self._scope.idle_seconds if self._drained is not None else 0.0
        if not keep:
            self._targets.part(self._scope)
        kept, queued = self._paces.finish(self._scope, self._lease, feedback, keep_seconds=keep, drained=self._drained)
        if kept:
            self._slots.keep(self._scope.key, self._lease, keep)
        elif keep:
            self._targets.part(self._scope)
            self._paces.finish(self._scope, self._lease, Feedback())
        # Who was refused while this lease was held may have parked since it last looked.
        if queued:
            self._drained = None

    def _wake(self, tier: int) -> None:
        """A ticket for what is parked and can go now, through the queue: others get their turn before it."""
        if not self._paces.room(self._scope, tier=tier):
            return
        with transaction() as connection:
            woken = parking.wake(connection, self._scope.key, BATCH, up_to=0 if tier == 0 else len(TIERS))
        tickets.leave_together(woken, self._scope.key)

    def _park(self, refused: Grant) -> None:
        """Whoever frees a slot wakes them; where the rate, or a rest, is what they wait for, the clock does."""
        waiting, scale = list(self._waiting), self._settings.time_scale
        tier = waiting[0].row.tier
        first, step = self._paces.park(self._scope, len(waiting), tier=tier)
        by_clock = refused.limit in ("rate", "connects", "rest", "suspended") or step > HOLD_SECONDS
        first = max(first, refused.wait) if by_clock else max(first, 0.0) + parking.NET_SECONDS / scale
        note = note_of(refused.limit, self._scope.name, refused.used, refused.most)
        old = [each for each in waiting if self._is_old(each)]
        young = [each for each in waiting if each not in old] if old else waiting
        waits = [first + step * place for place in range(len(young))]
        with transaction() as connection:
            parking.park(connection, young, self._scope.key, note, waits, woken=not by_clock)
            if old:
                refusal = Outcome("deferred", "pace", None, "4.4.5", note, "throttled")
                delivery.record(connection, self._settings, [(each, refusal) for each in old], clock.now())
        self._waiting.clear()
        self._leases.drop(each.id for each in waiting)
        self._paces.mark_parked(self._scope)
        if not by_clock and refused.limit != "share":
            self._wake(tier)

    def _is_old(self, claimed: Claimed) -> bool:
        age = (clock.now() - claimed.row.created_at).total_seconds() * self._settings.time_scale
        return bool(age > PATIENCE)


def _most_threads() -> int:
    """How many threads of a process one scope may have: a quarter stays for others."""
    return max(1, threads() - max(1, threads() // 4))


def by_path(claimed: Sequence[Claimed]) -> list[list[Claimed]]:
    """Groups of one path and one demand of TLS each, in order. A path bears its source's name, which two accounts may
    have given alike."""
    groups: dict[tuple[UUID | None, str, str], list[Claimed]] = {}
    for each in claimed:
        groups.setdefault((each.row.source_id, each.row.path or "", each.row.tls or ""), []).append(each)
    return list(groups.values())
