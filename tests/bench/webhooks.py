"""Webhook figures: signed deliveries per second of one process beside a plain loop; from POST to POST at idle."""

import http.client
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.bench.figures import Figure, at_least
from tests.bench.hooks import Hooks, plain_rate
from tests.bench.load import percentile
from tests.bench.machine import paused
from tests.bench.stand import WORKERS, Stand, wait_until

ROUNDS = 2


def measure(stand: Stand, *, events: int, probes: int, seconds: float) -> list[Figure]:
    """`events` deliveries for the rate, `probes` messages at idle for the latency. Raises TimedOut."""
    with _subscribed(stand) as hooks:
        return [*_latency(stand, hooks, probes, seconds), _rate(stand, hooks, events, seconds)]


@contextmanager
def _subscribed(stand: Stand) -> Iterator[Hooks]:
    hooks = Hooks(stand.folder / "hooks.log")
    try:
        made = _call(stand, "POST", "/v1/webhooks", {"url": hooks.url, "event_types": ["message.queued"]})
        try:
            yield hooks
        finally:
            _call(stand, "DELETE", f"/v1/webhooks/{made['id']}")
    finally:
        hooks.stop()


def _call(stand: Stand, method: str, path: str, body: Any = None) -> Any:
    client = http.client.HTTPConnection("127.0.0.1", stand.port, timeout=30)
    try:
        headers = {"Authorization": f"Bearer {stand.token}", "Content-Type": "application/json"}
        client.request(method, path, None if body is None else json.dumps(body), headers)
        answer = client.getresponse()
        content = answer.read()
        if answer.status >= 300:
            raise RuntimeError(f"{method} {path}: {answer.status} {content[:300]!r}")
        return json.loads(content) if content else None
    finally:
        client.close()


def _latency(stand: Stand, hooks: Hooks, probes: int, seconds: float) -> Iterator[Figure]:
    stand.post(connections=1, count=20, every=0.02, prefix="hookwarm")
    wait_until(lambda: len(hooks.calls("hookwarm")) >= 20, seconds, "the first webhook calls")
    report = stand.post(connections=1, count=probes, every=0.03, prefix="hookidle")
    wait_until(lambda: len(hooks.calls("hookidle")) >= probes, seconds, "the last webhook call")
    there = {recipient: at for at, recipient in reversed(hooks.calls("hookidle"))}
    taken = sorted((there[recipient] - sent) / 1e6 for recipient, sent in report.sent)
    for percent in (50, 99):
        meaning = "POST of a message to the POST of message.queued, nothing else to do"
        yield Figure(f"accept to webhook p{percent}", percentile(taken, percent), "ms", meaning)


def _rate(stand: Stand, hooks: Hooks, events: int, seconds: float) -> Figure:
    """Only the webhooks process works; the plain loop posts to the same endpoint in turns with it."""
    pids = stand.house.pids()
    others = [pids[name] for name in WORKERS if name in pids and name != "webhooks"]
    own, plain = [], []
    with paused(others):
        for turn in range(ROUNDS):
            prefix = f"hookrate{turn}x"
            with paused([pids["webhooks"]]):
                stand.post(
                    path="/v1/messages/batch", connections=4, count=events // 100, per_request=100, prefix=prefix
                )
            count = events // 100 * 100
            wait_until(lambda: len(hooks.calls(prefix)) >= count, seconds, "the last webhook call")  # noqa: B023
            calls = hooks.calls(prefix)
            own.append((count - 1) / ((calls[-1][0] - calls[0][0]) / 1e9))
            plain.append(plain_rate(hooks.url, max(100, events // 4)))
    return at_least(
        "webhooks, signed deliveries per second",
        sum(own) / ROUNDS,
        "/s",
        "one worker process, one endpoint, first to last call",
        beside="a loop of requests.Session.post",
        floor=sum(plain) / ROUNDS,
        times=2,
    )
