"""The event stream over HTTP: nothing is skipped, also while transactions commit out of order."""

import random
import threading
from collections.abc import Callable, Iterator
from typing import Any

import orjson
import pytest
from flask.testing import FlaskClient
from redis import Redis

from api import create_app, streaming
from common.config import current_settings, read_settings
from common.db import session
from common.db.session import engine, rows, run, transaction
from common.domain.ids import encode, new_id
from common.services import composing, events, keys, quickstart, stream
from common.services.events import NewEvent

Call = Callable[..., Any]


@pytest.fixture
def tokens(database: None, engines: Any) -> Iterator[dict[str, str]]:
    Redis.from_url(engines.redis_url).flushdb()
    keys.forget()
    composing.forget()
    with session.transaction() as connection:
        made = quickstart.prepare(connection, current_settings())
    yield made
    keys.forget()


@pytest.fixture
def client(tokens: dict[str, str]) -> FlaskClient:
    return create_app(read_settings()).test_client()


@pytest.fixture
def call(client: FlaskClient, tokens: dict[str, str]) -> Call:
    def ask(path: str, *, key: str = "", **headers: str) -> Any:
        bearer = {"Authorization": f"Bearer {key or tokens['live_key']}"}
        return client.get(path, headers=bearer | {name.replace("_", "-"): value for name, value in headers.items()})

    return ask


def send(client: FlaskClient, token: str, **fields: Any) -> str:
    body = {"recipient": "user@example.com", "subject": "Hello", "text": "Hi"} | fields
    answer = client.post("/v1/messages", json=body, headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 202, answer.data
    return str(orjson.loads(answer.data)["message_id"])


def tell(connection: Any, count: int = 1, environment: str = "live") -> list[str]:
    made = [
        NewEvent(quickstart.QUICKSTART_ACCOUNT, "domain.verified", {"domain": "example.com"}, environment)
        for _ in range(count)
    ]
    events.record(connection, made)
    return [encode("evt", each.id) for each in made]


def ids(answer: Any) -> list[str]:
    return [each["id"] for each in answer.json["data"]]


def test_an_event_that_commits_late_is_skipped(call: Call) -> None:
    """The transaction that began first commits last: a cursor must not have passed it."""
    early = engine().connect()
    first = tell(early)
    with transaction() as connection:
        second = tell(connection)
    answer = call("/v1/events")
    assert ids(answer) == []
    early.commit()
    early.close()
    after = call(f"/v1/events?cursor={answer.json['next_cursor']}")
    assert ids(after) == first + second
    assert ids(call(f"/v1/events?cursor={after.json['next_cursor']}")) == []


def test_a_reader_beside_many_writers_misses_or_repeats_an_event(call: Call, tokens: dict[str, str]) -> None:
    chance, written, lock = random.Random(4), set[str](), threading.Lock()
    pauses = [[chance.random() * 0.01 for _ in range(12)] for _ in range(6)]

    def write(mine: list[float]) -> None:
        for pause in mine:
            with transaction() as connection:
                made = tell(connection, 3)
                threading.Event().wait(pause)
            with lock:
                written.update(made)

    threads = [threading.Thread(target=write, args=(mine,)) for mine in pauses]
    for thread in threads:
        thread.start()
    seen: list[str] = []
    cursor = ""
    principal = _principal(tokens)
    place = stream.START
    while True:
        alive = any(thread.is_alive() for thread in threads)
        with transaction() as connection:
            part = stream.read(connection, principal, stream.Filters(), place, limit=5)
        seen += [event["id"] for _, event in part.events]
        place = part.place
        if not alive and not part.more and not part.events:
            break
    assert cursor == "" and len(seen) == len(set(seen)) and set(seen) == written


def _principal(tokens: dict[str, str]) -> Any:
    return keys.authenticate(tokens["live_key"], "127.0.0.1")


def test_pages_or_filters_lose_an_event(call: Call, client: FlaskClient, tokens: dict[str, str]) -> None:
    tagged = [send(client, tokens["live_key"], tags=["login"]) for _ in range(3)]
    other = send(client, tokens["live_key"])
    with transaction() as connection:
        tell(connection)
    first = call("/v1/events?limit=2").json
    assert first["has_more"] is True and len(first["data"]) == 2
    rest = call(f"/v1/events?limit=100&cursor={first['next_cursor']}").json
    assert len(rest["data"]) == 3 and rest["has_more"] is False
    for query, count in (
        ("type=message.queued", 4),
        ("type=message.*", 4),
        ("type=domain.verified&type=message.queued", 5),
        ("type=message.bounced", 0),
        ("tag=login", 3),
        (f"message_id={other}", 1),
        ("domain=example.com", 4),
        ("domain=example.org", 0),
        ("since=2020-01-01", 5),
        ("since=2100-01-01", 0),
        ("until=2020-01-01", 0),
        ("since=0001-01-01&until=9999-12-31", 5),
    ):
        assert len(call(f"/v1/events?{query}").json["data"]) == count, query
    event = call(f"/v1/events?message_id={tagged[0]}").json["data"][0]
    assert event["type"] == "message.queued" and event["data"]["tags"] == ["login"]
    assert len(ids(call(f"/v1/events?after={event['id']}"))) == 4
    assert ids(call("/v1/events", key=tokens["test_key"])) == []


def test_a_scan_that_finds_little_ends_the_stream(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "SCANNED", 4)
    with transaction() as connection:
        tell(connection, 9)
        other = NewEvent(quickstart.QUICKSTART_ACCOUNT, "domain.failed", {})
        events.record(connection, [other])
    found, cursor = [], ""
    for _ in range(5):
        answer = call(f"/v1/events?type=domain.failed{cursor}").json
        found += [each["id"] for each in answer["data"]]
        cursor = f"&cursor={answer['next_cursor']}"
        if not answer["has_more"]:
            break
    assert found == [encode("evt", other.id)]


@pytest.mark.parametrize(
    "query",
    [
        "cursor=abc",
        "after=evt_7",
        "after=latest&cursor=abc",
        "wait=31",
        "wait=x",
        "type=message.sent",
        "limit=0",
        "x=1",
    ],
)
def test_a_wrong_question_is_answered(call: Call, query: str) -> None:
    assert call(f"/v1/events?{query}").status_code == 400
    assert call(f"/v1/events?after={encode('evt', new_id())}").status_code == 404


def test_waiting_returns_early_with_nothing_or_late_with_something(call: Call) -> None:
    cursor = call("/v1/events?after=latest").json["next_cursor"]

    def later() -> None:
        threading.Event().wait(0.3)
        with transaction() as connection:
            tell(connection)

    thread = threading.Thread(target=later)
    thread.start()
    answer = call(f"/v1/events?wait=20&cursor={cursor}")
    thread.join()
    assert len(ids(answer)) == 1


def test_readers_that_wait_take_every_thread(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming, "_waiting", threading.BoundedSemaphore(1))
    streaming._waiting.acquire()
    assert ids(call("/v1/events?wait=30&after=latest")) == []  # answered at once
    answer = call("/v1/events/stream")
    assert answer.status_code == 503 and answer.headers["Retry-After"] == "5"


def test_a_stream_that_breaks_loses_or_repeats_events(call: Call) -> None:
    with transaction() as connection:
        told = tell(connection, 3)
    seen, last = _take(call("/v1/events/stream"), 2)
    with transaction() as connection:
        told += tell(connection, 2)
    more, _ = _take(call("/v1/events/stream", Last_Event_ID=last), 3)
    assert seen + more == told
    assert call("/v1/events/stream", Last_Event_ID="x").status_code == 400
    assert streaming._waiting.acquire(blocking=False), "a reader that left is still counted"
    streaming._waiting.release()


def _take(answer: Any, count: int) -> tuple[list[str], str]:
    assert answer.status_code == 200 and answer.mimetype == "text/event-stream"
    seen, last = [], ""
    for chunk in answer.response:
        fields = dict(line.split(": ", 1) for line in chunk.decode().strip().splitlines() if ": " in line)
        if "data" in fields:
            event = orjson.loads(fields["data"])
            assert fields["event"] == event["type"]
            seen.append(event["id"])
            last = fields["id"]
        if len(seen) == count:
            break
    answer.response.close() if hasattr(answer.response, "close") else answer.close()
    return seen, last


def test_a_stream_goes_on_after_a_database_was_restored_elsewhere(call: Call, tokens: dict[str, str]) -> None:
    """Another cluster counts transactions from the start: what is told there comes after what was told before."""
    with transaction() as connection:
        tell(connection, 2)
    cursor = call("/v1/events").json["next_cursor"]
    with transaction() as connection:
        run(connection, "UPDATE event_stream SET system_identifier = 7")
        rows(connection, "SELECT rebase_event_stream()")
    with transaction() as connection:
        told = tell(connection)
    try:
        assert ids(call(f"/v1/events?cursor={cursor}")) == told
    finally:
        with transaction() as connection:
            run(connection, "UPDATE event_stream SET shift = 0")
            run(
                connection,
                "ALTER TABLE events ALTER COLUMN transaction_no SET DEFAULT pg_current_xact_id()::text::bigint",
            )
