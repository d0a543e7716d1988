"""Whatever happens to a message, in whatever order: while it lives it says why it waits, since when, what is next."""

import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from common import clock
from common.config import current_settings
from common.db import session
from common.db.session import transaction
from common.domain.ids import decode, new_id
from common.domain.lifecycle import ENDED
from common.domain.outcomes import Outcome
from common.domain.pacing import _SAID, note_of
from common.services import delivery, due, keys, parking, requeueing, routing
from tests.callers import Api, an_api
from workers.scheduler.rounds import Rounds

WALKS, STEPS = 33, 7


@pytest.fixture(scope="module")
def house(engines: Any) -> Iterator[Api]:
    with an_api() as found:
        with transaction() as connection:
            connection.exec_driver_sql("TRUNCATE holds")
            connection.exec_driver_sql("UPDATE accounts SET requests_per_minute = 100000")
        keys.forget()
        yield found
        with transaction() as connection:
            connection.exec_driver_sql("TRUNCATE holds, policies, policy_drafts")


class Walk:
    """One message, and what may happen to it. What does not fit its state changes nothing."""

    def __init__(self, api: Api, dice: random.Random) -> None:
        self.api, self.dice = api, dice
        fields: dict[str, Any] = {"priority": dice.choice(["critical", "normal", "bulk"])}
        if dice.random() < 0.25:
            fields["scheduled_time"] = clock.rfc3339(clock.now() + timedelta(seconds=dice.randint(60, 7200)))
        if dice.random() < 0.25:
            fields["ttl"] = 86_400
        self.tier = fields["priority"]
        self.claimed: list[delivery.Claimed] = []
        self._send(**fields)

    def _send(self, **fields: Any) -> None:
        self.id = self.api.send(tags=["promo"], **fields)["message_id"]
        which = decode("msg", self.id)
        assert which is not None
        self.row: UUID = which

    def _change(self, sql: str) -> None:
        with transaction() as connection:
            connection.exec_driver_sql(f"UPDATE messages SET {sql} WHERE id = %s", (self.row,))

    def its_time_comes(self) -> None:
        self._change(
            "next_attempt_at = least(next_attempt_at, now()), scheduled_time ="
            " CASE WHEN scheduled_time IS NOT NULL THEN now() - interval '2 s' END"
        )

    def a_round(self) -> None:
        Rounds(current_settings(), session.engine()).run()

    def route(self) -> None:
        with transaction() as connection:
            routing.route(connection, [self.row])

    def claim(self) -> None:
        """As far as a worker comes with it now."""
        self.its_time_comes()
        self.route()
        with transaction() as connection:
            self.claimed = delivery.claim(connection, [self.row], new_id(), 60) or self.claimed

    def park(self) -> None:
        """It gets no slot, for whichever reason there is."""
        self.claim()
        limit = self.dice.choice(list(_SAID))
        with transaction() as connection:
            note = note_of(limit, "google", 3, 3)
            wait = float(self.dice.randint(1, 90))
            parking.park(connection, self.claimed, "place", note, [wait for _ in self.claimed],
                         woken=self.dice.random() < 0.5)  # fmt: skip
        self.claimed = []

    def answer(self) -> None:
        self.claim()
        kind = self.dice.choice(["deferred", "deferred", "unknown", "untried"])
        category = {"deferred": self.dice.choice(["throttled", "greylisted", "connection", "mailbox_full"])}.get(kind)
        outcome = Outcome(kind, "dot", 451, "4.2.1", "later", category or "connection")  # type: ignore[arg-type]
        outcome = replace(outcome, wait_seconds=3.0) if kind == "untried" else outcome
        with transaction() as connection:
            delivery.record(connection, current_settings(), [(each, outcome) for each in self.claimed], clock.now())
        self.claimed = []

    def die(self) -> None:
        """The worker dies, before or after the final dot."""
        self.claim()
        with transaction() as connection:
            if self.dice.random() < 0.7:
                delivery.fence(connection, self.claimed, 60)
            connection.exec_driver_sql("UPDATE messages SET lease_until = now() WHERE lease_until IS NOT NULL")
        with transaction() as connection:
            due.rescue(connection, current_settings())
        self.claimed = []

    def _post(self, path: str, body: Any = None, key: str | None = None) -> Any:
        answer = self.api.call("POST", path, body, key)
        assert answer.status_code < 500, answer.data
        return answer.get_json()

    def hold(self) -> None:
        match = self.dice.choice([{}, {"tag": "promo"}, {"recipient_domain": "example.net"}])
        self._post("/v1/holds", {"match": match, "reason": "wrong price", "author": "anna"})

    def hold_everywhere(self) -> None:
        self._post("/v1/holds?everywhere=true", {"match": {}, "reason": "the edge is on fire"}, self.api.admin)

    def stop_queue(self) -> None:
        tier = self.dice.choice([self.tier, self.tier, "critical", "normal", "bulk"])
        queue, kind = f"{self.dice.choice(['routing', 'delivery'])}.{tier}", self.dice.choice(["pause", "drain"])
        self._post(f"/v1/queues/{queue}/{kind}", {"reason": "look first"})

    def come_after_a_drain(self) -> None:
        """Another message, which comes when its queue is being drained."""
        self._post(f"/v1/queues/routing.{self.tier}/drain", {"reason": "look first"})
        self._send(priority=self.tier)
        self.route()

    def let_go(self, whole: bool = False) -> None:
        for each in self.api.call("GET", "/v1/holds?state=active&everywhere=true", key=self.api.admin).get_json()[
            "data"
        ]:
            if whole or self.dice.random() < 0.8:
                self._post(f"/v1/holds/{each['id']}/release", key=self.api.admin)

    def clear(self) -> None:
        """No holds, and a policy that says nothing."""
        self.let_go(True)
        self.api.call("PUT", "/v1/policy/draft", {})
        self._post("/v1/policy/publish", {"reason": "a test"})

    def publish(self) -> None:
        hold = {"name": "wait", "act": "hold", "reason": "421"}
        document = self.dice.choice([
            {"rules": [hold]},
            {"rules": [hold | {"duration": 3600}]},
            {"in_doubt": {"default": "hold"}},
            {},
            None,
        ])  # fmt: skip
        if document is None:
            return self._publish_a_pool_without_members()
        self.api.call("PUT", "/v1/policy/draft", document)
        self._post("/v1/policy/publish", {"reason": "a test"})
        return None

    def _publish_a_pool_without_members(self) -> None:
        """Its only source is disabled after the policy was published."""
        self.api.call(
            "POST", "/v1/sources", {"name": "gone", "kind": "relay", "host": "smtp.example.org", "tls": "required"}
        )
        with transaction() as connection:
            connection.exec_driver_sql("UPDATE sources SET enabled = true WHERE name = 'gone'")
        self.api.call("PUT", "/v1/policy/draft", {
            "rules": [{"name": "pool", "act": "pool", "pool": "p"}], "pools": {"p": {"members": [{"source": "gone"}]}},
        })  # fmt: skip
        self._post("/v1/policy/publish", {"reason": "a test"})
        with transaction() as connection:
            connection.exec_driver_sql("UPDATE sources SET enabled = false WHERE name = 'gone'")

    def decide(self) -> None:
        choice = self.dice.choice(["resend", "hold"])
        self._post(f"/v1/messages/{self.id}/in-doubt", {"choice": choice, "reason": "ticket 1017"})

    def move(self) -> None:
        ahead = self.dice.choice([None, clock.rfc3339(clock.now() + timedelta(hours=1))])
        answer = self.api.call("PATCH", f"/v1/messages/{self.id}", {"scheduled_time": ahead})
        assert answer.status_code in (200, 409), answer.data

    def reprioritise(self) -> None:
        self._post(
            "/v1/queues/reprioritise", {"match": {}, "priority": self.dice.choice(["normal", "bulk"]), "reason": "x"}
        )

    def requeue(self) -> None:
        with transaction() as connection:
            requeueing.requeue(connection, [self.row])


MOVES: tuple[tuple[Callable[[Walk], None], int], ...] = (
    (Walk.its_time_comes, 3), (Walk.a_round, 1), (Walk.route, 3), (Walk.claim, 1), (Walk.park, 3), (Walk.answer, 3),
    (Walk.die, 2), (Walk.hold, 1), (Walk.hold_everywhere, 1), (Walk.stop_queue, 1), (Walk.let_go, 2),
    (Walk.publish, 1), (Walk.decide, 2), (Walk.move, 1), (Walk.reprioritise, 1), (Walk.requeue, 1),
)  # fmt: skip

STARTS: tuple[tuple[Callable[[Walk], None], ...], ...] = (
    (), (Walk.claim,), (Walk.park,), (Walk.answer, Walk.park), (Walk.die, Walk.decide), (Walk.answer, Walk.hold),
    (Walk.route, Walk.stop_queue), (Walk.stop_queue, Walk.its_time_comes, Walk.route), (Walk.publish, Walk.claim),
    (Walk.hold_everywhere, Walk.claim), (Walk.come_after_a_drain,),
)  # fmt: skip
"""What a walk begins with, in turns; chance goes on."""

SEEN = {
    "scheduled time", "queued routing", "queued hold hold", "queued hold everywhere", "queued hold pause",
    "queued hold drain", "queued hold policy", "accepted delivery", "accepted pace", "accepted hold hold",
    "deferred retry", "deferred retry in_doubt", "deferred decision in_doubt", "deferred hold hold", "deferred pace",
    "being sent", "no member",
}  # fmt: skip
"""What the walks come by, so that a state is not left out by chance."""


def test_a_live_message_says_nothing_of_why_since_when_or_what_next(house: Api) -> None:
    dice = random.Random(20260420)
    seen: set[str] = set()
    moves, weights = [move for move, _ in MOVES], [weight for _, weight in MOVES]
    for number in range(WALKS):
        walk, path = Walk(house, dice), [f"walk {number}"]
        if number % 3:
            walk.clear()
        start = STARTS[number % len(STARTS)]
        for move in (*start, *dice.choices(moves, weights, k=STEPS - len(start))):
            move(walk)
            path.append(move.__name__)
            found = house.read(walk.id)
            if found["status"] in ENDED:
                assert found["waiting"] is None and found["held_by"] is None and found["in_doubt"] is None, path
                break
            _check(found, path)
            seen |= _state(found)
        house.call("DELETE", f"/v1/messages/{walk.id}")
    missing = SEEN - seen
    assert not missing, f"no walk came by {sorted(missing)}; seen: {sorted(seen)}"
    with transaction() as connection:
        broken = session.rows(connection, "SELECT * FROM invariant_violations")
    assert broken == []


def _check(found: dict[str, Any], path: list[str]) -> None:
    waiting = found["waiting"]
    assert waiting is not None and len(waiting["detail"]) > 5, (path, found)
    assert waiting["since"] is not None and waiting["until"] is not None, (path, found)
    since, until = (datetime.fromisoformat(waiting[name]) for name in ("since", "until"))
    created = datetime.fromisoformat(found["created_at"])
    assert created - timedelta(seconds=1) <= since <= clock.now() + timedelta(seconds=1), (path, found)
    # What is due already has its next step now; whoever holds it, or the clock, says when otherwise.
    assert found["waiting"]["for"] in ("routing", "delivery", "retry", "pace", "time") or until > since, (path, found)
    assert found["held"] == (found["held_by"] is not None), (path, found)
    if found["held"]:
        held = found["held_by"]
        assert held["since"] is not None and held["until"] == waiting["until"] and held["reason"], (path, found)


def _state(found: dict[str, Any]) -> set[str]:
    waiting, held = found["waiting"], found["held_by"]
    if waiting["detail"].startswith("No member of the pool"):
        return {"no member"}
    if waiting["detail"] == "It is being sent now.":
        return {"being sent"}
    doubt = " in_doubt" if found["in_doubt"] and waiting["for"] in ("retry", "decision") else ""
    state = f"{found['status']} {waiting['for']}{doubt}"
    if waiting["for"] != "hold":
        return {state}
    return {f"{state} {held['kind']}"} | ({f"{state} everywhere"} if held["reason"] == "the edge is on fire" else set())
