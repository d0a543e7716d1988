"""D, the dump of the database after the storm, and the watch on its invariants during it.

Reads only, over its own connection. Never here: verdicts.
"""

import threading
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import namedtuple_row

from common.domain.ids import encode
from common.domain.lifecycle import LIVE

Row = Any


@dataclass(slots=True)
class Dump:
    """Everything the database knows; keys are public message ids."""

    messages: dict[str, Row] = field(default_factory=dict)
    attempts: dict[str, list[Row]] = field(default_factory=lambda: defaultdict(list))
    events: dict[str, list[Row]] = field(default_factory=lambda: defaultdict(list))
    violations: list[str] = field(default_factory=list)
    leases: int = 0

    def timeline(self, message_id: str) -> str:
        """Events and attempts of one message, in order, for a report."""
        lines = [(e.timestamp, f"event {e.seq} {e.type} {e.data}") for e in self.events.get(message_id, [])]
        for a in self.attempts.get(message_id, []):
            text = f"attempt epoch {a.epoch} number {a.number} {a.state} {a.stage or ''} {a.code or ''}"
            lines.append((a.started_at, f"{text} {a.category or ''} ended {a.ended_at}"))
        return "\n".join(f"      {moment:%H:%M:%S.%f} {text}" for moment, text in sorted(lines, key=lambda x: x[0]))


def connect(database_url: str) -> psycopg.Connection[Any]:
    return psycopg.connect(database_url, autocommit=True, connect_timeout=5, row_factory=namedtuple_row)


_LIVE = """
SELECT (SELECT count(*) FROM messages WHERE status = ANY(%s))
     + (SELECT count(*) FROM webhook_deliveries WHERE state = 'waiting') AS n
"""


def count_live(database_url: str) -> int:
    """Messages and webhook deliveries that are not at their end; -1 while the database is away."""
    try:
        with connect(database_url) as connection:
            row = connection.execute(_LIVE, [list(LIVE)]).fetchone()
    except psycopg.Error:
        return -1
    return int(row.n) if row else -1


def dump(database_url: str) -> Dump:
    """Read the whole record."""
    found = Dump()
    with connect(database_url) as connection:
        for row in connection.execute("SELECT * FROM messages"):
            found.messages[encode("msg", row.id)] = row
            found.leases += row.lease_until is not None
        for row in connection.execute("SELECT * FROM attempts ORDER BY message_id, epoch"):
            found.attempts[encode("msg", row.message_id)].append(row)
        for row in connection.execute("SELECT * FROM events WHERE message_id IS NOT NULL ORDER BY message_id, seq"):
            found.events[encode("msg", row.message_id)].append(row)
        found.violations = violations(connection)
    return found


def violations(connection: psycopg.Connection[Any]) -> list[str]:
    """Rows of the view invariant_violations, as text."""
    found = connection.execute("SELECT invariant, message_id, detail FROM invariant_violations LIMIT 50")
    return [f"{row.invariant} {_public(row.message_id)}: {row.detail}" for row in found]


def _public(message_id: UUID | None) -> str:
    return encode("msg", message_id) if message_id else "-"


class Watch:
    """Reads `invariant_violations` once a second in a thread; outages of the database are not violations."""

    def __init__(self, database_url: str) -> None:
        self._database_url = database_url
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="invariants", daemon=True)
        self.seen: list[str] = []
        self.looks = 0

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(10)

    def _run(self) -> None:
        while not self._stop.wait(1.0):
            try:
                with connect(self._database_url) as connection:
                    self.seen += [text for text in violations(connection) if text not in self.seen]
                self.looks += 1
            except psycopg.Error:
                continue
