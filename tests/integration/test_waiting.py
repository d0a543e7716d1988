"""No live message is without a reason, a since-time and a next-time, in whatever state it waits."""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import pytest

from common.config import current_settings
from common.db.session import rows, transaction
from common.domain.ids import decode, new_id
from common.services import delivery, due, parking, routing
from tests.callers import Api, an_api


@pytest.fixture(scope="module")
def house(engines: Any) -> Iterator[Api]:
    with an_api() as found:
        yield found


def _route(which: Any) -> None:
    with transaction() as connection:
        routing.route(connection, [which])


def _claim(which: Any) -> Any:
    _route(which)
    with transaction() as connection:
        return delivery.claim(connection, [which], new_id(), 60)[0]


def _park(which: Any) -> None:
    claimed = _claim(which)
    with transaction() as connection:
        parking.park(connection, [claimed], "place", "Pacing of google: others wait before it.", [60.0], woken=True)


def _lose(which: Any) -> None:
    """Its worker dies after the final dot."""
    claimed = _claim(which)
    with transaction() as connection:
        delivery.fence(connection, [claimed], 60)
        connection.exec_driver_sql("UPDATE messages SET lease_until = now() WHERE id = %s", (which,))
    with transaction() as connection:
        due.rescue(connection, current_settings())


def _abandon(which: Any) -> None:
    """Its worker dies before the final dot."""
    _claim(which)
    with transaction() as connection:
        connection.exec_driver_sql("UPDATE messages SET lease_until = now() WHERE id = %s", (which,))
    with transaction() as connection:
        due.rescue(connection, current_settings())


def _hold(which: Any) -> None:
    with transaction() as connection:
        connection.exec_driver_sql(
            "INSERT INTO holds (id, kind, reason, author, tag, expires_at) VALUES (%s, 'hold', 'why', 'anna', 'held',"
            " now() + interval '1 h')",
            (new_id(),),
        )
    _route(which)


STATES: dict[str, tuple[str, Callable[[Any], Any], str]] = {
    "queued": ("queued", lambda _: None, "routing"),
    "accepted": ("accepted", _route, "delivery"),
    "being_sent": ("accepted", _claim, "delivery"),
    "paced": ("accepted", _park, "pace"),
    "unknown": ("deferred", _lose, "retry"),
    "abandoned": ("accepted", _abandon, "delivery"),
    "held": ("queued", _hold, "hold"),
}


@pytest.mark.parametrize("state", STATES)
def test_a_message_waits_for_no_reason_or_for_ever(house: Api, state: str) -> None:
    status, reach, cause = STATES[state]
    _check(house, house.send(tags=[state]), status, reach, cause)


def test_a_scheduled_message_waits_for_no_reason(house: Api) -> None:
    ahead = due_time(7200)
    _check(house, house.send(scheduled_time=ahead), "scheduled", lambda _: None, "time")


def due_time(seconds: int) -> str:
    with transaction() as connection:
        found = rows(connection, "SELECT to_char((now() + make_interval(secs => %s)) AT TIME ZONE 'UTC',"
                                 " 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') AS at", seconds)  # fmt: skip
    return str(found[0].at)


def _check(house: Api, sent: dict[str, Any], status: str, reach: Callable[[Any], Any], cause: str) -> None:
    reach(decode("msg", sent["message_id"]))
    found = house.read(sent["message_id"])
    waiting = found["waiting"]
    assert (found["status"], waiting["for"]) == (status, cause)
    assert len(waiting["detail"]) > 5
    since, until = (datetime.fromisoformat(waiting[name]) for name in ("since", "until"))
    assert since.tzinfo is not None and until.tzinfo is not None
    listed = house.call("GET", f"/v1/messages?recipient={sent['recipient']}").get_json()["data"]
    assert next(each for each in listed if each["message_id"] == sent["message_id"])["waiting"] == waiting


def test_a_live_state_is_not_looked_at() -> None:
    """What the states above are: a status, or what a message of one may wait for."""
    assert {status for status, _, _ in STATES.values()} | {"scheduled"} == {
        "scheduled", "queued", "accepted", "deferred",
    }  # fmt: skip
    assert {cause for _, _, cause in STATES.values()} | {"time"} == {
        "time", "routing", "delivery", "retry", "pace", "hold",
    }  # fmt: skip
