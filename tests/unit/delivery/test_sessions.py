"""Kept connections: none too old, none too many, none left open."""

import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest

from common.clock import monotonic
from tests.fakes.scripted import Scripted, hello, mail
from workers.delivery import sessions as module
from workers.delivery.sessions import Sessions
from workers.delivery.smtp import Connection, Mail, Target, connect

MAIL = Mail("m", "a@example.com", ("b@example.net",), b"Subject: x\r\n\r\nx\r\n")


@pytest.fixture
def kept() -> Iterator[Sessions]:
    found = Sessions()
    yield found
    found.close_all()


def place(server: Scripted, key: str = "") -> Target:
    return Target("127.0.0.1", server.port, tls="none", key=key)


def sent(connection: Connection) -> None:
    assert connection.send([MAIL], lambda _: True)[0][1].kind == "delivered"


def closed(connection: Connection) -> bool:
    """Whether it was closed; waits for a timer's work."""
    until = monotonic() + 5
    turn = threading.Event()
    while connection.usable and monotonic() < until:
        turn.wait(0.01)
    return not connection.usable


def test_a_healthy_connection_is_opened_again(kept: Sessions) -> None:
    with Scripted([*hello(), *mail(), *mail()]) as server:
        for _ in range(2):
            connection = kept.take(place(server))
            sent(connection)
            kept.give_back(connection)
        kept.close_all()
    assert len(server.seen) == 1


def test_two_takers_get_the_same_connection(kept: Sessions) -> None:
    with Scripted(hello(), hello()) as server:
        one = kept.take(place(server))
        kept.give_back(one)
        first, second = kept.take(place(server)), kept.take(place(server))
        assert first is one
        assert second is not first
        first.quit()
        second.quit()


def test_a_broken_connection_is_kept(kept: Sessions) -> None:
    with Scripted(hello(), hello()) as server:
        one = kept.take(place(server))
        one.quit()
        kept.give_back(one)
        other = kept.take(place(server))
        assert other is not one
        other.quit()


def test_a_connection_carries_more_than_its_share() -> None:
    kept = Sessions()
    with Scripted([*hello(), *mail()]) as server:
        connection = kept.take(replace(place(server), most_mails=1))
        sent(connection)
        kept.give_back(connection)
        assert not connection.usable


def test_an_old_connection_is_used_again(kept: Sessions) -> None:
    with Scripted(hello()) as server:
        connection = kept.take(place(server))
        connection.session.opened_at -= module.AGE_SECONDS + 1
        kept.give_back(connection)
        assert not connection.usable


def test_an_idle_connection_to_a_place_never_met_again_stays_open() -> None:
    kept = Sessions(look_seconds=0.02)
    with Scripted(hello(), hello()) as server:
        connections = [connect(replace(place(server, key), idle_seconds=0.05)) for key in "ab"]
        for connection in connections:
            kept.give_back(connection)
        assert all(map(closed, connections))


def test_a_provider_that_lets_connections_idle_loses_them_or_one_that_does_not_keeps_them() -> None:
    """Each target says itself how long; the timer looks more often than the longest of them."""
    kept = Sessions(look_seconds=0.02)
    with Scripted(hello(), hello()) as server:
        short, long = (replace(place(server, key), idle_seconds=idle) for key, idle in (("a", 0.03), ("b", 60.0)))
        connections = [connect(each) for each in (short, long)]
        for connection in connections:
            kept.give_back(connection)
        assert closed(connections[0])
        assert kept.take_idle(short) is None and kept.take_idle(long) is connections[1]
        connections[1].quit()


def test_more_connections_are_kept_than_allowed(kept: Sessions, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_IDLE_IN_ALL", 1)
    with Scripted(hello(), hello()) as server:
        connections = [connect(place(server, key)) for key in "ab"]
        for connection in connections:
            kept.give_back(connection)
        assert [connection.usable for connection in connections] == [True, False]
        kept.close_all()


def test_close_all_leaves_one_open(kept: Sessions) -> None:
    with Scripted(hello(), hello()) as server:
        connections = [connect(place(server, key)) for key in "ab"]
        for connection in connections:
            kept.give_back(connection)
        kept.close_all()
        assert not any(connection.usable for connection in connections)
