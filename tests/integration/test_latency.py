"""Latency: what is measured is what happened, late mail uses up the budget, and held mail does not."""

from collections.abc import Iterator
from typing import Any

import pytest

from common.db.session import transaction
from common.domain.objectives import Objective, budget
from tests.callers import Api, an_api
from tests.pipeline import work_off


@pytest.fixture
def api(database: None) -> Iterator[Api]:
    with an_api() as found:
        yield found


def tier(api: Api, name: str, path: str = "/v1/latency", key: str | None = None) -> dict[str, Any]:
    answer = api.call("GET", path, key=key)
    assert answer.status_code == 200, answer.data
    return next(each for each in answer.get_json()["data"] if each["priority"] == name)


def age(seconds: float) -> None:
    """Let everything so far have been accepted earlier."""
    with transaction() as connection:
        connection.exec_driver_sql(
            "UPDATE messages SET created_at = created_at - make_interval(secs => %s)", (seconds,)
        )


def test_nothing_is_measured_or_is_an_error(api: Api) -> None:
    found = tier(api, "critical")
    assert found["messages"] == 0 and found["met"] and found["first_attempt"] == {"p50": None, "p95": None, "p99": None}
    assert found["error_budget"] == {"allowed": 0.0, "late": 0, "left": 1.0, "burn": 0.0}
    for wrong in ("0", "86401", "x", "1.5"):
        assert api.call("GET", f"/v1/latency?window={wrong}").status_code == 400


def test_a_late_message_leaves_the_budget_as_it_was(api: Api) -> None:
    for _ in range(3):
        api.send(priority="critical")
    work_off()
    age(3.0)
    api.send(priority="critical")
    work_off()
    found = tier(api, "critical")
    assert found["messages"] == 4 and found["error_budget"]["late"] == 3
    assert not found["met"] and found["error_budget"]["burn"] > 1 and found["error_budget"]["left"] < 0
    assert 3.0 <= found["first_attempt"]["p99"] < 30 and found["delivery"]["p50"] >= found["first_attempt"]["p50"]
    assert tier(api, "normal")["messages"] == 0 and tier(api, "critical", key=api.test)["messages"] == 0
    age(120)
    assert tier(api, "critical", "/v1/latency?window=60")["messages"] == 0


def test_what_waits_too_long_is_not_late_until_it_is_tried(api: Api) -> None:
    api.send(priority="critical")
    age(5)
    found = tier(api, "critical")
    assert (found["waiting"], found["error_budget"]["late"]) == (1, 1)
    api.call("POST", "/v1/holds", {"match": {}, "reason": "why"})
    found = tier(api, "critical")
    assert (found["waiting"], found["error_budget"]["late"], found["messages"]) == (0, 0, 0)


def test_a_budget_is_counted_wrongly() -> None:
    found = budget(Objective(2.0, 0.99), 1000, 5)
    assert (found.allowed, found.left, found.burn) == (10.0, 0.5, 0.5)
    assert budget(Objective(2.0, 0.99), 100, 3).burn == pytest.approx(3.0)
