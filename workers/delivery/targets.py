"""Sending a path's mail over as few connections as it takes, whatever happens to them.

Never here: SQL, which addresses those are (ways.py), or what a reply means.
"""

import atexit
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

import structlog
from sqlalchemy.exc import SQLAlchemyError

from common import clock
from common.config import Settings
from common.db.session import transaction
from common.domain.outcomes import Outcome
from common.domain.pacing import is_throttle
from common.pacing import Scope
from common.services import tls_results
from common.services.delivery import Claimed
from workers.delivery.judging import Judging
from workers.delivery.learning import Learning
from workers.delivery.mx import Verdict
from workers.delivery.sessions import Sessions
from workers.delivery.smtp import ConnectFailed, Mail, Target
from workers.delivery.tls import TlsRecords
from workers.delivery.ways import Ways, says_tls_optional

log = structlog.get_logger()

SINK_EXCUSES = 15
MOST_SESSIONS = 2
"""Sessions that got past EHLO, for one attempt: a domain with many hosts must not hold a worker for hours."""

FLUSH_SECONDS = 30.0
LEAST_WAIT, MOST_WAIT, PATIENCE = 30.0, 1800.0, 86_400.0
"""While DNS gives no clear answer nothing is attempted: seconds until the next look, a tenth of the message's
age within these bounds, for a day; from then on each look counts as an attempt, so that it ends."""

_STAGES = ("dns", "connect", "banner", "ehlo", "tls", "auth")

Sent = list[tuple[Mail, Outcome]]
MayFinish = Callable[[Mail], bool]


class Targets:
    """Shared by every delivery thread of a process."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._records = TlsRecords(settings)
        self._sessions = Sessions(memory=self._records)
        self._learning = Learning(settings)
        self._ways = Ways(settings, learning=self._learning)
        self._judging = Judging()
        self._opened = threading.local()
        self._flushed = clock.monotonic()
        atexit.register(self.flush)

    def send(self, sample: Claimed, mails: Sequence[Mail], may_finish: MayFinish) -> Sent:
        """Send mails of one path; one outcome each. A connection that ends early is replaced while it helps."""
        optional = [mail for mail in mails if says_tls_optional(mail.content)]
        strict = [mail for mail in mails if mail not in optional] if optional else mails
        done = self._send_alike(sample, strict, may_finish, optional=False)
        if optional:
            done += self._send_alike(sample, optional, may_finish, optional=True)
        self._flush_now_and_then()
        judged = [(mail, self._judging.settle(outcome)) for mail, outcome in done]
        self._mark(sample, [outcome for _, outcome in judged])
        return judged

    def _mark(self, sample: Claimed, outcomes: Sequence[Outcome]) -> None:
        """Remember for routing how the path did."""
        provider = next((outcome.provider for outcome in outcomes if outcome.provider), None)
        place = self._ways.place_of(sample.row.source_id, sample.row.recipient_domain, provider)
        if place is not None:
            self._learning.mark(sample.row.source_id, place, outcomes)

    def scope_of(self, sample: Claimed) -> Scope | None:
        """What mail like this is paced by; None when it is not."""
        return self._ways.scope_of(sample.row.source_id, sample.row.recipient_domain)

    def count_opened(self) -> int:
        """Connections that this thread has opened, or tried to, since it last asked."""
        found: int = getattr(self._opened, "count", 0)
        self._opened.count = 0
        return found

    def part(self, scope: Scope) -> None:
        """Close an idle connection that its lease no longer covers."""
        self._sessions.close_one(scope.source, scope.place)

    def _send_alike(self, sample: Claimed, mails: Sequence[Mail], may_finish: MayFinish, *, optional: bool) -> Sent:
        if not mails:
            return []
        try:
            targets = self._targets(sample, optional)
        except Verdict as verdict:
            outcome = self._excuse_question(sample, verdict)
            return [(mail, outcome) for mail in mails]
        done: Sent = []
        waiting = list(mails)
        while waiting:
            try:
                results = self._over_one_connection(targets, waiting, may_finish)
            except ConnectFailed as problem:
                outcome = self._excuse(sample, problem.outcome)
                # Turned away for being too much, the others have not been tried.
                others = replace(outcome, kind="untried") if is_throttle(outcome) else outcome
                return [*done, (waiting[0], outcome), *((mail, others) for mail in waiting[1:])]
            settled = [(mail, outcome) for mail, outcome in results if outcome.kind != "untried"]
            done += settled
            if not settled:
                return done + results
            left = {mail.id for mail, outcome in results if outcome.kind == "untried"}
            waiting = [mail for mail in waiting if mail.id in left]
        return done

    def _over_one_connection(self, targets: Sequence[Target], mails: Sequence[Mail], may_finish: MayFinish) -> Sent:
        """Over an idle connection to any of these, else over the first that can be opened. Raises ConnectFailed."""
        for target in targets:
            while (connection := self._sessions.take_idle(target)) is not None:
                results = connection.send(mails, may_finish)
                self._sessions.give_back(connection)
                if connection.usable or any(outcome.kind != "untried" for _, outcome in results):
                    return results
                if not may_finish(mails[0]):
                    return results
                # The server had closed it meanwhile; nothing was said over it.
        return self._over_a_new_connection(targets, mails, may_finish)

    def _over_a_new_connection(self, targets: Sequence[Target], mails: Sequence[Mail], may_finish: MayFinish) -> Sent:
        problems: list[ConnectFailed] = []
        turned_away: Sent = []
        sessions = 0
        for target in targets:
            if sessions >= MOST_SESSIONS:
                break
            self._opened.count = getattr(self._opened, "count", 0) + 1
            try:
                connection = self._sessions.take(target)
            except ConnectFailed as problem:
                problems.append(problem)
                sessions += problem.greeted
                continue
            sessions += 1
            results = connection.send(mails, may_finish)
            self._sessions.give_back(connection)
            if not _turned_away(results):
                return results
            turned_away = turned_away or results
        if turned_away:
            return turned_away
        raise _most_telling(problems)

    def _excuse(self, sample: Claimed, outcome: Outcome) -> Outcome:
        """A sink is ours: while it is being restarted, not reaching it is no attempt, a few times."""
        free = int(sample.row.lease_epoch) - int(sample.row.attempt_no) <= SINK_EXCUSES
        if outcome.stage == "connect" and free and self._ways.is_sink(sample.row.source_id):
            return replace(outcome, kind="untried")
        return outcome

    def _excuse_question(self, sample: Claimed, verdict: Verdict) -> Outcome:
        """An unanswered question to DNS is no attempt, for a day."""
        created: datetime = sample.row.created_at
        age = (clock.now() - created).total_seconds() * self._settings.time_scale
        if not verdict.question or age > PATIENCE:
            return verdict.outcome
        wait = min(max(age / 10, LEAST_WAIT), MOST_WAIT)
        return replace(verdict.outcome, kind="untried", wait_seconds=wait)

    def _targets(self, sample: Claimed, optional: bool) -> Sequence[Target]:
        """Where to, in order. Raises Verdict."""
        row = sample.row
        return self._ways.targets(row.source_id, row.recipient_domain, optional=optional, least=row.tls)

    def _flush_now_and_then(self) -> None:
        if clock.monotonic() - self._flushed >= FLUSH_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Write down how TLS went since the last time."""
        self._flushed = clock.monotonic()
        counted = self._records.take()
        if not counted:
            return
        try:
            with transaction() as connection:
                tls_results.add(connection, counted)
        except SQLAlchemyError as error:
            self._records.give_back(counted)
            log.warning("tls_results_not_written", error=type(error).__name__)


def _turned_away(results: Sent) -> bool:
    """A 421 before any mail was taken: the next host may take them (line 18)."""
    (_, first), rest = results[0], results[1:]
    before = first.kind == "deferred" and first.code == 421 and first.stage in ("mail", "rcpt", "data")
    return before and all(outcome.kind == "untried" for _, outcome in rest)


def _most_telling(problems: Sequence[ConnectFailed]) -> ConnectFailed:
    """Of the addresses that failed the one that got furthest, with what happened at all of them."""
    best = max(problems, key=lambda problem: (_STAGES.index(problem.outcome.stage), problem.outcome.code is not None))
    lines = tuple(line for problem in problems for line in problem.outcome.transcript)
    return ConnectFailed(replace(best.outcome, transcript=lines[:96]), best.greeted)
