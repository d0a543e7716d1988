"""L, the client's ledger: what was asked, every answer, and the id that was promised.

A client of this kind never gives up: unknown, 409, 429 and 5xx are tried again with the same
Idempotency-Key until a 2xx. Never here: database, sink, verdicts.
"""

import http.client
import json
import random
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

REPEATED_TOGETHER = 5
_AGAIN = (0, 408, 409, 425, 429)


@dataclass(slots=True)
class Entry:
    """One message as its sender knows it. `answers` holds (seconds since the epoch, HTTP status; 0 is a cut)."""

    key: str
    recipient: str
    token: str
    scheduled: float | None = None
    cancel: bool = False
    together: int = 1
    answers: list[tuple[float, int]] = field(default_factory=list)
    message_ids: set[str] = field(default_factory=set)
    cancelled: bool = False

    @property
    def message_id(self) -> str | None:
        return next(iter(self.message_ids), None)

    @property
    def accepted(self) -> bool:
        return any(200 <= status < 300 for _, status in self.answers)

    @property
    def subject(self) -> str:
        return f"Ledger {self.token}"

    @property
    def text(self) -> str:
        """ASCII in one short line, so that its form in the mail is known: itself and a line end."""
        return f"Entry {self.token} for {self.recipient}."

    def body(self) -> bytes:
        """The request; the same bytes at every try."""
        fields: dict[str, Any] = {
            "recipient": self.recipient,
            "from": "ledger@example.com",
            "subject": self.subject,
            "text": self.text,
        }
        if self.scheduled is not None:
            fields["scheduled_time"] = datetime.fromtimestamp(self.scheduled, UTC).isoformat()
        return json.dumps(fields).encode()


def plan_entries(seed: int, count: int, *, scheduled_in: float = 8.0, special: bool = True) -> list[Entry]:
    """`count` entries with unique recipients. Some are sent five times at once, some later, some taken back."""
    chance = random.Random(f"plan {seed}")
    entries = []
    for number in range(count):
        token = f"{seed}-{number}-{chance.getrandbits(48):012x}"
        entry = Entry(f"key-{token}", f"user{number}.{seed}@example.net", token)
        draw = chance.random() if special else 1.0
        if draw < 0.03:
            entry.together = REPEATED_TOGETHER
        elif draw < 0.05:
            entry.scheduled = time.time() + scheduled_in + 4 * chance.random()
            entry.cancel = draw < 0.04
        entries.append(entry)
    return entries


class Connection:
    """One keep-alive connection to the API that is opened again after every cut."""

    def __init__(self, api_url: str, api_key: str) -> None:
        parts = urlsplit(api_url)
        self._host, self._port = parts.hostname or "127.0.0.1", parts.port or 80
        self._headers = {"Authorization": f"Bearer {api_key}", "Content-Type": "application/json"}
        self._open: http.client.HTTPConnection | None = None

    def call(self, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, Any]:
        """Status and JSON; status 0 when the connection failed and the outcome is unknown."""
        if self._open is None:
            self._open = http.client.HTTPConnection(self._host, self._port, timeout=30)
        try:
            self._open.request(method, path, body, self._headers | headers)
            response = self._open.getresponse()
            text = response.read()
            return response.status, json.loads(text) if text else None
        except (OSError, http.client.HTTPException, ValueError):
            self.close()
            return 0, None

    def close(self) -> None:
        if self._open is not None:
            self._open.close()
            self._open = None


class Ledger:
    """Sends entries with some threads; every answer is also appended to a file."""

    def __init__(self, api_url: str, api_key: str, entries: Sequence[Entry], log: Path, *, deadline: float) -> None:
        self._api_url, self._api_key = api_url, api_key
        self.entries = entries
        self._deadline = deadline
        self._log = log.open("a", buffering=1)
        self._lock = threading.Lock()
        self._local = threading.local()
        self.done = 0

    def send_all(self, threads: int = 8) -> None:
        """Blocks until every entry has its 2xx or the deadline (monotonic seconds) has passed."""
        with ThreadPoolExecutor(threads) as pool:
            for future in [pool.submit(self._send, entry) for entry in self.entries]:
                future.result()

    def cancel_some(self) -> None:
        """Take back the entries meant for it; a 2xx is a promise that they never arrive."""
        for entry in self.entries:
            if entry.cancel and entry.message_id is not None:
                path = f"/v1/messages/{entry.message_id}"
                status, _ = self._persist(entry, "DELETE", path, None)
                entry.cancelled = 200 <= status < 300

    def _send(self, entry: Entry) -> None:
        if entry.together == 1:
            self._ask(entry)
        else:
            threads = [threading.Thread(target=self._ask, args=[entry]) for _ in range(entry.together)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        with self._lock:
            self.done += 1

    def _ask(self, entry: Entry) -> None:
        status, answer = self._persist(entry, "POST", "/v1/messages", entry.body())
        if 200 <= status < 300:
            with self._lock:
                entry.message_ids.add(answer["message_id"])

    def _persist(self, entry: Entry, method: str, path: str, body: bytes | None) -> tuple[int, Any]:
        pause = 0.05
        while True:
            connection = self._connection()
            status, answer = connection.call(method, path, body, **{"Idempotency-Key": entry.key})
            self._note(entry, method, status, answer)
            if status not in _AGAIN and status < 500:
                return status, answer
            if time.monotonic() > self._deadline:
                return status, answer
            time.sleep(pause)
            pause = min(pause * 2, 1.0)

    def _note(self, entry: Entry, method: str, status: int, answer: Any) -> None:
        now = time.time()
        named = answer.get("message_id") if isinstance(answer, dict) else None
        with self._lock:
            if method == "POST":
                entry.answers.append((now, status))
            self._log.write(json.dumps([now, method, entry.key, status, named]) + "\n")

    def _connection(self) -> Connection:
        if not hasattr(self._local, "connection"):
            self._local.connection = Connection(self._api_url, self._api_key)
        found: Connection = self._local.connection
        return found


def wait_for(condition: Callable[[], Any], seconds: float, what: str) -> Any:
    """The first true value of `condition`. Raises AssertionError naming `what` after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:.0f} s: {what}")
        time.sleep(0.05)
