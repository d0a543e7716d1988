"""One path's work: windows of messages, each fenced, sent and recorded; the next fence rides with the record.

Never here: the wire's words (smtp.py) or SQL.
"""

import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from uuid import UUID

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from common import clock, tallies
from common.config import Settings
from common.db.session import transaction
from common.domain.doubts import choice_of
from common.domain.ids import encode_some
from common.domain.outcomes import Outcome
from common.domain.pacing import excused
from common.queueing.app import LONGEST_COUNTDOWN
from common.services import delivery, tickets
from common.services.delivery import Claimed
from common.services.lifecycle import Applied, Change
from workers.delivery.leases import Leases
from workers.delivery.letters import compose
from workers.delivery.smtp import Mail
from workers.delivery.targets import Targets

log = structlog.get_logger()

WINDOW = 16
"""Messages fenced by one statement. A crash inside a window leaves at most so many unknown outcomes
(docs/decisions/0003-fence-windows.md); at most once means a window of one."""

RETRY_SECONDS = 0.3

Result = tuple[Claimed, Outcome]


class Round:
    """The messages of one path that this worker has claimed."""

    def __init__(self, settings: Settings, leases: Leases, targets: Targets, claimed: Sequence[Claimed]) -> None:
        self._settings, self._leases, self._targets = settings, leases, targets
        self._waiting = list(claimed)

    def _next_window(self) -> list[Claimed]:
        """A window, or one message alone when a crash beside others would cost it too much."""
        size = 1 if self._waiting and self._alone(self._waiting[0]) else WINDOW
        stop = next((at for at, each in enumerate(self._waiting[:size]) if at and self._alone(each)), size)
        window, self._waiting = self._waiting[:stop], self._waiting[stop:]
        return window

    def _alone(self, claimed: Claimed) -> bool:
        guarantee = claimed.row.delivery_guarantee or self._settings.delivery_guarantee
        return choice_of(claimed.row.in_doubt, guarantee) != "resend" or claimed.row.unknown_count > 0

    def run(self) -> list[Outcome]:
        """Until every message has an outcome that is written down; answers them."""
        results: list[Result] = []
        outcomes: list[Outcome] = []
        while self._waiting or results:
            mails, unsendable = compose(self._settings, self._next_window())
            outcomes += [outcome for _, outcome in results]
            owned = self._turn(results + unsendable, [claimed for claimed, _ in mails])
            if self._settings.calibration_fault == "early_ack":
                self._acknowledge_early([claimed for claimed, _ in mails])
            results = self._send([(claimed, mail) for claimed, mail in mails if claimed.id in owned])
        return outcomes

    def _turn(self, results: Sequence[Result], upcoming: Sequence[Claimed]) -> Mapping[UUID, float]:
        """Record what was sent and fence what is next, in one transaction; then leave the tickets."""
        since, done, owned = self._write(results, upcoming)
        _tally([outcome for _, outcome in results])
        self._leases.hold_for(owned, since)
        self._leases.drop([claimed.id for claimed, _ in results])
        for change, applied in done:
            if change.delay is not None and change.delay <= LONGEST_COUNTDOWN:
                tickets.leave_countdown([applied.message_id], change.delay)
        tickets.leave_webhooks([applied for _, applied in done])
        return owned

    def _write(
        self, results: Sequence[Result], upcoming: Sequence[Claimed]
    ) -> tuple[float, list[tuple[Change, Applied]], Mapping[UUID, float]]:
        """The transaction of a turn; while the database restarts it is tried again for as long as the leases last."""
        owned: Mapping[UUID, float] = {}
        done: list[tuple[Change, Applied]] = []
        pause = threading.Event()
        while True:
            since = clock.monotonic()
            try:
                with transaction() as connection:
                    if results:
                        written = [(claimed, excused(outcome)) for claimed, outcome in results]
                        done = delivery.record(connection, self._settings, written, clock.now())
                    if upcoming:
                        owned = self._fence(connection, upcoming)
                return since, done, owned
            except SQLAlchemyError as error:
                if not any(self._leases.may_finish(claimed.id) for claimed, _ in results):
                    raise
                log.warning(
                    "outcomes_wait_for_database",
                    error=type(error).__name__,
                    outcomes=len(results),
                    message_ids=encode_some("msg", (claimed.id for claimed, _ in results)),
                )
                pause.wait(RETRY_SECONDS)

    def _fence(self, connection: Connection, upcoming: Sequence[Claimed]) -> Mapping[UUID, float]:
        """Which of `upcoming` may be sent now, and the seconds left of their leases."""
        everything = dict.fromkeys((each.id for each in upcoming), self._settings.lease_seconds)
        if self._settings.calibration_fault == "commit_after_send":
            return everything
        owned = delivery.fence(connection, upcoming, self._settings.lease_seconds)
        return everything if self._settings.calibration_fault == "no_fencing" else owned

    def _acknowledge_early(self, claimed: Sequence[Claimed]) -> None:
        """A calibration fault: delivered is written before anything is sent."""
        promise = Outcome("delivered", "dot", 250, None, "acknowledged before sending", "delivered")
        with transaction() as connection:
            delivery.record(connection, self._settings, [(each, promise) for each in claimed], clock.now())

    def _send(self, mails: Sequence[tuple[Claimed, Mail]]) -> list[Result]:
        """An outcome for each, whatever happens on the wire."""
        if not mails:
            return []
        by_id = {mail.id: claimed for claimed, mail in mails}
        outcomes = self._targets.send(
            mails[0][0], [mail for _, mail in mails], lambda mail: self._leases.may_finish(by_id[mail.id].id)
        )
        return [(by_id[mail.id], outcome) for mail, outcome in outcomes]


def _tally(outcomes: Sequence[Outcome]) -> None:
    if outcomes:
        ends = Counter((outcome.kind, outcome.category) for outcome in outcomes)
        tallies.OWN.count({("sendarix_attempts_total", each): n for each, n in ends.items()})
        tallies.OWN.observe(
            (("sendarix_attempt_seconds", (outcome.kind,)), outcome.duration_ms / 1000) for outcome in outcomes
        )
