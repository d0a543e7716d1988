"""Order within a tier: first come, first served for each account, bounded inversion for many workers, and turns
between accounts, so that nobody's flood delays another's few messages.
"""

import random
import threading
import uuid
from collections import deque
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

import pytest

from common import clock
from common.config import current_settings
from common.db.session import rows, transaction
from common.domain.tiers import TIERS
from common.queueing import publisher, queues, tasks
from common.services import turns, writing
from tests.builders import Account, a_draft, an_account
from tests.fakes.mailbox import Running
from workers.delivery import tasks as delivery
from workers.routing import tasks as routing

pytestmark = pytest.mark.usefixtures("database")

Ticket = tuple[str, list[str]]


class Office:
    """The queues as lists, and workers on them: a model of the broker, with the workers' own code."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.queues: dict[str, deque[Ticket]] = {name: deque() for name in queues.ALL}
        self._lock = threading.Lock()
        self.order: list[uuid.UUID] = []
        monkeypatch.setattr(publisher, "leave", self._leave)
        monkeypatch.setattr(turns, "WAITED_SECONDS", 0.0)
        monkeypatch.setattr(routing, "_turns", turns.Turns("routing"))
        monkeypatch.setattr(delivery, "_turns", turns.Turns("delivery"))

    def _leave(self, task: str, queue: str, ids: Sequence[uuid.UUID], **_: Any) -> None:
        texts, size = [str(each) for each in ids], current_settings().ticket_size
        with self._lock:
            for at in range(0, len(texts), size):
                self.queues[queue].append((task, texts[at : at + size]))

    def work(self, stage: str) -> bool:
        """One ticket of the highest tier that has any; False when nothing is left."""
        with self._lock:
            names = [f"{stage}.{tier}" for tier in TIERS if self.queues[f"{stage}.{tier}"]]
            if not names:
                return False
            task, ids = self.queues[names[0]].popleft()
        function = routing.route_messages if task == tasks.ROUTE_MESSAGES else delivery.deliver_messages
        function.run(ids)
        return True


@pytest.fixture
def mailbox() -> Iterator[Running]:
    found = Running()
    yield found
    found.stop()


@pytest.fixture
def office(monkeypatch: pytest.MonkeyPatch) -> Office:
    return Office(monkeypatch)


def flood(account: Account, count: int, **fields: Any) -> list[uuid.UUID]:
    drafts = [a_draft(account, f"u{number}@example.net", **fields) for number in range(count)]
    for at in range(0, count, 100):
        part = drafts[at : at + 100]
        with transaction() as connection:
            written = writing.write(connection, current_settings(), part)
        writing.leave_tickets(part, written)
    return [draft.id for draft in drafts]


def attempted() -> list[uuid.UUID]:
    """In the order in which they were first claimed."""
    with transaction() as connection:
        found = rows(connection, "SELECT message_id FROM attempts ORDER BY started_at, message_id")
    return [row.message_id for row in found]


def test_ten_messages_wait_behind_a_flood(office: Office, mailbox: Running) -> None:
    """A few thousand of one account are queued up; another's ten go with the next tickets of each stage."""
    big, small = an_account(sink_port=mailbox.port), an_account(sink_port=mailbox.port)
    flood(big, 2000)
    few = flood(small, 10)
    office.work("routing")
    with transaction() as connection:
        states = {row.status for row in rows(connection, "SELECT status FROM messages WHERE id = ANY(%s)", few)}
    assert states == {"accepted"}, "they wait for the routing of the flood"
    office.work("delivery")
    assert set(few) <= set(attempted()), "they wait for the delivery of the flood"
    with transaction() as connection:
        assert rows(connection, "SELECT count(*) AS n FROM messages WHERE status = 'delivered'")[0].n <= 250


def test_an_account_that_came_first_gets_more_than_its_half(office: Office) -> None:
    first, second = an_account(), an_account()
    flood(first, 1000)
    flood(second, 1000)
    for _ in range(5):
        office.work("routing")
    with transaction() as connection:
        found = rows(connection, "SELECT account_id, count(*) AS n FROM messages WHERE status = 'accepted' GROUP BY 1")
    assert {row.account_id: row.n for row in found} == {first.id: 500, second.id: 500}


def test_one_of_many_accounts_never_has_its_turn(office: Office) -> None:
    flood(an_account(), 1500)
    others = [an_account() for _ in range(5)]
    for each in others:
        flood(each, 120)
    for _ in range(10):
        office.work("routing")
    with transaction() as connection:
        found = rows(connection, "SELECT account_id FROM messages WHERE status = 'queued' GROUP BY 1")
    assert not {row.account_id for row in found} & {each.id for each in others}


def test_turns_leave_something_over(office: Office) -> None:
    accounts = [an_account() for _ in range(3)]
    for each in accounts:
        flood(each, 250)
    while office.work("routing"):
        pass
    with transaction() as connection:
        assert not rows(connection, "SELECT FROM messages WHERE status = 'queued'")
        assert not rows(connection, "SELECT * FROM invariant_violations")


def test_one_worker_mixes_up_the_order(office: Office, mailbox: Running) -> None:
    """Strictly by acceptance within a tier, the higher tier first."""
    account = an_account(sink_port=mailbox.port)
    flood(account, 150, priority="bulk")
    flood(account, 50, priority="critical")
    while office.work("routing"):
        pass
    while office.work("delivery"):
        pass
    with transaction() as connection:
        found = rows(connection, "SELECT recipient FROM mailbox_messages ORDER BY id")
    assert [row.recipient for row in found] == [f"u{number}@example.net" for number in (*range(50), *range(150))]


def test_many_workers_mix_up_more_than_they_hold(office: Office, mailbox: Running) -> None:
    account = an_account(sink_port=mailbox.port)
    ids = flood(account, 600)
    while office.work("routing"):
        pass
    workers = [threading.Thread(target=lambda: [None for _ in iter(lambda: office.work("delivery"), False)])
               for _ in range(4)]  # fmt: skip
    for each in workers:
        each.start()
    for each in workers:
        each.join()
    places = {message_id: place for place, message_id in enumerate(ids)}
    found = [places[each] for each in attempted()]
    assert sorted(found) == list(range(600))
    furthest = max(abs(place - at) for at, place in enumerate(found))
    assert furthest <= 4 * current_settings().ticket_size, f"one message moved by {furthest} places"


def test_the_turn_reads_all_that_waits(office: Office) -> None:
    """Whose turn it is, is found by the index: as fast behind a flood as behind nothing, and also while the planner
    knows only a time when nothing was due."""
    first, second = an_account(), an_account()
    flood(first, 300, scheduled_time=clock.now() + timedelta(hours=1))
    with transaction() as connection:
        connection.exec_driver_sql("ANALYZE messages")
    ids = flood(first, 2000)
    flood(second, 1)
    with transaction() as connection:
        connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
        plan = "\n".join(row[0] for row in connection.exec_driver_sql(
            f"EXPLAIN (ANALYZE, BUFFERS, COSTS OFF) {turns._next('routing')}",
            ([uuid.UUID(int=0)] * 3, ids[0])))  # fmt: skip
    plan = plan.partition("Planning:")[0]
    assert "messages_turns" in plan, plan
    reads = [int(part.split("=")[1]) for line in plan.splitlines() if "Buffers" in line for part in line.split()
             if part.startswith("hit=")]  # fmt: skip
    assert reads and max(reads) < 60, plan


class Model:
    """What waits, as plain lists: by tier and account, in the order of acceptance."""

    def __init__(self, accounts: int) -> None:
        self.waiting: dict[tuple[int, uuid.UUID], list[uuid.UUID]] = {}
        self.starved: dict[tuple[int, uuid.UUID], int] = {}
        self.accounts = accounts

    def arrive(self, tier: int, account: uuid.UUID, ids: list[uuid.UUID]) -> None:
        self.waiting.setdefault((tier, account), []).extend(ids)

    def went(self, moved: set[uuid.UUID]) -> None:
        """One ticket's work: of one tier, each account's oldest, and nobody is passed over for longer than a round."""
        mine = {place: [each for each in ids if each in moved] for place, ids in self.waiting.items()}
        tiers = {tier for (tier, _), ids in mine.items() if ids}
        assert len(tiers) <= 1, "one ticket did work of two tiers"
        for place, ids in mine.items():
            assert ids == self.waiting[place][: len(ids)], "a message overtook an older one of its account and tier"
            del self.waiting[place][: len(ids)]
            if not tiers or place[0] not in tiers:
                continue
            self.starved[place] = 0 if ids or not self.waiting[place] else self.starved.get(place, 0) + 1
            assert self.starved[place] <= self.accounts, "an account was passed over for more than a round of turns"


@pytest.mark.parametrize("seed", [1, 3, 22, 23])
def test_some_order_of_arrivals_breaks_the_order_or_the_turns(office: Office, seed: int) -> None:
    """Arrivals of four accounts in three tiers between tickets, checked against plain lists after each ticket."""
    dice, accounts = random.Random(seed), [an_account() for _ in range(4)]
    model, left = Model(len(accounts)), 25
    while left or any(model.waiting.values()):
        if left and dice.random() < 0.6:
            left -= 1
            account, tier = dice.choice(accounts), dice.choices(range(3), [1, 3, 6])[0]
            ids = flood(account, dice.choice([1, 3, 20, 120, 260]), priority=TIERS[tier])
            model.arrive(tier, account.id, ids)
        elif office.work("routing"):
            model.went(accepted())
        else:
            assert not any(model.waiting.values()), "tickets are gone and messages wait"
            if not left:
                break
    with transaction() as connection:
        assert not rows(connection, "SELECT * FROM invariant_violations")


def accepted() -> set[uuid.UUID]:
    with transaction() as connection:
        return {row.id for row in rows(connection, "SELECT id FROM messages WHERE status = 'accepted'")}
