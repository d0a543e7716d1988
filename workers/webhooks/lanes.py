"""Lanes: one thread, one endpoint, one post after another; recorded together with the next claim.

A lane goes on while its endpoint has parked deliveries, for two seconds; then it leaves a ticket and lets others
pass. How many threads one endpoint and one account may have is shares.py. Never here: SQL, HTTP.
"""

import threading
from collections import Counter
from collections.abc import Sequence
from uuid import UUID

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from common import clock, tallies
from common.config import Settings
from common.db.session import transaction
from common.domain.ids import new_id
from common.domain.traceparents import passed_on
from common.services import webhook_due, webhook_records, webhooks
from common.services.webhook_records import Posted, Result
from common.services.webhooks import Claimed, Posting
from workers.webhooks.sender import Endpoint, Sender
from workers.webhooks.shares import Shares

log = structlog.get_logger()

SLICE_SECONDS = 2.0
LATEST_START_SECONDS = 10.0
RETRY_SECONDS = 0.3


class Lanes:
    """The lanes of this process. `slow` is the line for endpoints that take long."""

    def __init__(self, settings: Settings, sender: Sender, *, slow: bool = False) -> None:
        self._settings, self._sender, self._slow = settings, sender, slow
        self._shares = Shares()

    def dispatch(self, ids: Sequence[UUID]) -> None:
        """Post the deliveries of a ticket. Those of other endpoints than its first get tickets of their own."""
        with transaction() as connection:
            groups = webhooks.group(connection, ids)
        for other in list(groups)[1:]:
            webhook_due.leave(groups[other], other)
        if groups:
            webhook_id = next(iter(groups))
            self._run(webhook_id, groups[webhook_id])

    def drain(self, webhook_ids: Sequence[UUID]) -> None:
        """Post what is parked for webhooks that have room."""
        for webhook_id in webhook_ids:
            self._run(webhook_id, None)

    def _run(self, webhook_id: UUID, ids: Sequence[UUID] | None) -> None:
        """One lane, from the claim of `ids`, or of parked ones, until nothing is parked or its time is over."""
        fits, full = self._shares.enter(webhook_id)
        again: set[UUID] = set()
        try:
            again = self._work(webhook_id, ids, full if fits else {*full, webhook_id})
        finally:
            if fits:
                again |= self._shares.leave(webhook_id)
            webhook_due.leave_parked(again, slow=self._slow)

    def _work(self, webhook_id: UUID, ids: Sequence[UUID] | None, full: set[UUID]) -> set[UUID]:
        """The lane's work; answers the webhooks that have to be looked at again."""
        lane, until = new_id(), clock.monotonic() + SLICE_SECONDS
        with transaction() as connection:
            claimed = self._claim(connection, webhook_id, ids, lane, full)
        if not claimed.postings:
            webhook_due.leave_parked(claimed.slow, slow=True)
            looks_again = claimed.refused_by and self._shares.refused(webhook_id, claimed.refused_by)
            return {webhook_id} if looks_again else set()
        account_id, goes_on = claimed.postings[0].endpoint.account_id, True
        self._shares.join(account_id)
        again: set[UUID] = set()
        try:
            while claimed.postings:
                results, rest = self._post_all(claimed.postings)
                goes_on = clock.monotonic() < until
                claimed = self._turn(lane, webhook_id, results, rest, goes_on)
        finally:
            again = self._shares.leave(account_id)
        webhook_due.leave_parked(claimed.slow, slow=True)
        return again if goes_on else {*again, webhook_id}

    def _claim(
        self, connection: Connection, webhook_id: UUID, ids: Sequence[UUID] | None, lane: UUID, full: set[UUID]
    ) -> Claimed:
        if ids is None:
            return webhooks.drain(connection, [webhook_id], lane, full=full, slow_line=self._slow)
        return webhooks.claim(connection, webhook_id, ids, lane, full=full, slow_line=self._slow)

    def _post_all(self, postings: Sequence[Posting]) -> tuple[list[Result], list[Posting]]:
        """Results, and what was not posted: after an endpoint could not be reached, or when time is up."""
        results: list[Result] = []
        latest = clock.monotonic() + LATEST_START_SECONDS
        for at, posting in enumerate(postings):
            results.append((posting, self._post(posting)))
            unreachable = not results[-1][1].ok and results[-1][1].status is None
            if unreachable or clock.monotonic() > latest:
                return results, list(postings[at + 1 :])
        return results, []

    def _post(self, posting: Posting) -> Posted:
        own = posting.endpoint
        endpoint = Endpoint(own.id, own.url, own.secrets, own.key, own.headers, own.plain)
        extra = {"sendarix-delivery-id": posting.public_id, "sendarix-attempt": str(posting.attempt)}
        if posting.replayed:
            extra["sendarix-replay"] = "1"
        if posting.traceparent is not None:
            extra["traceparent"] = passed_on(posting.traceparent, posting.id, posting.attempt)
        started_at = clock.now()
        found = self._sender.post(endpoint, posting.webhook_id, posting.body, extra)
        times = found.timings
        return Posted(
            found.ok, started_at, found.status, found.error, found.response, found.retry_after, found.ip,
            times.dns, times.connect, times.tls, times.first_byte, times.total,
        )  # fmt: skip

    def _turn(
        self, lane: UUID, webhook_id: UUID, results: Sequence[Result], rest: Sequence[Posting], goes_on: bool
    ) -> Claimed:
        """Record, and claim what is next, in one transaction; tried again while the database is away."""
        _tally([posted for _, posted in results])
        deadline = clock.monotonic() + LATEST_START_SECONDS
        while True:
            try:
                with transaction() as connection:
                    webhook_records.record(connection, self._settings, results)
                    webhooks.release(connection, rest)
                    if not goes_on:
                        return Claimed()
                    return webhooks.drain(connection, [webhook_id], lane, slow_line=self._slow)
            except SQLAlchemyError as error:
                if clock.monotonic() > deadline:
                    raise
                log.warning("webhook_outcomes_wait_for_database", outcomes=len(results), error=type(error).__name__)
                threading.Event().wait(RETRY_SECONDS)


def _tally(posts: Sequence[Posted]) -> None:
    if posts:
        answers = Counter(each.error or "none" if each.status is None else f"{each.status // 100}xx" for each in posts)
        tallies.OWN.count({("sendarix_webhook_posts_total", (answer,)): n for answer, n in answers.items()})
        tallies.OWN.observe((("sendarix_webhook_post_seconds", ()), (each.total_ms or 0.0) / 1000) for each in posts)
