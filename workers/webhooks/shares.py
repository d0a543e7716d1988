"""Shares of this process's threads: one endpoint at most a quarter, one account at most half.

Whoever is refused parks its deliveries and is remembered, so that the thread that makes room sees to them: nothing
waits for a sweep because two threads passed each other. Never here: what a thread does.
"""

import threading
from collections import Counter
from collections.abc import Collection
from uuid import UUID

THREADS = 16
"""Of a webhooks line in the Procfile."""

OF_ENDPOINT, OF_ACCOUNT = THREADS // 4, THREADS // 2


class Shares:
    """Counts threads by webhook and by account."""

    def __init__(self) -> None:
        self._endpoints: Counter[UUID] = Counter()
        self._accounts: Counter[UUID] = Counter()
        self._refused: dict[UUID, set[UUID]] = {}
        self._lock = threading.Lock()

    def enter(self, webhook_id: UUID) -> tuple[bool, set[UUID]]:
        """Whether a thread may work for an endpoint, and the accounts that have their share already."""
        with self._lock:
            fits = self._endpoints[webhook_id] < OF_ENDPOINT
            self._endpoints[webhook_id] += fits
            return fits, {each for each, count in self._accounts.items() if count >= OF_ACCOUNT}

    def join(self, account_id: UUID) -> None:
        """Count a thread of an account."""
        with self._lock:
            self._accounts[account_id] += 1

    def leave(self, owner: UUID) -> set[UUID]:
        """A thread is done for a webhook or an account; answers the webhooks that were refused for its sake."""
        with self._lock:
            for counter in (self._endpoints, self._accounts):
                if owner in counter:
                    counter[owner] -= 1
                    if not counter[owner]:
                        del counter[owner]
            return self._refused.pop(owner, set())

    def refused(self, webhook_id: UUID, owners: Collection[UUID]) -> bool:
        """After its deliveries were parked because `owners` have their share: whether there is room by now.

        If not, whoever leaves will be told.
        """
        with self._lock:
            for owner in owners:
                if self._endpoints[owner] >= OF_ENDPOINT or self._accounts[owner] >= OF_ACCOUNT:
                    self._refused.setdefault(owner, set()).add(webhook_id)
                    return False
            return True
