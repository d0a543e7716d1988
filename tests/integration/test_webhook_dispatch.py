"""Webhook deliveries against real HTTP receivers: signed, tried again, paced, held, in order, never twice at once."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import pytest

from common.config import current_settings
from common.db.session import rows, run, transaction
from common.domain.ids import encode
from common.domain.signatures import sign
from common.services import routing, subscriptions, webhook_due, webhook_records, webhook_secrets, webhooks
from common.services.webhook_records import SCHEDULE, wait_after
from tests.builders import Account, a_message, an_account
from tests.fakes.receiver import FakeReceiver
from workers.webhooks import shares
from workers.webhooks.lanes import Lanes
from workers.webhooks.sender import Sender

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture
def receiver() -> Iterator[FakeReceiver]:
    with FakeReceiver() as found:
        yield found


@pytest.fixture(autouse=True)
def tickets(monkeypatch: pytest.MonkeyPatch) -> list[tuple[UUID, bool]]:
    """Tickets that lanes leave, instead of a broker."""
    left: list[tuple[UUID, bool]] = []

    def leave_parked(ids: Any, *, slow: bool = False) -> None:
        left.extend((each, slow) for each in ids)

    monkeypatch.setattr(webhook_due, "leave_parked", leave_parked)
    monkeypatch.setattr(webhook_due, "leave", lambda ids, webhook_id=None: left.append((webhook_id, False)))
    return left


@pytest.fixture
def lanes(monkeypatch: pytest.MonkeyPatch) -> Lanes:
    return make_lanes()


def make_lanes(allow: str = "127.0.0.0/8", slow: bool = False) -> Lanes:
    settings = replace(current_settings(), egress_allow=allow)
    return Lanes(settings, Sender(settings), slow=slow)


def subscribe(
    account: Account, receiver: FakeReceiver, monkeypatch: pytest.MonkeyPatch | None = None, **fields: Any
) -> tuple[UUID, str]:
    """A webhook, and its secret."""
    with transaction() as connection:
        made = subscriptions.subscribe(connection, account.principal, {"url": "https://example.com/hook"} | fields)
        found = rows(connection, "UPDATE webhooks SET url = %s WHERE url LIKE 'https:%%' RETURNING id", receiver.url)
    assert encode("whk", found[0].id) == made["id"]
    return found[0].id, made["secret"]


def waiting() -> list[UUID]:
    with transaction() as connection:
        return [
            row.id for row in rows(connection, "SELECT id FROM webhook_deliveries WHERE state = 'waiting' ORDER BY id")
        ]


def states() -> list[tuple[str, int]]:
    with transaction() as connection:
        found = rows(connection, "SELECT state, attempt_no FROM webhook_deliveries ORDER BY id")
        return [(row.state, row.attempt_no) for row in found]


def column(name: str, table: str = "webhook_health") -> Any:
    with transaction() as connection:
        return rows(connection, f"SELECT {name} AS x FROM {table} LIMIT 1")[0].x


def change(sql: str, *parameters: Any) -> None:
    with transaction() as connection:
        run(connection, sql, *parameters)


def make_due() -> None:
    change("UPDATE webhook_deliveries SET next_attempt_at = now() - interval '1 s' WHERE state = 'waiting'")


def some(account: Account, count: int) -> list[UUID]:
    return [a_message(account) for _ in range(count)]


def test_an_event_is_posted_unsigned_or_without_its_message(receiver: FakeReceiver, lanes: Lanes) -> None:
    account = an_account()
    _, secret = subscribe(account, receiver, headers={"X-Team": "billing"}, ed25519=True)
    message_id = a_message(account, metadata={"order": "7"})
    with transaction() as connection:
        routing.route(connection, [message_id])
    lanes.dispatch(waiting())
    assert [post.event["type"] for post in receiver.posts] == ["message.queued", "message.accepted"]
    assert receiver.posts[0].event["data"]["metadata"] == {"order": "7"}
    assert receiver.connections == 1, "a connection serves one delivery only"
    for post in receiver.posts:
        assert post.headers["webhook-id"] == post.event["id"]
        assert post.event["data"]["message_id"] == encode("msg", message_id)
        first, second = post.headers["webhook-signature"].split()
        assert first == sign(secret, post.event["id"], int(post.headers["webhook-timestamp"]), post.body)
        assert second.startswith("v1a,")
        assert post.headers["x-team"] == "billing" and post.headers["sendarix-attempt"] == "1"
        assert post.headers["sendarix-delivery-id"].startswith("whd_")
    assert states() == [("delivered", 1), ("delivered", 1)]
    assert column("verified_at", "webhooks") is not None


def test_the_old_secret_stops_signing_at_once_or_never(receiver: FakeReceiver, lanes: Lanes) -> None:
    account = an_account()
    webhook_id, old = subscribe(account, receiver, event_types=["message.queued"])
    with transaction() as connection:
        new = webhook_secrets.rotate(connection, current_settings(), webhook_id, 3600)
    a_message(account)
    lanes.dispatch(waiting())
    change("UPDATE webhook_secrets SET expires_at = now() - interval '1 s' WHERE expires_at IS NOT NULL")
    a_message(account)
    lanes.dispatch(waiting())
    for post, secrets in zip(receiver.posts, ([new, old], [new]), strict=True):
        timestamp = int(post.headers["webhook-timestamp"])
        expected = [sign(each, post.headers["webhook-id"], timestamp, post.body) for each in secrets]
        assert post.headers["webhook-signature"].split() == expected


def test_a_failed_delivery_is_dropped_or_posted_at_once_again(receiver: FakeReceiver, lanes: Lanes) -> None:
    account = an_account()
    subscribe(account, receiver, event_types=["message.queued"])
    a_message(account)
    receiver.status = 500
    for _ in range(2):
        lanes.dispatch(waiting())
    assert states() == [("waiting", 1)] and len(receiver.posts) == 1
    make_due()
    receiver.status = 200
    lanes.dispatch(waiting())
    first, second = receiver.posts
    assert (first.headers["webhook-id"], first.body) == (second.headers["webhook-id"], second.body)
    assert states() == [("delivered", 2)]


def test_the_schedule_is_not_what_is_promised() -> None:
    """12 attempts over 123 h 35 min, never early, and a fifth late at most."""
    assert len(SCHEDULE) == 12 and sum(SCHEDULE) == 123 * 3600 + 35 * 60 + 5
    for attempt in range(1, 12):
        waits = [wait_after(attempt) for _ in range(200)]
        assert min(waits) >= SCHEDULE[attempt] and max(waits) <= SCHEDULE[attempt] * 1.2
    assert wait_after(19) >= SCHEDULE[-1]
    assert wait_after(1, 600.0) == 600.0 and wait_after(1, 10**9) == 86_400.0


@pytest.mark.parametrize(("attempts", "limit"), [(11, 12), (2, 3)])
def test_the_last_failure_is_tried_once_more(receiver: FakeReceiver, lanes: Lanes, attempts: int, limit: int) -> None:
    account = an_account()
    subscribe(account, receiver, event_types=["message.queued"], max_attempts=limit)
    with FakeReceiver() as other:
        subscribe(account, other, event_types=["webhook.exhausted"])
        a_message(account)
        receiver.status = 500
        change("UPDATE webhook_deliveries SET attempt_no = %s", attempts)
        lanes.dispatch(waiting())
        assert states()[0] == ("exhausted", limit)
        lanes.dispatch(waiting())
        assert other.posts[0].event["data"]["event_type"] == "message.queued"


def test_retry_after_is_ignored_or_concurrency_kept(receiver: FakeReceiver, lanes: Lanes) -> None:
    account = an_account()
    subscribe(account, receiver, event_types=["message.queued"])
    a_message(account)
    receiver.status, receiver.headers = 429, {"retry-after": "120"}
    lanes.dispatch(waiting())
    wait = column("extract(epoch FROM next_attempt_at - now())", "webhook_deliveries")
    assert 110 < wait <= 120 and column("allowance") == 5


def test_a_redirect_is_followed(receiver: FakeReceiver, lanes: Lanes) -> None:
    account = an_account()
    with FakeReceiver() as elsewhere:
        subscribe(account, receiver, event_types=["message.queued"])
        a_message(account)
        receiver.status, receiver.headers = 302, {"location": elsewhere.url}
        lanes.dispatch(waiting())
        assert len(receiver.posts) == 1 and not elsewhere.posts
    assert states() == [("waiting", 1)]


def test_an_endpoint_that_is_gone_is_asked_again_or_its_events_dropped(receiver: FakeReceiver, lanes: Lanes) -> None:
    account = an_account()
    webhook_id, _ = subscribe(account, receiver, event_types=["message.queued"])
    some(account, 3)
    receiver.status = 410
    lanes.dispatch(waiting())
    assert (column("state", "webhooks"), column("disabled_reason", "webhooks")) == ("disabled", "gone")
    assert {state for state, _ in states()} == {"held"}
    posts = len(receiver.posts)
    a_message(account)
    lanes.dispatch(waiting())
    assert len(receiver.posts) == posts
    assert [state for state, _ in states()] == ["held"] * 4


def test_two_lanes_post_one_delivery(receiver: FakeReceiver, lanes: Lanes) -> None:
    account = an_account()
    subscribe(account, receiver, event_types=["message.queued"])
    some(account, 20)
    receiver.delay = 0.02
    ids = waiting()
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda _: lanes.dispatch(ids), range(6)))
    assert len(receiver.posts) == 20
    assert states() == [("delivered", 1)] * 20


@pytest.mark.parametrize("limit", [1, 2])
def test_an_endpoint_gets_more_at_once_than_it_asked_for(receiver: FakeReceiver, lanes: Lanes, limit: int) -> None:
    account = an_account()
    webhook_id, _ = subscribe(account, receiver, event_types=["message.queued"], max_in_flight=limit)
    some(account, 12)
    receiver.delay = 0.02
    ids = waiting()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: lanes.dispatch(ids[n::4]) if n < 4 else lanes.drain([webhook_id]), range(8)))
    drain_all(lanes, webhook_id)
    assert receiver.busiest <= limit and len(receiver.posts) == 12
    assert states() == [("delivered", 1)] * 12


def drain_all(lanes: Lanes, webhook_id: UUID) -> None:
    for _ in range(20):
        lanes.drain([webhook_id])


def test_one_endpoint_takes_every_thread(receiver: FakeReceiver, tickets: list[tuple[UUID, bool]]) -> None:
    """At most a quarter of a process's threads, whatever `max_in_flight` says."""
    account = an_account()
    lanes = make_lanes()
    webhook_id, _ = subscribe(account, receiver, event_types=["message.queued"], max_in_flight=100)
    change("UPDATE webhook_health SET typical_ms = 2000")  # one delivery a lane
    some(account, 12)
    receiver.delay = 0.15
    ids = waiting()
    with ThreadPoolExecutor(12) as pool:
        list(pool.map(lambda each: (threading.Event().wait(ids.index(each) * 0.004), lanes.dispatch([each])), ids))
    assert receiver.busiest <= shares.OF_ENDPOINT
    assert len(receiver.posts) == 12 or (webhook_id, False) in tickets, "what was parked waits for a sweep"
    drain_all(lanes, webhook_id)
    assert len(receiver.posts) == 12


def test_an_open_breaker_lets_everything_through_or_costs_attempts(receiver: FakeReceiver, lanes: Lanes) -> None:
    account = an_account()
    webhook_id, _ = subscribe(account, receiver, event_types=["message.queued"])
    some(account, 30)
    receiver.status = 500
    lanes.dispatch(waiting())
    assert column("breaker") == "open" and len(receiver.posts) == 10
    lanes.dispatch(waiting())
    lanes.drain([webhook_id])
    assert len(receiver.posts) == 10
    assert sorted(attempts for _, attempts in states()) == [0] * 20 + [1] * 10
    # half open: one probe at a time, and a failed one opens it for longer
    change("UPDATE webhook_health SET open_until = now()")
    lanes.drain([webhook_id])
    assert len(receiver.posts) == 11 and column("breaker") == "open" and column("opens") == 2
    assert column("extract(epoch FROM open_until - now())") > 45
    receiver.status = 200
    change("UPDATE webhook_health SET open_until = now()")
    lanes.drain([webhook_id])
    assert column("breaker") == "closed" and len(receiver.posts) == 30
    with transaction() as connection:
        told = rows(connection, "SELECT type FROM events WHERE type = 'webhook.recovered'")
    assert len(told) == 1


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ("failing_since = now() - interval '121 hours', failed_events = 9", "failing"),
        ("failing_since = now() - interval '25 hours', opens = 10, warned_at = now()", "breaker"),
    ],
)
def test_an_endpoint_that_fails_for_days_is_kept_or_its_events_are_lost(
    receiver: FakeReceiver, lanes: Lanes, columns: str, reason: str
) -> None:
    account = an_account()
    subscribe(account, receiver, event_types=["message.queued"])
    with FakeReceiver() as other:
        subscribe(account, other, event_types=["webhook.disabled"])
        some(account, 2)
        change(f"UPDATE webhook_health SET {columns} WHERE webhook_id = (SELECT id FROM webhooks ORDER BY id LIMIT 1)")
        receiver.status = 500
        lanes.dispatch(waiting())
        assert [state for state, _ in states()][:2] == ["held", "held"]
        lanes.dispatch(waiting())
        data = other.posts[0].event["data"]
    assert (data["reason"], data["warning"]) == (reason, False)


def test_a_day_of_failures_warns_nobody_or_again_and_again(receiver: FakeReceiver, lanes: Lanes) -> None:
    account = an_account()
    subscribe(account, receiver, event_types=["message.queued"])
    some(account, 3)
    change("UPDATE webhook_health SET failing_since = now() - interval '25 hours'")
    receiver.status = 500
    lanes.dispatch(waiting())
    with transaction() as connection:
        told = rows(connection, "SELECT data FROM events WHERE type = 'webhook.disabled'")
    assert [row.data["warning"] for row in told] == [True]
    assert column("state", "webhooks") == "enabled"


def test_the_second_event_of_a_message_overtakes_the_first(receiver: FakeReceiver, lanes: Lanes) -> None:
    account = an_account()
    webhook_id, _ = subscribe(account, receiver, ordering="per_message")
    ids = some(account, 3)
    with transaction() as connection:
        routing.route(connection, ids)
    failing = encode("msg", ids[0])
    receiver.answer = lambda post, number: 500 if post.event["data"]["message_id"] == failing else 200
    lanes.dispatch(waiting())
    drain_all(lanes, webhook_id)
    told = [(post.event["data"]["message_id"], post.event["data"]["seq"]) for post in receiver.posts]
    assert sorted(told) == sorted([(failing, 1)] + [(encode("msg", each), seq) for each in ids[1:] for seq in (1, 2)])
    receiver.answer = None
    make_due()
    lanes.dispatch(waiting())
    drain_all(lanes, webhook_id)
    told = [(post.event["data"]["message_id"], post.event["data"]["seq"]) for post in receiver.posts]
    assert told[-2:] == [(failing, 1), (failing, 2)]


def test_a_slow_endpoint_holds_up_the_fast_line(
    receiver: FakeReceiver, lanes: Lanes, tickets: list[tuple[UUID, bool]]
) -> None:
    account = an_account()
    webhook_id, _ = subscribe(account, receiver, event_types=["message.queued"])
    change("UPDATE webhook_health SET typical_ms = 6000")
    a_message(account)
    lanes.dispatch(waiting())
    assert not receiver.posts and tickets == [(webhook_id, True)]
    make_lanes(slow=True).drain([webhook_id])
    assert len(receiver.posts) == 1


def test_a_rate_is_exceeded(receiver: FakeReceiver, lanes: Lanes) -> None:
    account = an_account()
    webhook_id, _ = subscribe(account, receiver, event_types=["message.queued"], requests_per_second=3)
    some(account, 9)
    lanes.dispatch(waiting())
    lanes.drain([webhook_id])
    assert 3 <= len(receiver.posts) <= 4
    change("UPDATE webhook_health SET next_slot_at = now() - interval '1 s'")
    lanes.drain([webhook_id])
    assert 6 <= len(receiver.posts) <= 8


def test_one_ticket_mixes_a_dead_endpoint_with_a_healthy_one(
    receiver: FakeReceiver, lanes: Lanes, tickets: list[tuple[UUID, bool]]
) -> None:
    account = an_account()
    first, _ = subscribe(account, receiver, event_types=["message.queued"])
    with FakeReceiver() as other:
        second, _ = subscribe(account, other, event_types=["message.queued"])
        a_message(account)
        lanes.dispatch(waiting())
        assert len(receiver.posts) + len(other.posts) == 1
    assert len(tickets) == 1 and tickets[0][0] in (first, second)


def test_a_lost_worker_costs_an_attempt_or_the_delivery(receiver: FakeReceiver, lanes: Lanes) -> None:
    account = an_account()
    webhook_id, _ = subscribe(account, receiver, event_types=["message.queued"])
    a_message(account)
    with transaction() as connection:
        lost = webhooks.claim(connection, webhook_id, waiting(), uuid4())
    assert len(lost.postings) == 1
    change("UPDATE webhook_deliveries SET lease_until = now() - interval '1 s', ticket_at = NULL")
    with transaction() as connection:
        due = webhook_due.sweep(connection)
    lanes.dispatch(due.deliveries[webhook_id])
    assert states() == [("delivered", 1)]
    with transaction() as connection:  # the lost worker comes back: what it says counts for nothing
        said = webhook_records.Posted(False, column("clock_timestamp()"), error="timeout", total_ms=1.0)
        webhook_records.record(connection, current_settings(), [(lost.postings[0], said)])
        attempts = rows(connection, "SELECT number, error FROM webhook_attempts ORDER BY epoch")
    assert states() == [("delivered", 1)]
    assert [row.number for row in attempts] == [1, 1]


def test_parked_deliveries_are_forgotten(receiver: FakeReceiver) -> None:
    account = an_account()
    webhook_id, _ = subscribe(account, receiver, event_types=["message.queued"])
    a_message(account)
    change("UPDATE webhook_deliveries SET parked = true")

    def swept() -> list[UUID]:
        with transaction() as connection:
            return webhook_due.sweep(connection).parked

    assert swept() == [webhook_id]
    assert swept() == [], "a second ticket before the first one had its time"
    change("UPDATE webhook_health SET ticket_at = NULL, breaker = 'open', open_until = now() + interval '1 minute'")
    assert swept() == []


def test_an_event_held_while_its_webhook_was_enabled_stays_held(receiver: FakeReceiver) -> None:
    account = an_account()
    webhook_id, _ = subscribe(account, receiver, event_types=["message.queued"])
    a_message(account)
    change("UPDATE webhook_deliveries SET state = 'held', ticket_at = NULL")
    with transaction() as connection:
        assert webhook_due.sweep(connection).parked == [webhook_id]


def test_a_worker_with_a_wrong_clock_signs(
    receiver: FakeReceiver, lanes: Lanes, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = an_account()
    subscribe(account, receiver, event_types=["message.queued"])
    a_message(account)
    real = webhooks.clock.now
    monkeypatch.setattr(webhooks.clock, "now", lambda: real() - webhooks.MOST_SKEW * 2)
    with pytest.raises(Exception, match="clock"):
        lanes.dispatch(waiting())
    assert not receiver.posts
