"""The verdict: rules R1 to R11 and R13 over the ledger (L), the sink log (S) and the dump (D).

Pure: takes records, returns what is broken. An explained exception is counted, never hidden.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from common.domain.lifecycle import LIVE, may_follow
from tests.chaos.ledger import Entry
from tests.chaos.receiver import Call
from tests.chaos.records import Dump
from tests.chaos.sink import Received

AT_LEAST_ONCE, AT_MOST_ONCE = "at_least_once", "at_most_once"
CLOCK_TOLERANCE = 0.25


@dataclass(frozen=True, slots=True)
class Broken:
    """One violated rule about one message (or none)."""

    rule: str
    message_id: str | None
    detail: str


@dataclass(slots=True)
class Verdict:
    """What is broken, and the figures of the run."""

    broken: list[Broken]
    figures: dict[str, int]
    timelines: dict[str, str] = field(default_factory=dict)

    @property
    def clean(self) -> bool:
        return not self.broken

    def rules(self) -> set[str]:
        return {each.rule for each in self.broken}

    def report(self, most: int = 12) -> str:
        """Figures, then every exception with the message's timeline (the first `most` of them)."""
        lines = [", ".join(f"{name} {value}" for name, value in self.figures.items())]
        if self.broken:
            lines.append("broken: " + ", ".join(f"{rule} x{n}" for rule, n in _count(self.broken)))
        for each in self.broken[:most]:
            lines.append(f"  {each.rule} {each.message_id or ''}: {each.detail}")
            if each.message_id and self.timelines.get(each.message_id):
                lines.append(self.timelines[each.message_id])
        return "\n".join(lines)


def _count(broken: Sequence[Broken]) -> list[tuple[str, int]]:
    return sorted(Counter(each.rule for each in broken).items())


@dataclass(frozen=True, slots=True)
class Records:
    """Everything a verdict is made of."""

    entries: Sequence[Entry]
    received: Sequence[Received]
    dump: Dump
    guarantee: str
    seen_violations: Sequence[str] = ()
    calls: Sequence[Call] | None = None
    secret: str = ""

    def copies(self) -> dict[str, list[Received]]:
        found: dict[str, list[Received]] = defaultdict(list)
        for each in self.received:
            found[each.message_id].append(each)
        return found


def judge(records: Records) -> Verdict:
    """All rules, in order."""
    copies = records.copies()
    rules = (_r1, _r2, _r3, _r4, _r5, _r6, _r7, _r7_webhooks, _r8, _r9, _r10, _r11, _r13)
    broken = [each for rule in rules for each in rule(records, copies)]
    ids = {each.message_id for each in broken if each.message_id}
    timelines = {message_id: records.dump.timeline(message_id) for message_id in ids}
    return Verdict(broken, _figures(records, copies, broken), timelines)


Copies = dict[str, list[Received]]


def _figures(records: Records, copies: Copies, broken: Sequence[Broken]) -> dict[str, int]:
    heard = {} if records.calls is None else {"webhook calls": len(records.calls)}
    statuses = Counter(row.status for row in records.dump.messages.values())
    doubled = sum(len(found) - 1 for found in copies.values())
    return {
        "messages": len(records.entries),
        **{status: statuses[status] for status in sorted(statuses)},
        "mails received": len(records.received),
        "lost": sum(each.rule == "R3" for each in broken),
        "duplicates explained": doubled - sum(each.rule == "R5" for each in broken),
        "duplicates unexplained": sum(each.rule == "R5" for each in broken),
        "given up unseen": sum(
            row.status in ("failed", "bounced") and not copies.get(message_id)
            for message_id, row in records.dump.messages.items()
        ),
        "attempts unknown": _attempts(records, "unknown"),
        "attempts abandoned": _attempts(records, "abandoned"),
        "tries without an answer": sum(status == 0 for e in records.entries for _, status in e.answers),
        **heard,
    }


def _attempts(records: Records, state: str) -> int:
    return sum(a.state == state for attempts in records.dump.attempts.values() for a in attempts)


def _r1(records: Records, _: Copies) -> Iterator[Broken]:
    for entry in records.entries:
        if not entry.accepted:
            last = entry.answers[-1][1] if entry.answers else "none"
            yield Broken("R1", None, f"{entry.key} was never accepted (last status {last})")
        for message_id in sorted(entry.message_ids - records.dump.messages.keys()):
            yield Broken("R1", message_id, f"{entry.key} was promised an id that is not in the database")


def _r2(records: Records, _: Copies) -> Iterator[Broken]:
    for message_id, row in records.dump.messages.items():
        if row.status in LIVE:
            yield Broken("R2", message_id, f"still {row.status} after the deadline, due {row.next_attempt_at}")


def _r3(records: Records, copies: Copies) -> Iterator[Broken]:
    cancelled = {entry.message_id for entry in records.entries if entry.cancel}
    for message_id, row in records.dump.messages.items():
        if row.status == "delivered" and not copies.get(message_id):
            yield Broken("R3", message_id, "lost: delivered, but the sink never received it")
        elif row.status in LIVE or row.status == "delivered":
            continue
        elif not (row.status == "cancelled" and message_id in cancelled):
            reason = _unexplained_end(records, message_id)
            if reason:
                yield Broken("R3", message_id, f"lost: {reason}")


def _unexplained_end(records: Records, message_id: str) -> str | None:
    """Why this end cannot come from the injected faults; None when it can."""
    row, attempts = records.dump.messages[message_id], records.dump.attempts[message_id]
    unknown = sum(a.state == "unknown" for a in attempts)
    if row.status == "bounced":
        counted = sum(a.state == "deferred" for a in attempts)
        return None if counted == 6 else f"bounced after {counted} temporary failures"
    if row.status == "failed":
        needed = 1 if records.guarantee == AT_MOST_ONCE else 3
        return None if unknown >= needed else f"failed with {unknown} unknown attempts"
    return f"ended as {row.status}"


def _r4(records: Records, copies: Copies) -> Iterator[Broken]:
    promised = {each for entry in records.entries for each in entry.message_ids}
    for message_id in copies.keys() - promised:
        yield Broken("R4", message_id, "a ghost: the sink received what no client was promised")
    for message_id in records.dump.messages.keys() - promised:
        yield Broken("R4", message_id, "a ghost: the database holds what no client was promised")


def _r5(records: Records, copies: Copies) -> Iterator[Broken]:
    for message_id, found in copies.items():
        unknown = sum(a.state == "unknown" for a in records.dump.attempts.get(message_id, []))
        allowed = 0 if records.guarantee == AT_MOST_ONCE else unknown
        for extra in found[1 + allowed :]:
            yield Broken("R5", message_id, f"an unexplained copy at {extra.at:.3f} ({unknown} unknown attempts)")


def _r6(records: Records, copies: Copies) -> Iterator[Broken]:
    for entry in records.entries:
        expected = hashlib.sha256(entry.text.encode() + b"\r\n").hexdigest()
        for message_id in entry.message_ids:
            found = copies.get(message_id, [])
            for each in found:
                if (each.recipient.lower(), each.subject) != (entry.recipient.lower(), entry.subject):
                    yield Broken("R6", message_id, f"{each.subject} to {each.recipient} is not what was sent")
                if each.body_sha256 != expected:
                    yield Broken("R6", message_id, "its body is not what was sent")
            if len({each.sha256 for each in found}) > 1:
                yield Broken("R6", message_id, "its copies differ in their bytes")


def _r7(records: Records, _: Copies) -> Iterator[Broken]:
    for message_id, row in records.dump.messages.items():
        events = records.dump.events.get(message_id, [])
        if [e.seq for e in events] != list(range(1, row.event_seq + 1)):
            yield Broken("R7", message_id, f"events {[e.seq for e in events]} are not 1..{row.event_seq}")
            continue
        statuses = [str(e.data["status"]) for e in events]
        for before, after in zip(statuses, statuses[1:], strict=False):
            if not may_follow("queued" if before == "scheduled" else before, after):
                yield Broken("R7", message_id, f"{before} was followed by {after}")
        if statuses[-1] != row.status and not (statuses[-1] == "scheduled" and row.status == "queued"):
            yield Broken("R7", message_id, f"events end in {statuses[-1]}, the row says {row.status}")


def _r7_webhooks(records: Records, _: Copies) -> Iterator[Broken]:
    """W, once repeats are dropped, is exactly what the events tell; only where an endpoint was subscribed."""
    if records.calls is None:
        return
    told = {(message_id, e.seq, e.type) for message_id, events in records.dump.events.items() for e in events}
    heard: dict[str, tuple[str, int, str]] = {}
    for call in records.calls:
        if not call.is_signed_with(records.secret):
            yield Broken("R7", call.told[0], f"webhook {call.webhook_id} is signed wrongly")
        if heard.setdefault(call.webhook_id, call.told) != call.told:
            yield Broken("R7", call.told[0], f"webhook {call.webhook_id} told two things")
    taken = {call.told for call in records.calls if call.status < 300}
    for message_id, seq, kind in sorted(told - taken):
        yield Broken("R7", message_id, f"event {seq} {kind} never reached the webhook")
    for message_id, seq, kind in sorted(set(heard.values()) - told):
        yield Broken("R7", message_id, f"the webhook heard {seq} {kind}, which no event tells")
    if len(heard) != len(set(heard.values())):
        yield Broken("R7", None, "one event came under two webhook ids")


def _r8(records: Records, copies: Copies) -> Iterator[Broken]:
    for entry in records.entries:
        if entry.cancelled and entry.message_id and copies.get(entry.message_id):
            yield Broken("R8", entry.message_id, "its cancellation was confirmed, and it arrived")
    for message_id, row in records.dump.messages.items():
        attempts = records.dump.attempts.get(message_id, [])
        touched = any(a.state == "unknown" for a in attempts)
        if row.status in ("cancelled", "suppressed", "expired") and copies.get(message_id) and not touched:
            yield Broken("R8", message_id, f"is {row.status}, and arrived")


def _r9(records: Records, copies: Copies) -> Iterator[Broken]:
    for entry in records.entries:
        for each in copies.get(entry.message_id or "", []):
            if entry.scheduled is not None and each.at < entry.scheduled - CLOCK_TOLERANCE:
                yield Broken("R9", entry.message_id, f"arrived {entry.scheduled - each.at:.1f} s early")


def _r10(records: Records, _: Copies) -> Iterator[Broken]:
    for entry in records.entries:
        if len(entry.message_ids) > 1:
            ids = sorted(entry.message_ids)
            yield Broken("R10", ids[0], f"{entry.key} was answered with {len(ids)} ids: {', '.join(ids)}")


def _r11(records: Records, _: Copies) -> Iterator[Broken]:
    for text in records.seen_violations:
        yield Broken("R11", None, f"during the run: {text}")
    for text in records.dump.violations:
        yield Broken("R11", None, f"at the end: {text}")


def _r13(records: Records, _: Copies) -> Iterator[Broken]:
    if records.dump.leases:
        yield Broken("R13", None, f"{records.dump.leases} leases are left")
