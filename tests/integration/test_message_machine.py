"""Any order of events a fleet can produce leaves every invariant of docs/lifecycle.md true.

A real PostgreSQL; the far end of the wire is an Outcome.
"""

import os
import uuid
from typing import Any

import hypothesis.strategies as st
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from common import clock
from common.config import current_settings
from common.db.session import rows, transaction
from common.domain.doubts import CHOICES
from common.domain.errors import NotCancellable
from common.domain.lifecycle import ENDED, may_follow
from common.domain.outcomes import Outcome
from common.services import delivery, due, messages, resolving, routing
from tests.builders import Account, an_account, some_messages

KINDS = ("delivered", "deferred", "bounced", "unknown", "untried")


def an_outcome(kind: str) -> Outcome:
    return Outcome(
        kind=kind,  # type: ignore[arg-type]
        stage="dot",
        code={"delivered": 250, "deferred": 451, "bounced": 550}.get(kind),
        enhanced=None,
        reply="said so",
        category={"bounced": "policy"}.get(kind, kind),
        mx="mx.example.net",
        ip="127.0.0.1",
        tls=None,
        duration_ms=1,
        transcript=(),
    )


class MessageMachine(RuleBasedStateMachine):
    account: Account

    @initialize(guarantee=st.sampled_from([None, "at_least_once", "at_most_once"]))
    def begin(self, guarantee: str | None) -> None:
        self.account = an_account(guarantee=guarantee)
        self.ids: list[uuid.UUID] = []
        self.held: list[delivery.Claimed] = []
        self.seen: dict[uuid.UUID, str] = {}

    def mine(self, sql: str) -> list[Any]:
        with transaction() as connection:
            return rows(connection, sql, self.account.id)

    def touch(self, column: str) -> None:
        """Let time pass for one column of every message of this account."""
        with transaction() as connection:
            connection.exec_driver_sql(
                f"UPDATE messages SET {column} = now() - interval '1 s' WHERE account_id = %s AND {column} > now()",
                (self.account.id,),
            )

    @rule(count=st.integers(1, 3), scheduled=st.booleans(), ttl=st.sampled_from([None, 3600]))
    def accept(self, count: int, scheduled: bool, ttl: int | None) -> None:
        fields: dict[str, Any] = {"ttl": ttl} if ttl else {}
        if scheduled:
            fields["scheduled_time"] = clock.now() + clock.compress(60, 1)
        with transaction() as connection:
            self.ids += some_messages(connection, self.account, count, **fields)

    @rule()
    def time_passes(self) -> None:
        with transaction() as connection:
            connection.exec_driver_sql(
                "UPDATE messages SET next_attempt_at = now() - interval '1 s', scheduled_time = CASE WHEN "
                "scheduled_time IS NULL THEN NULL ELSE now() - interval '2 s' END WHERE account_id = %s "
                "AND status IN ('scheduled', 'queued', 'accepted', 'deferred') AND lease_until IS NULL",
                (self.account.id,),
            )

    @rule()
    def lives_end(self) -> None:
        with transaction() as connection:
            connection.exec_driver_sql(
                "UPDATE messages SET expires_at = now() WHERE account_id = %s AND expires_at IS NOT NULL "
                "AND status IN ('scheduled', 'queued', 'accepted', 'deferred') AND lease_until IS NULL "
                "AND NOT EXISTS (SELECT FROM attempts a WHERE a.message_id = messages.id)",
                (self.account.id,),
            )

    @rule()
    def route(self) -> None:
        with transaction() as connection:
            routing.route(connection, self.ids)

    @rule(owner=st.integers(1, 3))
    def claim(self, owner: int) -> None:
        with transaction() as connection:
            self.held += delivery.claim(connection, self.ids, uuid.UUID(int=owner), 15)

    @rule()
    def fence(self) -> None:
        with transaction() as connection:
            owned = delivery.fence(connection, self.held, 15)
        assert owned.keys() <= {each.id for each in self.held}

    @rule(data=st.data())
    def record(self, data: st.DataObject) -> None:
        results = [(each, an_outcome(data.draw(st.sampled_from(KINDS)))) for each in self.held]
        with transaction() as connection:
            delivery.record(connection, current_settings(), results, clock.now())
        self.held = []

    @rule(data=st.data(), rounds=st.integers(1, 4))
    def whole_rounds_pass(self, data: st.DataObject, rounds: int) -> None:
        """The usual order, so that exploration reaches exhausted retries and third unknown outcomes."""
        for _ in range(rounds):
            self.time_passes()
            self.sweep()
            self.route()
            self.claim(1)
            self.fence()
            self.record(data)

    @rule()
    def workers_die(self) -> None:
        self.touch("lease_until")
        with transaction() as connection:
            due.rescue(connection, current_settings())

    @rule()
    def sweep(self) -> None:
        with transaction() as connection:
            resolving.lapse(connection)
            due.expire(connection)
            due.release_scheduled(connection)
            due.arm(connection)
            due.sweep(connection, {})

    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        if not self.ids:
            return
        chosen = data.draw(st.sampled_from(self.ids))
        with transaction() as connection:
            (answer,), _ = messages.cancel(connection, self.account.principal, [chosen])
        state = self.mine(f"SELECT status FROM messages WHERE account_id = %s AND id = '{chosen}'")[0].status
        assert (state == "cancelled") == (not isinstance(answer, NotCancellable))

    @rule(choice=st.sampled_from([None, *CHOICES]))
    def a_policy_is_stamped(self, choice: str | None) -> None:
        with transaction() as connection:
            connection.exec_driver_sql(
                "UPDATE messages SET in_doubt = %s WHERE account_id = %s AND status = 'queued'",
                (choice, self.account.id),
            )

    @rule(choice=st.sampled_from(CHOICES))
    def somebody_decides(self, choice: str) -> None:
        wish = resolving.Wish(choice, "a test")
        with transaction() as connection:
            found = resolving.resolve(connection, current_settings(), self.account.principal, self.ids, wish)
        assert len(found.applied) == sum(each is None for each in found.answers)

    @rule(data=st.data())
    def suppress(self, data: st.DataObject) -> None:
        number = data.draw(st.integers(0, 2))
        with transaction() as connection:
            connection.exec_driver_sql(
                "INSERT INTO suppressions (id, account_id, recipient, recipient_key, reason) "
                "VALUES (uuidv7(), %s, %s, %s, 'manual') ON CONFLICT DO NOTHING",
                (self.account.id, f"user{number}@example.net", f"user{number}@example.net"),
            )

    @rule()
    def forgive(self) -> None:
        with transaction() as connection:
            connection.exec_driver_sql("DELETE FROM suppressions WHERE account_id = %s", (self.account.id,))

    @invariant()
    def nothing_is_violated(self) -> None:
        if not hasattr(self, "ids"):
            return
        broken = self.mine(
            "SELECT v.* FROM invariant_violations v JOIN messages m ON m.id = v.message_id WHERE m.account_id = %s"
        )
        assert broken == []

    @invariant()
    def only_drawn_arrows_are_taken(self) -> None:
        if not hasattr(self, "ids"):
            return
        for row in self.mine("SELECT id, status, lease_until FROM messages WHERE account_id = %s"):
            before = self.seen.get(row.id, row.status)
            if before in ENDED:
                assert row.status == before or may_follow(before, row.status)
                assert row.lease_until is None
            self.seen[row.id] = row.status

    @invariant()
    def nothing_accepted_is_missing(self) -> None:
        if hasattr(self, "ids"):
            assert len(self.mine("SELECT id FROM messages WHERE account_id = %s")) == len(self.ids)


def test_an_invariant_breaks_under_some_order_of_events(engines: object) -> None:
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        MessageMachine,
        settings=settings(
            max_examples=int(os.environ.get("SENDARIX_TEST_EXAMPLES", "60")),
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
