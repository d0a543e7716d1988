"""The measurements, each in the order a run takes them: from a stand to figures. Never here: how a stand works."""

import os
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass

from tests.bench import flood, postfix, relay, webhooks, wire
from tests.bench.figures import Figure, above, at_least, at_most, under
from tests.bench.load import Report, merge, percentile, start
from tests.bench.stand import Stand, TimedOut, wait_until

Progress = Callable[[str], None]
BUDGET_MICROSECONDS = 1500.0
POSTFIX = "Postfix"


_ENGINES = ("PostgreSQL", "Valkey")


def _children_seconds() -> float:
    """CPU of the children of this process that have ended."""
    times = os.times()
    return times.children_user + times.children_system


@dataclass(frozen=True, slots=True)
class Size:
    """How much of everything. Counts are messages, times seconds."""

    accept_seconds: float = 2.5
    otp: int = 150
    queued: int = 20_000
    flood: int = 10_000
    probes: int = 150
    end_to_end: int = 6000
    batches: int = 40
    celery: int = 1200
    hooks: int = 2000
    relayed: int = 2000
    rounds: int = 2
    whole_seconds: float = 270.0


SHORT = Size()
FULL = Size(5.0, 400, 100_000, 50_000, 600, 50_000, 200, 5000, 20_000, 10_000, 3, 3000.0)


class Measures:
    """One run. `figures` grows as they are taken; `notes` says what could not be."""

    def __init__(self, stand: Stand, size: Size, tell: Progress) -> None:
        self._stand, self._size, self._tell = stand, size, tell
        self._deadline = time.monotonic() + size.whole_seconds
        self._memory_before = sum(stand.memory().values())
        self._postfix: float | None = None
        self.figures: list[Figure] = []
        self.notes: list[str] = []
        self._otp_idle_p99 = float("nan")
        self._accept_rate = float("nan")

    @property
    def seconds_left(self) -> float:
        """Of the time the whole run may take; never under a second."""
        return max(1.0, self._deadline - time.monotonic())

    @property
    def steps(self) -> list[tuple[str, Callable[[], None]]]:
        return [
            ("Postfix, if it is here", self.postfix),
            ("one-time codes at idle", self.otp_idle),
            ("accepting, workers stopped", self.accepts),
            ("one-time codes behind a queue", self.otp_behind_queue),
            ("a neighbour behind a flood", self.flood),
            ("end to end", self.end_to_end),
            *([("end to end, signed", self.signed)] if self._size is FULL else []),
            ("mail by SMTP", self.relay),
            ("webhooks", self.webhooks),
            ("memory", self.memory),
            ("the SMTP client and signing alone", self.wire),
        ]

    def postfix(self) -> None:
        """What Postfix does with the same sink; a note where it cannot be asked."""
        reason = postfix.why_not()
        if not reason:
            try:
                self._postfix = postfix.rate(self._stand, self._size.end_to_end, 60)
            except (RuntimeError, TimedOut, OSError, LookupError, subprocess.SubprocessError) as error:
                reason = f"Postfix is installed, but a private instance of it did not work: {error}"
        if reason:
            self.notes.append(reason)

    def relay(self) -> None:
        """Mail taken in by SMTP, with commit, beside Postfix's smtpd taking the same into its queue."""
        count, port = self._size.relayed, int(self._stand.house.facts["smtp_port"])
        with self._stand.workers_paused():
            ours = relay.rate(port, count, self._stand.token)
            self._stand.accepted += count
            theirs = None
            if not postfix.why_not():
                with postfix.instance(self._stand.sink.port, defer_transports="smtp") as theirs_port:
                    theirs = relay.rate(theirs_port, count)
        meaning = "one relay process, 16 connections, 250 after the commit"
        self.figures.append(
            at_least("SMTP relay", ours, "/s", meaning, beside="Postfix's smtpd", floor=theirs, times=0.5)
        )
        self._stand.wait_drained(120)

    def wire(self) -> None:
        """The SMTP client beside smtplib, and signatures beside dkimpy's: no formation takes part."""
        with self._stand.workers_paused():
            self.figures += wire.measure()

    def otp_idle(self) -> None:
        """Latency without other work, beside a bare chain of two Celery tasks."""
        self._stand.post(connections=1, count=30, every=0.01, priority="critical", prefix="warm")
        self._stand.wait_drained(30)
        own = self._latencies(self._probe("idle", self._size.otp), "idle")
        self._tell("a bare chain of two Celery tasks")
        floor = self._chain()
        self._otp_idle_p99 = percentile(own, 99)
        for percent in (50, 99):
            self.figures.append(
                at_most(
                    f"OTP idle p{percent}",
                    percentile(own, percent),
                    "ms",
                    "POST to first SMTP byte, nothing else to do",
                    beside="chain of two Celery no-op tasks",
                    floor=percentile(floor, percent),
                    times=3,
                )
            )

    def _probe(self, prefix: str, count: int) -> Report:
        return self._stand.post(connections=1, count=count, every=0.03, priority="critical", prefix=prefix)

    def _latencies(self, report: Report, prefix: str) -> list[float]:
        """Milliseconds from each POST to the first byte of its MAIL command, sorted."""
        wait_until(lambda: len(self._stand.taken(prefix)) >= len(report.sent), 60, "the last one-time code")
        first = {each.recipient: each.first_byte for each in reversed(self._stand.taken(prefix))}
        return sorted((first[recipient] - sent) / 1e6 for recipient, sent in report.sent)

    def _chain(self) -> list[float]:
        lines = (["-P", "threads", "-c", "2", "-Q", "bench.first"], ["-P", "threads", "-c", "8", "-Q", "bench.second"])
        warm = 20
        with self._stand.floor_workers(*lines):
            self._stand.publish("chain", str(warm))
            wait_until(lambda: len(self._stand.chain_latencies()) >= warm, 30, "the first chains")
            self._stand.publish("chain", str(self._size.otp))
            wait_until(
                lambda: len(self._stand.chain_latencies()) >= warm + self._size.otp, 30, "the last of the chains"
            )
        return sorted(self._stand.chain_latencies()[warm:])

    def accepts(self) -> None:
        """Requests per second with every worker stopped, beside the bare view under the same server."""
        with self._stand.workers_paused(), self._stand.floor_web() as floor:
            self._stand.post(connections=16, seconds=0.7, priority="bulk", prefix="warm")
            floor(connections=16, seconds=0.7)
            for connections in (1, 16, 64):
                self._tell(f"accepting over {connections} connections")
                seconds = self._size.accept_seconds / self._size.rounds
                options = {"connections": connections, "seconds": seconds, "priority": "bulk"}
                own, bare, spent = [], [], [0.0, 0.0]
                for turn in range(self._size.rounds):  # in turns, so that a disturbance meets both
                    cpu = self._stand.cpu_of("accept (web)", *_ENGINES)
                    own.append(self._stand.post(**options, prefix=f"a{connections}x{turn}"))
                    spent[0] += self._stand.cpu_of("accept (web)", *_ENGINES) - cpu
                    cpu = self._stand.cpu_of("floor", *_ENGINES)
                    bare.append(floor(**options))
                    spent[1] += self._stand.cpu_of("floor", *_ENGINES) - cpu
                self._accept_figures(connections, merge(own), merge(bare), spent)
            self._batches()
            self._fill_queue()

    def _accept_figures(self, connections: int, own: Report, bare: Report, spent: list[float]) -> None:
        label = f"accept, {connections} connection{'s' if connections > 1 else ''}"
        beside = "bare Flask view, INSERT, LPUSH"
        rate = (f"{label}, per second", own.rate, "/s", "202 answers per second, full contract")
        if connections == 64:
            self._accept_rate = own.rate
            self.figures.append(at_least(*rate, beside=beside, floor=bare.rate, times=1.3))
        else:
            self.figures.append(Figure(*rate, beside, bare.rate))
        for percent in (50, 99):
            timing = (f"{label}, p{percent}", own.percentile(percent), "ms", "request to answer")
            if connections == 16 and percent == 99:
                self.figures.append(at_most(*timing, beside=beside, floor=bare.percentile(99), times=1.5))
            else:
                self.figures.append(Figure(*timing, beside, bare.percentile(percent)))
        each = [seconds / report.requests * 1e6 for seconds, report in zip(spent, (own, bare), strict=True)]
        meaning = "processor time per accepted message, engines included"
        self.figures.append(Figure(f"{label}, CPU", each[0], "us", meaning, beside, each[1]))

    def _batches(self) -> None:
        self._tell("accepting batches of 100")
        path = "/v1/messages/batch"
        if not self._stand.offers(path):
            self.notes.append(f"batches of 100 were not measured: the API has no {path}")
            return
        report = self._stand.post(
            path=path, connections=8, count=self._size.batches, per_request=100, priority="bulk", prefix="b"
        )
        self.figures.append(
            at_least(
                "batch accept, messages per second",
                report.rate * 100,
                "/s",
                "100 messages a call, 8 connections",
                beside="one message a call, 64 connections",
                floor=self._accept_rate,
                times=6,
            )
        )

    def _fill_queue(self) -> None:
        missing = self._size.queued - (self._stand.accepted - self._stand.sink.count())
        if missing > 0:
            self._tell(f"queueing {self._size.queued:,} bulk messages")
            self._stand.post(connections=64, count=missing, priority="bulk", prefix="q")

    def otp_behind_queue(self) -> None:
        """One-time codes while a bulk queue drains, and how fast and evenly it drains."""
        before = self._stand.sink.count()
        cpu = self._stand.cpu()
        report = self._probe("busy", self._size.probes)
        waiting = self._stand.accepted - self._stand.sink.count()
        own = self._latencies(report, "busy")
        if waiting < 500:
            self.notes.append("the bulk queue ran empty while one-time codes were sent: their p99 is too good")
        self._tell("draining the queue")
        self._stand.wait_drained(self.seconds_left)
        self._drain_figures(before, cpu)
        for percent in (50, 99):
            timing = (f"OTP p{percent} behind {self._size.queued:,} bulk", percentile(own, percent), "ms")
            meaning = "POST to first SMTP byte while a bulk queue drains"
            if percent == 99:
                idle = {"beside": "OTP idle p99", "floor": self._otp_idle_p99}
                self.figures.append(at_most(*timing, meaning, **idle, times=3))  # type: ignore[arg-type]
            else:
                self.figures.append(Figure(*timing, meaning))

    def _drain_figures(self, before: int, cpu: dict[str, float]) -> None:
        times = sorted(each.taken for each in self._stand.sink.taken()[before:])
        count, seconds = len(times), (times[-1] - times[0]) / 1e9
        spent = sum(self._stand.cpu().values()) - sum(cpu.values())
        self.figures.append(
            at_least(
                f"drain of a queue of {count:,}",
                count / seconds,
                "/s",
                "first to last mail in the sink; no DKIM",
                beside=POSTFIX,
                floor=self._postfix,
                times=2,
            )
        )
        self.figures.append(
            Figure("drain, CPU per message", spent / count * 1e6, "us", "the whole formation, engines included")
        )
        edges = [times[count * tenth // 10] for tenth in range(10)] + [times[-1]]
        rates = [count / 10 / max(1e-9, (after - at) / 1e9) for at, after in zip(edges, edges[1:], strict=False)]
        slowest = min(rates[1:]) / rates[0]
        self.figures.append(
            above("drain, evenness", slowest, "of first", "slowest later tenth of the drain over its first tenth", 0.85)
        )

    def flood(self) -> None:
        """Ten bulk messages of one account behind thousands of another's."""
        self._stand.wait_drained(self.seconds_left)
        self.figures += flood.measure(self._stand, flood=self._size.flood, seconds=self.seconds_left, tell=self._tell)

    def end_to_end(self) -> None:
        """From the first POST to the last mail in the sink, with the CPU of each stage."""
        self._stand.wait_drained(self.seconds_left)
        cpu, sink, count = self._stand.cpu(), self._stand.sink_cpu(), self._size.end_to_end
        loading = start(self._stand.load(connections=64, count=count, prefix="e"))
        report = self._stand.counted(loading())
        self._stand.wait_drained(self.seconds_left)
        test = report.cpu_seconds + self._stand.sink_cpu() - sink
        spent = {stage: seconds - cpu.get(stage, 0.0) for stage, seconds in self._stand.cpu().items()}
        last = max(each.taken for each in self._stand.taken("e"))
        rate = count / ((last - report.began) / 1e9)
        self._tell("a plain Celery task with smtplib per message")
        plain, plain_cpu = self._plain_celery()
        name, meaning = "end to end, per second", "first POST to last mail in the sink, everything on this machine"
        self.figures.append(
            at_least(name, rate, "/s", meaning, beside="a Celery task with smtplib each", floor=plain, times=4)
        )
        self.figures.append(at_least(name, rate, "/s", meaning, beside=POSTFIX, floor=self._postfix, times=1.5))
        for stage, seconds in sorted(spent.items()):
            self.figures.append(Figure(f"CPU, {stage}", seconds / count * 1e6, "us", "per message, end to end"))
        self.figures.append(Figure("CPU, the test itself", test / count * 1e6, "us", "load generator and sink, on top"))
        total = sum(spent.values()) / count * 1e6
        self.figures.append(under("CPU, everything", total, "us", "per message, end to end", BUDGET_MICROSECONDS))
        meaning = "the same, beside a plain task"
        self.figures.append(
            Figure("CPU, everything", total, "us", meaning, "a Celery task with smtplib each", plain_cpu)
        )

    def signed(self) -> None:
        """End to end with two DKIM signatures a mail, beside Postfix without any."""
        self._stand.sign(True)
        time.sleep(31)  # what the workers remember of the domain
        count = self._size.end_to_end // 5
        report = self._stand.post(connections=64, count=count, prefix="s")
        self._stand.wait_drained(self.seconds_left)
        last = max(each.taken for each in self._stand.taken("s"))
        self.figures.append(
            at_least(
                "end to end with RSA and Ed25519 DKIM, per second",
                count / ((last - report.began) / 1e9),
                "/s",
                "first POST to last mail in the sink",
                beside=POSTFIX,
                floor=self._postfix,
                times=1.0,
            )
        )

    def _plain_celery(self) -> tuple[float, float]:
        """One task per mail over the prefork pool: mails per second, first publish to last mail; CPU us per mail."""
        count, before = self._size.celery, self._stand.sink.count()
        with self._stand.floor_workers(["-P", "prefork", "-c", "2", "-Q", "bench.mail"]):
            self._stand.publish("mail", "0", str(self._stand.sink.port))
            wait_until(lambda: self._stand.sink.count() > before, 30, "the plain worker's first mail")
            cpu, publisher = self._stand.cpu_of("floor", "Valkey"), _children_seconds()
            began = int(self._stand.publish("mail", str(count), str(self._stand.sink.port)))
            wait_until(
                lambda: self._stand.sink.count() >= before + count + 2,
                self.seconds_left,
                "the plain worker's last mail",
            )
            spent = self._stand.cpu_of("floor", "Valkey") - cpu + _children_seconds() - publisher
        self._stand.accepted += count + 2
        last = max(each.taken for each in self._stand.taken("celery"))
        return count / ((last - began) / 1e9), spent / count * 1e6

    def webhooks(self) -> None:
        """Signed deliveries per second, and the time from accepting to the endpoint."""
        self._stand.wait_drained(self.seconds_left)
        options = {"events": self._size.hooks, "probes": self._size.otp, "seconds": self.seconds_left}
        self.figures += webhooks.measure(self._stand, **options)  # type: ignore[arg-type]

    def memory(self) -> None:
        """PSS of everything the supervisor runs, engines included, after the whole run."""
        by_stage = self._stand.memory()
        used = sum(by_stage.values())
        meaning = f"PSS of all processes and engines after {self._stand.accepted:,} messages"
        self.figures.append(under("memory", used / 1e6, "MB", meaning, 800))
        growth = "how much of it came since the start; PostgreSQL fills its shared buffers"
        self.figures.append(Figure("memory, growth", (used - self._memory_before) / 1e6, "MB", growth))
        parts = ", ".join(f"{stage} {used / 1e6:.0f}" for stage, used in sorted(by_stage.items()))
        self.notes.append(f"memory in MB: {parts}")
