"""One run: a formation, a sink, a ledger and a storm; then silence, the dump and the verdict."""

import json
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

from common.domain.ids import new_id
from common.services.quickstart import QUICKSTART_ACCOUNT
from tests.chaos.faults import Storm, plan_faults
from tests.chaos.formation import House
from tests.chaos.ledger import Connection, Ledger, plan_entries, wait_for
from tests.chaos.receiver import Receiver
from tests.chaos.records import Watch, connect, count_live, dump
from tests.chaos.sink import Sink
from tests.chaos.verdict import AT_LEAST_ONCE, Records, Verdict, judge

LEASE_SECONDS = 5.0
STANDARD_FAULTS = ("flushall", "kill:postgres", "kill:valkey", "freeze:delivery")
GRACEFUL_FAULTS = tuple(
    f"terminate:{name}" for name in ("web", "routing", "delivery", "critical", "retry", "scheduler", "delivery")
)
"""A rolling restart; delivery twice."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run does. `tempfail` and `drop` are percentages; `drain` is seconds to reach the end of all mail."""

    messages: int = 2000
    kills: int = 10
    seed: int = 1
    guarantee: str = AT_LEAST_ONCE
    faults: Sequence[str] = STANDARD_FAULTS
    tempfail: float = 20.0
    drop: float = 1.0
    calibration: str = ""
    drain: float = 90.0
    delay: float = 0.0
    webhooks: bool = False
    settings: Mapping[str, object] = field(default_factory=dict)

    @property
    def command(self) -> str:
        """The one command that does this run again."""
        parts = [f"--messages {self.messages} --kills {self.kills} --seed {self.seed} --guarantee {self.guarantee}"]
        parts += [f"--fault {fault}" for fault in self.faults]
        parts += [f"--tempfail {self.tempfail:g} --drop {self.drop:g} --delay {self.delay:g} --drain {self.drain:g}"]
        if self.webhooks:
            parts.append("--webhooks")
        if self.calibration:
            parts.append(f"--calibration {self.calibration}")
        return ".venv/bin/python -m tests.chaos " + " ".join(parts)


@dataclass(slots=True)
class Result:
    """The verdict, what struck, and how long it took."""

    plan: Plan
    verdict: Verdict
    struck: list[str]
    seconds: float
    looks: int

    def report(self) -> str:
        storm = "\n".join(f"  {line}" for line in self.struck)
        title = f"seed {self.plan.seed}, {self.plan.guarantee}, {self.seconds:.0f} s"
        head = f"{title}, {self.looks} looks at the invariants"
        return f"{head}\n{storm}\n{self.verdict.report()}\nagain: {self.plan.command}"


def settings_of(plan: Plan) -> dict[str, object]:
    """The product's settings under a storm: retries compressed, short leases, no quota."""
    return {
        "time_scale": 1200,
        "lease_seconds": LEASE_SECONDS,
        "renew_seconds": 1,
        "sweep_seconds": 0.5,
        "rate_limit_per_minute": 10_000_000,
        "delivery_guarantee": plan.guarantee,
        "calibration_fault": plan.calibration,
        "log_format": "json",
        **plan.settings,
    }


def perform(plan: Plan, folder: Path) -> Result:
    """Do it. `folder` keeps the ledger and the sink log."""
    began = time.monotonic()
    sink = Sink(folder / "sink.log", tempfail=plan.tempfail, drop=plan.drop, seed=plan.seed, delay=plan.delay)
    receiver = Receiver(folder / "receiver.log", fail=10.0, seed=plan.seed) if plan.webhooks else None
    try:
        with House(settings_of(plan)) as house:
            send_through(house, sink.port)
            return _storm(plan, house, sink, receiver, folder, began)
    finally:
        sink.stop()
        if receiver is not None:
            receiver.stop()


def subscribe(house: House, url: str) -> str:
    """Subscribe the endpoint to every event of messages; answers its secret."""
    connection = Connection(house.facts["api_url"], house.facts["live_key"])
    status, made = connection.call(
        "POST", "/v1/webhooks", json.dumps({"url": url, "event_types": ["message.*"]}).encode()
    )
    connection.close()
    if status != 201:
        raise RuntimeError(f"the webhook was not made: {status} {made}")
    return str(made["secret"])


def send_through(house: House, port: int) -> UUID:
    """Make the sink the quickstart account's way out; answers the source's id."""
    source_id = new_id()
    with connect(house.database_url) as connection, connection.transaction():
        connection.execute(
            "INSERT INTO sources (id, account_id, name, kind, host, port, tls)"
            " VALUES (%s, %s, 'chaos', 'relay', '127.0.0.1', %s, 'none')",
            [source_id, QUICKSTART_ACCOUNT, port],
        )
        connection.execute("UPDATE accounts SET default_source_id = %s WHERE id = %s", [source_id, QUICKSTART_ACCOUNT])
    return source_id


def _storm(plan: Plan, house: House, sink: Sink, receiver: Receiver | None, folder: Path, began: float) -> Result:
    secret = subscribe(house, receiver.url) if receiver else ""
    entries = plan_entries(plan.seed, plan.messages)
    deadline = time.monotonic() + plan.drain
    ledger = Ledger(house.facts["api_url"], house.facts["live_key"], entries, folder / "ledger.log", deadline=deadline)
    faults = plan_faults(plan.seed, plan.kills, plan.faults)

    def progress() -> float:
        return min(ledger.done, sink.count()) / max(1, plan.messages)

    with Watch(house.database_url) as watch:
        with Storm(house, plan.seed, faults, progress, pause=LEASE_SECONDS + 2) as storm:
            ledger.send_all()
            ledger.cancel_some()
            storm.wait(plan.drain)
        with suppress(AssertionError):
            wait_for(lambda: count_live(house.database_url) == 0, deadline - time.monotonic(), "an end of all mail")
    calls = receiver.calls() if receiver else None
    records = Records(entries, sink.received(), dump(house.database_url), plan.guarantee, watch.seen, calls, secret)
    return Result(plan, judge(records), storm.struck, time.monotonic() - began, watch.looks)
