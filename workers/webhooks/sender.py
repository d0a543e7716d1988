"""The POST: signed, guarded, over a kept connection, bounded in time and size. Never database, never Celery."""

import http.client
import ssl
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC
from email.utils import parsedate_to_datetime
from uuid import UUID

from common.clock import monotonic, now
from common.config import Settings
from common.domain.egress import Place
from common.domain.signatures import sign_all
from workers.guard import Admitted, Blocked, Guard, make_guard
from workers.pinned import Pinned, Reply, Timings, connect

TOTAL_SECONDS = 15.0
MOST_RESPONSE_BYTES = 20_000
EXCERPT = 1_000
USER_AGENT = "Sendarix-Webhooks/1"
KEPT_SECONDS, KEPT_CONNECTIONS = 30.0, 256


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where to post, and with what. `plain`: http is allowed to any address. `key` is a raw Ed25519 key."""

    id: UUID
    url: str
    secrets: tuple[str, ...]
    key: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    plain: bool = False


@dataclass(frozen=True, slots=True)
class Answered:
    """What the receiver said: an HTTP status, or an error word; `response` is an excerpt, `retry_after` seconds."""

    ok: bool
    status: int | None = None
    error: str | None = None
    response: str | None = None
    retry_after: float = 0.0
    ip: str | None = None
    timings: Timings = field(default_factory=Timings)


class Connections:
    """Idle connections by endpoint: those of one are never used for another. The oldest go first."""

    def __init__(self) -> None:
        self._idle: OrderedDict[int, tuple[UUID, Pinned]] = OrderedDict()
        self._of: dict[UUID, list[int]] = {}
        self._count = 0
        self._lock = threading.Lock()

    def take(self, endpoint: UUID, admitted: Admitted) -> Pinned | None:
        """An open one to an address that is still admitted."""
        while True:
            with self._lock:
                numbers = self._of.get(endpoint)
                if not numbers:
                    return None
                _, found = self._idle.pop(numbers.pop())
            fresh = monotonic() - found.used_at < KEPT_SECONDS
            if fresh and found.ip in admitted.addresses and found.is_usable:
                return found
            found.close()

    def keep(self, endpoint: UUID, connection: Pinned) -> None:
        with self._lock:
            self._count += 1
            self._idle[self._count] = (endpoint, connection)
            self._of.setdefault(endpoint, []).append(self._count)
            if len(self._idle) <= KEPT_CONNECTIONS:
                return
            number, (owner, oldest) = self._idle.popitem(last=False)
            self._of[owner].remove(number)
            if not self._of[owner]:
                del self._of[owner]
        oldest.close()


class Sender:
    """Posts events. Safe to use from many threads."""

    def __init__(self, settings: Settings, guard: Guard | None = None, context: ssl.SSLContext | None = None) -> None:
        self._guard = guard or make_guard(settings)
        self._context = context or ssl.create_default_context()
        self._connections = Connections()

    def post(
        self, endpoint: Endpoint, webhook_id: str, body: bytes, extra: Mapping[str, str], seconds: float = TOTAL_SECONDS
    ) -> Answered:
        """One attempt, within `seconds`. Never raises: a refused connection is an answer too.

        `webhook_id` is the event's id, the same on every attempt; `extra` are headers of this attempt.
        """
        began, timings = monotonic(), Timings()
        try:
            admitted = self._guard.admit(endpoint.url, plain=endpoint.plain)
            timings.dns = admitted.dns_ms
            return self._exchange(endpoint, admitted, webhook_id, body, extra, began + seconds, timings)
        except Blocked as error:
            return Answered(False, error=error.word, timings=timings)
        finally:
            timings.total = (monotonic() - began) * 1000

    def _exchange(
        self,
        endpoint: Endpoint,
        admitted: Admitted,
        webhook_id: str,
        body: bytes,
        extra: Mapping[str, str],
        deadline: float,
        timings: Timings,
    ) -> Answered:
        request = _request(endpoint, admitted.place, webhook_id, body, extra)
        kept = self._connections.take(endpoint.id, admitted)
        ip = kept.ip if kept else None
        try:
            if kept is not None:
                try:
                    return self._converse(endpoint, kept, request, deadline, timings)
                except (ConnectionError, http.client.RemoteDisconnected):
                    kept.close()  # ended while it was idle: that says nothing about the endpoint
            connection = connect(admitted, self._context, deadline, timings)
            ip = connection.ip
            return self._converse(endpoint, connection, request, deadline, timings)
        except TimeoutError:
            return Answered(False, error="timeout", ip=ip, timings=timings)
        except ssl.SSLError:
            return Answered(False, error="tls", ip=ip, timings=timings)
        except (OSError, http.client.HTTPException):
            return Answered(False, error="connection", ip=ip, timings=timings)

    def _converse(
        self, endpoint: Endpoint, connection: Pinned, request: bytes, deadline: float, timings: Timings
    ) -> Answered:
        try:
            reply = connection.exchange(request, "POST", deadline, MOST_RESPONSE_BYTES, timings)
        except BaseException:
            connection.close()
            raise
        if connection.socket.fileno() >= 0:
            self._connections.keep(endpoint.id, connection)
        ok = 200 <= reply.status < 300
        return Answered(
            ok, reply.status, None if ok else "http", _excerpt(reply), _retry_after(reply), connection.ip, timings
        )


def _request(endpoint: Endpoint, place: Place, webhook_id: str, body: bytes, extra: Mapping[str, str]) -> bytes:
    timestamp = int(now().timestamp())
    signature = sign_all(endpoint.secrets, endpoint.key, webhook_id, timestamp, body)
    own = "".join(f"{name}: {value}\r\n" for name, value in (*endpoint.headers.items(), *extra.items()))
    return (
        f"POST {place.path} HTTP/1.1\r\nhost: {place.authority}\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\nuser-agent: {USER_AGENT}\r\naccept: */*\r\nwebhook-id: {webhook_id}\r\n"
        f"webhook-timestamp: {timestamp}\r\nwebhook-signature: {signature}\r\n{own}\r\n"
    ).encode("latin-1") + body


def _excerpt(reply: Reply) -> str:
    """The first thousand characters, harmless wherever they are shown."""
    text = reply.body[: EXCERPT * 4].decode("utf-8", "replace")[:EXCERPT]
    return "".join(character if character.isprintable() or character == "\n" else "\ufffd" for character in text)


def _retry_after(reply: Reply) -> float:
    """Seconds to wait that the receiver asks for, as a number or as a date."""
    value = (reply.headers.get("retry-after") or "").strip()
    if value.isascii() and value.isdigit():
        return float(value[:9])
    try:
        moment = parsedate_to_datetime(value)
    except (TypeError, ValueError):
        return 0.0
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - now()).total_seconds())
