"""Replays: which events are told again, behind what is live, once each, with progress."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from common import clock
from common.config import current_settings
from common.db.session import rows, run, transaction
from common.domain.errors import Conflict, NotFound
from common.domain.ids import decode, encode
from common.services import subscriptions, webhook_due, webhook_replays, webhook_switches
from tests.builders import Account, a_message, an_account
from tests.fakes.receiver import FakeReceiver
from workers.webhooks.lanes import Lanes
from workers.webhooks.sender import Sender

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeReceiver]:
    monkeypatch.setattr(webhook_due, "leave_parked", lambda *_, **__: None)
    with FakeReceiver() as found:
        yield found


@pytest.fixture
def lanes(receiver: FakeReceiver) -> Lanes:
    settings = replace(current_settings(), egress_allow="127.0.0.0/8")
    return Lanes(settings, Sender(settings))


def subscribe(account: Account, receiver: FakeReceiver, **fields: Any) -> UUID:
    with transaction() as connection:
        made = subscriptions.subscribe(connection, account.principal, {"url": "https://example.com/hook"} | fields)
        run(connection, "UPDATE webhooks SET url = %s", receiver.url)
    found = decode("whk", made["id"])
    assert found is not None
    return found


def dispatch(lanes: Lanes, webhook_id: UUID) -> None:
    with transaction() as connection:
        ids = [row.id for row in rows(connection, "SELECT id FROM webhook_deliveries WHERE state = 'waiting'")]
    lanes.dispatch(ids)
    lanes.drain([webhook_id])


def start(account: Account, webhook_id: UUID, **wish: Any) -> dict[str, Any]:
    with transaction() as connection:
        return webhook_replays.start(connection, account.principal, webhook_id, wish)


def advance() -> None:
    for _ in range(20):
        with transaction() as connection:
            if not webhook_replays.advance(connection):
                return
    raise AssertionError("a replay never ends")


def progress(account: Account, job: dict[str, Any]) -> dict[str, Any]:
    ids = decode("whk", job["webhook_id"]), decode("job", job["id"])
    assert ids[0] and ids[1]
    with transaction() as connection:
        return webhook_replays.get(connection, account.principal, ids[0], ids[1])


def test_a_range_misses_events_or_repeats_foreign_ones(receiver: FakeReceiver, lanes: Lanes) -> None:
    """Also what happened before the webhook was made; never what it does not subscribe to."""
    account, stranger = an_account(), an_account()
    early = [a_message(account, tags=["login"]) for _ in range(3)]
    a_message(account, tags=["other"])
    a_message(stranger, tags=["login"])
    webhook_id = subscribe(account, receiver, event_types=["message.queued"], tags=["login"])
    live = a_message(account, tags=["login"])
    dispatch(lanes, webhook_id)
    assert len(receiver.posts) == 1
    job = start(account, webhook_id, only="all")
    assert (job["state"], job["found"]) == ("waiting", 0)
    advance()
    assert progress(account, job)["state"] == "running"
    lanes.drain([webhook_id])
    replayed = receiver.posts[1:]
    assert {post.event["data"]["message_id"] for post in replayed} == {encode("msg", each) for each in [*early, live]}
    assert all(post.headers["sendarix-replay"] == "1" for post in replayed)
    again = next(post for post in replayed if post.headers["webhook-id"] == receiver.posts[0].headers["webhook-id"])
    assert again.body == receiver.posts[0].body
    found = progress(account, job)
    assert (found["state"], found["found"], found["delivered"], found["waiting"]) == ("done", 4, 4, 0)


def test_a_page_of_events_is_skipped_between_chunks(
    receiver: FakeReceiver, lanes: Lanes, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = an_account()
    since = clock.now()
    for _ in range(7):
        a_message(account)
    webhook_id = subscribe(account, receiver, event_types=["message.queued"])
    monkeypatch.setattr(webhook_replays, "CHUNK", 3)
    monkeypatch.setattr(webhook_replays, "_EVENTS", webhook_replays._EVENTS.replace("LIMIT 1000", "LIMIT 3"))
    job = start(account, webhook_id, since=since)
    advance()
    assert progress(account, job)["found"] == 7
    until = start(account, webhook_id, until=since)
    advance()
    assert progress(account, until)["found"] == 0


def test_only_failed_repeats_what_was_delivered(receiver: FakeReceiver, lanes: Lanes) -> None:
    account = an_account()
    webhook_id = subscribe(account, receiver, event_types=["message.queued"], max_attempts=1)
    receiver.answer = lambda _, number: 500 if number <= 2 else 200
    for _ in range(4):
        a_message(account)
    dispatch(lanes, webhook_id)
    job = start(account, webhook_id, only="failed")
    advance()
    lanes.drain([webhook_id])
    assert len(receiver.posts) == 6 and progress(account, job)["delivered"] == 2


def test_a_replay_by_id_tells_another_event(receiver: FakeReceiver, lanes: Lanes) -> None:
    account = an_account()
    a_message(account)
    a_message(account)
    webhook_id = subscribe(account, receiver, event_types=["message.bounced"])
    with transaction() as connection:
        event = rows(connection, "SELECT id FROM events ORDER BY id LIMIT 1")[0].id
    start(account, webhook_id, event_ids=[event])
    advance()
    lanes.drain([webhook_id])
    assert [post.headers["webhook-id"] for post in receiver.posts] == [encode("evt", event)]


def test_a_replay_overtakes_live_events(receiver: FakeReceiver, lanes: Lanes) -> None:
    account = an_account()
    old = a_message(account)
    webhook_id = subscribe(account, receiver, event_types=["message.queued"])
    start(account, webhook_id, only="all")
    advance()
    live = a_message(account)
    with transaction() as connection:
        run(connection, "UPDATE webhook_deliveries SET parked = true")
    lanes.drain([webhook_id])
    told = [post.event["data"]["message_id"] for post in receiver.posts]
    assert told == [encode("msg", live), encode("msg", old)]


def test_a_replay_that_cannot_be_done_stands_in_the_way(
    receiver: FakeReceiver, lanes: Lanes, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = an_account()
    webhook_id = subscribe(account, receiver)
    jobs = [start(account, webhook_id, only=which) for which in ("all", "failed")]
    monkeypatch.setattr(webhook_replays, "_EVENTS", "SELECT nonsense")
    advance()
    assert [progress(account, job)["state"] for job in jobs] == ["failed", "done"]


def test_a_disabled_or_foreign_webhook_is_replayed(receiver: FakeReceiver) -> None:
    account = an_account()
    webhook_id = subscribe(account, receiver)
    with pytest.raises(NotFound):
        start(an_account(), webhook_id, only="all")
    with transaction() as connection:
        webhook_switches.disable(connection, [webhook_id], "manual")
    with pytest.raises(Conflict):
        start(account, webhook_id, only="all")
