"""The test stand: the whole formation, the sink its mail goes to, and the floors beside it on the same engines.

Never here: which figures are taken.
"""

import http.client
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psycopg
import redis

from deploy.ports import accepts, settle_ports
from tests.bench import floor_celery
from tests.bench.load import Load, Report, run
from tests.bench.machine import STAGES, cpu_by_stage, cpu_seconds, paused, pss_bytes
from tests.chaos.formation import ROOT, House
from tests.chaos.run import send_through
from tests.fakes.sink import Sink, Taken

PROCESSES = 2
THREADS = 32
WORKERS = ("routing", "critical", "delivery", "retry", "webhooks", "webhooks-slow", "scheduler")


class TimedOut(RuntimeError):
    """Something did not come in its time; the text says what."""


def wait_until(condition: Callable[[], bool], seconds: float, what: str) -> None:
    """Raises TimedOut."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimedOut(f"{what} did not come within {seconds:.0f} s")
        time.sleep(0.02)


class Stand:
    """A running formation whose mail ends in `sink`; a context manager over a folder of the caller's."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.sink = Sink(folder / "sink.log")
        self.accepted = 0
        self._floor_pids: list[int] = []
        self.house = House(
            {
                "rate_limit_per_minute": 1_000_000_000,
                "api_processes": PROCESSES,
                "api_threads": THREADS,
                "log_format": "json",
            }
        )

    def __enter__(self) -> "Stand":
        try:
            self.house.start()
            send_through(self.house, self.sink.port)
            self.sign(False)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.house.close()
        self.sink.stop()

    def sign(self, wanted: bool) -> None:
        """Whether mails are signed with the quickstart domain's DKIM keys; workers notice within 30 s."""
        states = ("pending", "active") if wanted else ("active", "pending")
        with psycopg.connect(self.house.database_url) as connection:
            connection.execute("UPDATE domain_keys SET state = %s WHERE state = %s", (states[1], states[0]))

    @property
    def port(self) -> int:
        return int(self.house.facts["api_url"].rpartition(":")[2])

    @property
    def token(self) -> str:
        return str(self.house.facts["live_key"])

    def load(self, **options: object) -> Load:
        """A load on the product."""
        return Load(port=self.port, token=self.token, **options)  # type: ignore[arg-type]

    def post(self, **options: object) -> Report:
        """Send and count. Raises RuntimeError when anything is refused: such a figure would lie."""
        return self.counted(run(self.load(**options)), int(str(options.get("per_request", 1))))

    def counted(self, report: Report, per_request: int = 1) -> Report:
        """Remember how many mails will come of a report."""
        self.accepted += (report.requests - report.refused) * per_request
        if report.refused or report.refusal or not report.requests:
            raise RuntimeError(f"{report.refused} of {report.requests} requests were refused: {report.refusal}")
        return report

    @contextmanager
    def workers_paused(self) -> Iterator[None]:
        """Nothing consumes: accepting is measured alone, and a queue gathers."""
        pids = self.house.pids()
        with paused(pids[name] for name in WORKERS if name in pids):
            yield

    def wait_drained(self, seconds: float) -> None:
        """Until every accepted mail is in the sink. Raises TimedOut."""
        wait_until(lambda: self.sink.count() >= self.accepted, seconds, f"the last of {self.accepted:,} mails")

    def taken(self, prefix: str) -> list[Taken]:
        """The mails of one load, in the order they came."""
        return [each for each in self.sink.taken() if each.recipient.startswith(prefix)]

    def cpu(self) -> dict[str, float]:
        return cpu_by_stage(self.house.pids())

    def cpu_of(self, *stages: str) -> float:
        """Seconds of some stages so far, and of the floor's processes where one runs and `floor` is named."""
        found = self.cpu()
        own = sum(seconds for stage, seconds in found.items() if stage in stages)
        return own + (sum(cpu_seconds(pid) for pid in self._floor_pids) if "floor" in stages else 0.0)

    def sink_cpu(self) -> float:
        return cpu_seconds(self.sink.pid)

    def memory(self) -> dict[str, int]:
        """PSS bytes by stage, whatever has no stage under its own name."""
        found: dict[str, int] = {}
        for name, pid in self.house.pids().items():
            stage = STAGES.get(name, name)
            found[stage] = found.get(stage, 0) + pss_bytes([pid])
        return found

    def offers(self, path: str) -> bool:
        """Whether the API has a POST route of this path."""
        client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
            client.request("POST", path, b"{}", headers)
            return client.getresponse().status not in (404, 405)
        finally:
            client.close()

    def _environ(self) -> dict[str, str]:
        socket = self.house.redis_url.removeprefix("unix://").partition("?")[0]
        return {
            **os.environ,
            "BENCH_DATABASE_URL": self.house.database_url,
            "BENCH_REDIS_URL": f"unix://{socket}?db=1",
            "BENCH_BROKER": f"redis+socket://{socket}?virtual_host=1",
        }

    @contextmanager
    def _children(self, *commands: Sequence[str]) -> Iterator[list[int]]:
        log = (self.folder / "floors.log").open("ab")
        children = [
            subprocess.Popen(
                [sys.executable, *command],
                cwd=ROOT,
                env=self._environ(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
            for command in commands
        ]
        self._floor_pids = [child.pid for child in children]
        try:
            yield self._floor_pids
        finally:
            self._floor_pids = []
            for child in children:
                child.terminate()
            for child in children:
                try:
                    child.wait(15)
                except subprocess.TimeoutExpired:
                    child.kill()
                    child.wait()
            log.close()

    @contextmanager
    def floor_web(self) -> Iterator[Callable[..., Report]]:
        """The bare Flask view; gives a function that loads it."""
        port = settle_ports({"floor": ("127.0.0.1", 0)})["floor"]
        command = ["-m", "tests.bench.floor_web", str(port), str(PROCESSES), str(THREADS)]
        with self._children(command):
            wait_until(lambda: accepts("127.0.0.1", port), 30, "the bare Flask view")

            def post(**options: object) -> Report:
                report = run(Load(port=port, token="none", **options))  # type: ignore[arg-type]
                if report.refused or not report.requests:
                    raise RuntimeError(f"the bare Flask view refuses: {report.refusal}")
                return report

            yield post

    @contextmanager
    def floor_workers(self, *lines: Sequence[str]) -> Iterator[None]:
        """Celery workers of the floor app, warm; each line is the worker's options."""
        base = ["-m", "celery", "-A", "tests.bench.floor_celery", "worker", "--without-gossip", "--without-mingle"]
        commands = [[*base, "-n", f"floor{number}@%h", *line] for number, line in enumerate(lines)]
        with self._children(*commands):
            yield

    def publish(self, *arguments: str) -> str:
        """Run the floor's publisher to its end; what it printed."""
        command = [sys.executable, "-m", "tests.bench.floor_celery", *arguments]
        done = subprocess.run(command, cwd=ROOT, env=self._environ(), capture_output=True, text=True, check=True)
        return done.stdout

    def chain_latencies(self) -> list[float]:
        """Milliseconds of every chain of two so far, in order."""
        client = redis.Redis.from_url(self._environ()["BENCH_REDIS_URL"])
        return [int(each) / 1e6 for each in client.lrange(floor_celery.LIST, 0, -1)]
