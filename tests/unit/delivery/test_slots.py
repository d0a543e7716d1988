"""Mail that is offered to two threads, to nobody, or remembered for ever."""

import threading
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from workers.delivery import slots
from workers.delivery.slots import Slots


@dataclass(frozen=True)
class Mail:
    """As much of a claimed message as is looked at."""

    name: str
    tier: int = 1
    row: Any = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "row", SimpleNamespace(tier=self.tier))


def offered(found: Slots, mail: list[Any], answers: list[bool]) -> threading.Thread:
    made = threading.Thread(target=lambda: answers.append(found.hand_over("place", mail)))
    made.start()
    return made


def wait_for(condition: Any) -> None:
    pause = threading.Event()
    for _ in range(2000):
        if condition():
            return
        pause.wait(0.005)
    raise AssertionError("it never came true")


def test_offered_mail_is_taken_by_nobody_or_out_of_order() -> None:
    found, answers = Slots(), list[bool]()
    found.enter("place", 1)
    waiting = [offered(found, [Mail("bulk", 2)], answers)]
    wait_for(lambda: len(found._offers.get("place", [])) == 1)
    waiting.append(offered(found, [Mail("normal", 1), Mail("more", 1)], answers))
    wait_for(lambda: len(found._offers["place"]) == 2)
    assert [each.name for each in found.take_over("place", 1)] == ["normal", "more"]  # type: ignore[attr-defined]
    assert [each.name for each in found.take_over("place", 9)] == ["bulk"]  # type: ignore[attr-defined]
    assert found.take_over("place", 9) == []
    for each in waiting:
        each.join(20)
    assert answers == [True, True]


def test_mail_waits_where_nobody_is_at_work_any_more() -> None:
    found, answers = Slots(), list[bool]()
    found.enter("place", 1)
    waiting = offered(found, [Mail("a")], answers)
    wait_for(lambda: "place" in found._offers)
    found.leave("place")
    waiting.join(20)
    assert answers == [False] and found.take_over("place", 9) == []


def test_a_place_that_hangs_is_waited_for_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slots, "PROGRESS_SECONDS", 0.02)
    found = Slots()
    found.enter("place", 1)
    assert not found.hand_over("place", [Mail("a")])  # type: ignore[list-item]
    monkeypatch.setattr(slots, "PROGRESS_SECONDS", 60.0)
    assert not found.hand_over("place", [Mail("a")])  # type: ignore[list-item]
    found.progress("place", slots.clock.monotonic())
    assert not found._slow


def test_every_place_there_ever_was_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slots, "PROGRESS_SECONDS", 0.0)
    monkeypatch.setattr(slots, "SLOW_SECONDS", 0.0)
    found = Slots()
    for number in range(50):
        found.enter(f"place {number}", 1)
        assert not found.hand_over(f"place {number}", [Mail("a")])  # type: ignore[list-item]
        found.leave(f"place {number}")
    assert len(found._slow) <= 1
    assert not (found._offers or found._busy or found._progress)
