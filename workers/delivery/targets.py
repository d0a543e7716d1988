"""Where a path's mail goes: the source's host or the recipient's MX, and the sending over it.

Never here: SQL or what a reply means.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from uuid import UUID

from common.caching import Remembered
from common.config import Settings
from common.db.session import transaction
from common.domain.outcomes import Outcome
from common.services import sources
from common.services.delivery import Claimed
from common.services.sources import Exit
from workers.delivery.mx import Verdict, find_hosts
from workers.delivery.sessions import Sessions
from workers.delivery.smtp import ConnectFailed, Mail, Target
from workers.egress import read_networks
from workers.resolver import Resolver

SINK_EXCUSES = 15

Sent = list[tuple[Mail, Outcome]]


class Targets:
    """Shared by every delivery thread of a process."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._sessions = Sessions()
        self._resolver: Resolver | None = None
        self._allowed = read_networks(settings.egress_allow)
        self._exits: Remembered[UUID, Exit | None] = Remembered()

    def send(self, sample: Claimed, mails: Sequence[Mail], may_finish: Callable[[Mail], bool]) -> Sent:
        """Send mails of one path; one outcome each. A connection that ends early is replaced while it helps."""
        try:
            targets = list(self._targets(sample))
        except Verdict as verdict:
            return [(mail, verdict.outcome) for mail in mails]
        done: Sent = []
        waiting = list(mails)
        while waiting:
            try:
                results = self._over_one_connection(targets, waiting, may_finish)
            except ConnectFailed as problem:
                outcome = self._excuse(sample, problem.outcome)
                return done + [(mail, outcome) for mail in waiting]
            settled = [(mail, outcome) for mail, outcome in results if outcome.kind != "untried"]
            left = [mail for mail, outcome in results if outcome.kind == "untried"]
            done += settled
            if not settled:
                untried = {mail.id: outcome for mail, outcome in results}
                return done + [(mail, untried[mail.id]) for mail in left]
            waiting = left
        return done

    def _over_one_connection(
        self, targets: Sequence[Target], mails: Sequence[Mail], may_finish: Callable[[Mail], bool]
    ) -> Sent:
        problem: ConnectFailed | None = None
        for target in targets:
            try:
                connection = self._sessions.take(target)
            except ConnectFailed as error:
                problem = error
                continue
            results = connection.send(mails, may_finish)
            stale = not connection.usable and all(outcome.kind == "untried" for _, outcome in results)
            self._sessions.give_back(target, connection)
            if stale and connection.sent_count:
                # An idle connection that the server had closed meanwhile; nothing was said over it.
                return self._over_one_connection(targets, mails, may_finish)
            return results
        assert problem is not None
        raise problem

    def _excuse(self, sample: Claimed, outcome: Outcome) -> Outcome:
        """A sink is ours: while it is being restarted, not reaching it is no attempt, a few times."""
        way = self._exit(sample.row.source_id)
        free = int(sample.row.lease_epoch) - int(sample.row.attempt_no) <= SINK_EXCUSES
        if way is not None and way.kind == "sink" and outcome.stage == "connect" and free:
            return replace(outcome, kind="untried")
        return outcome

    def _targets(self, sample: Claimed) -> Iterator[Target]:
        way = self._exit(sample.row.source_id)
        if way is None:
            raise Verdict("deferred", None, "4.3.5", "the source of this message is gone or disabled", "policy")
        if way.kind != "direct":
            yield Target(
                way.host or "127.0.0.1",
                way.port or 25,
                tls=way.tls,
                username=way.username,
                password=way.password,
                ehlo_name=way.ehlo_name or self._settings.ehlo_name,
                key=str(way.id),
            )
            return
        if self._resolver is None:
            self._resolver = Resolver(self._settings)
        for host in find_hosts(self._resolver, sample.row.recipient_domain, self._allowed):
            yield Target(
                host.name,
                self._settings.smtp_remote_port,
                host.ips,
                tls=way.tls,
                ehlo_name=way.ehlo_name or self._settings.ehlo_name,
                key=str(way.id),
            )

    def _exit(self, source_id: UUID) -> Exit | None:
        def load() -> Exit | None:
            with transaction() as connection:
                return sources.get(connection, source_id)

        return self._exits.get(source_id, load)
