"""The load generator: a process of its own with raw keep-alive sockets and prebuilt requests.

`run(Load(...))` starts it, waits and answers a Report; `python -m tests.bench.load` is the child's side,
a JSON Load on standard input and a JSON Report on standard output. Never here: what a figure means.
"""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field


@dataclass(frozen=True, slots=True)
class Load:
    """What to send: until `seconds` have passed or `count` requests were answered, over `connections`.

    `every` above 0 paces each connection: seconds from one request to the next. `per_request` above 1
    posts batches of so many messages.
    """

    port: int
    token: str
    path: str = "/v1/messages"
    connections: int = 1
    seconds: float = 0.0
    count: int = 0
    every: float = 0.0
    priority: str = "normal"
    prefix: str = "u"
    per_request: int = 1


@dataclass(slots=True)
class Report:
    """What came back. `latencies` are milliseconds, sorted; `sent` is [recipient, epoch nanoseconds] where paced."""

    requests: int = 0
    refused: int = 0
    refusal: str = ""
    seconds: float = 0.0
    began: int = 0
    cpu_seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    sent: list[tuple[str, int]] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Accepted requests per second."""
        return (self.requests - self.refused) / self.seconds if self.seconds else 0.0

    def percentile(self, percent: float) -> float:
        """Milliseconds below which so many percent were answered."""
        return percentile(self.latencies, percent)


def merge(reports: Sequence[Report]) -> Report:
    """Several rounds of the same load as one."""
    whole = Report(began=min(report.began for report in reports))
    for report in reports:
        whole.requests += report.requests
        whole.refused += report.refused
        whole.refusal = whole.refusal or report.refusal
        whole.seconds += report.seconds
        whole.cpu_seconds += report.cpu_seconds
        whole.latencies += report.latencies
        whole.sent += report.sent
    whole.latencies.sort()
    return whole


def percentile(values: list[float], percent: float) -> float:
    """Of sorted values; nan when there are none."""
    if not values:
        return float("nan")
    return values[min(len(values) - 1, int(len(values) * percent / 100))]


def run(load: Load) -> Report:
    """Do it in a child process. Raises RuntimeError with the child's last words."""
    return start(load)()


class start:  # noqa: N801 - reads as a verb: start(load) now, call it for the report
    """A load under way; call it to wait for its report."""

    def __init__(self, load: Load) -> None:
        self._child = subprocess.Popen(
            [sys.executable, "-m", "tests.bench.load"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self._child.stdin is not None
        self._child.stdin.write(json.dumps(asdict(load)))
        self._child.stdin.close()
        self._child.stdin = None

    def __call__(self) -> Report:
        try:
            out, errors = self._child.communicate()
        except BaseException:
            self._child.kill()
            self._child.wait()
            raise
        if self._child.returncode != 0:
            raise RuntimeError(f"the load generator failed: {errors[-2000:]}")
        return Report(**json.loads(out))


class _Client(asyncio.Protocol):
    def __init__(self, work: "_Work") -> None:
        self._work = work
        self._buffer = b""
        self._began = 0.0
        self._finished = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._send()

    def _send(self) -> None:
        request = self._work.next_request()
        if request is None:
            self._finished = True
            self._transport.close()
            self._work.left()
            return
        self._began = time.perf_counter()
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self._buffer[:end].lower()
        at = head.find(b"content-length:")
        length = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
        if len(self._buffer) < end + 4 + length:
            return
        took = time.perf_counter() - self._began
        self._work.answered(self._buffer, took)
        self._buffer = b""
        if self._work.load.every:
            pause = max(0.0, self._work.load.every - took)
            asyncio.get_running_loop().call_later(pause, self._send)
        else:
            self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._finished:
            self._work.lost(exc)


class _Work:
    """Shared by the connections of this process."""

    def __init__(self, load: Load) -> None:
        self.load = load
        self.report = Report()
        self.done = asyncio.Event()
        self._clients = load.connections
        self._number = 0
        self._deadline = 0.0
        self._head = (
            f"POST {load.path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {load.token}\r\n"
            "Content-Type: application/json\r\nContent-Length: "
        ).encode()

    def begin(self) -> None:
        self.report.began = time.time_ns()
        self._since = time.perf_counter()
        self._deadline = self._since + self.load.seconds if self.load.seconds else float("inf")

    def next_request(self) -> bytes | None:
        load = self.load
        if (load.count and self._number >= load.count) or time.perf_counter() >= self._deadline:
            return None
        self._number += 1
        body = self._one(self._number) if load.per_request == 1 else self._many(self._number)
        return b"%b%d\r\n\r\n%b" % (self._head, len(body), body)

    def _one(self, number: int) -> bytes:
        recipient = f"{self.load.prefix}{number:08d}@example.net"
        if self.load.every:
            self.report.sent.append((recipient, time.time_ns()))
        return self._message(recipient)

    def _message(self, recipient: str) -> bytes:
        return (
            f'{{"recipient":"{recipient}","from":"hello@example.com","subject":"Your verification code",'
            f'"text":"Your code is 847291. It expires in 5 minutes.",'
            f'"html":"<p>Your code is <b>847291</b>. It expires in 5 minutes.</p>",'
            f'"priority":"{self.load.priority}","tags":["bench"],"metadata":{{"run":"bench"}}}}'
        ).encode()

    def _many(self, number: int) -> bytes:
        each = [
            self._message(f"{self.load.prefix}{number:06d}x{i:03d}@example.net") for i in range(self.load.per_request)
        ]
        return b'{"messages":[' + b",".join(each) + b"]}"

    def answered(self, answer: bytes, took: float) -> None:
        self.report.requests += 1
        self.report.latencies.append(took * 1000)
        if not answer.startswith(b"HTTP/1.1 20"):
            self.report.refused += 1
            self.report.refusal = answer[:600].decode("utf-8", "replace")

    def left(self) -> None:
        self._clients -= 1
        if self._clients == 0:
            self.report.seconds = time.perf_counter() - self._since
            self.done.set()

    def lost(self, error: Exception | None) -> None:
        """A connection that ended in the middle of its work."""
        self.report.refused += 1
        self.report.requests += 1
        self.report.refusal = f"a connection was lost: {error!r}"
        self.left()


async def _perform(load: Load) -> Report:
    work = _Work(load)
    loop = asyncio.get_running_loop()
    work.begin()
    for _ in range(load.connections):
        await loop.create_connection(lambda: _Client(work), "127.0.0.1", load.port)
    await asyncio.wait_for(work.done.wait(), (load.seconds or 240) + 60)
    times = os.times()
    work.report.cpu_seconds = times.user + times.system
    work.report.latencies = sorted(round(each, 3) for each in work.report.latencies)
    return work.report


def main() -> None:
    load = Load(**json.load(sys.stdin))
    print(json.dumps(asdict(asyncio.run(_perform(load)))))


if __name__ == "__main__":
    main()
