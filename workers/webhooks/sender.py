"""The POST: signed, bounded in time and size, no redirects, proxies or cookies. Never database, never Celery."""

import socket
import time
from dataclasses import dataclass
from urllib.parse import urlsplit

import requests

from common.domain.egress import may_reach, read_networks
from common.domain.signatures import sign

TOTAL_SECONDS = 15.0
CONNECT_SECONDS = 5.0
MOST_RESPONSE_BYTES = 20_000
EXCERPT = 1_000
USER_AGENT = "Sendarix-Webhooks/1"


@dataclass(frozen=True, slots=True)
class Answered:
    """What the receiver said: an HTTP status, or an error word; `response` is an excerpt."""

    ok: bool
    status: int | None = None
    error: str | None = None
    response: str = ""
    retry_after: float = 0.0


class Sender:
    """Posts over pooled connections. `egress_allow` lists CIDRs that may be reached although private."""

    def __init__(self, egress_allow: str) -> None:
        self._allowed = read_networks(egress_allow)
        self._session = requests.Session()
        self._session.trust_env = False

    def post(self, url: str, secret: str, webhook_id: str, delivery_id: str, body: bytes, timestamp: int) -> Answered:
        """One attempt. Never raises: a refused connection is an answer too."""
        if not self._permitted(url):
            return Answered(False, error="blocked_address")
        headers = {
            "content-type": "application/json",
            "user-agent": USER_AGENT,
            "webhook-id": webhook_id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": sign(secret, webhook_id, timestamp, body),
            "sendarix-delivery-id": delivery_id,
        }
        deadline = time.monotonic() + TOTAL_SECONDS
        try:
            with self._session.post(
                url,
                data=body,
                headers=headers,
                timeout=(CONNECT_SECONDS, TOTAL_SECONDS),
                allow_redirects=False,
                stream=True,
            ) as response:
                excerpt = _read(response, deadline)
        except requests.Timeout:
            return Answered(False, error="timeout")
        except requests.exceptions.SSLError:
            return Answered(False, error="tls")
        except (requests.RequestException, OSError):
            return Answered(False, error="connection")
        ok = 200 <= response.status_code < 300
        error = None if ok else "http"
        return Answered(ok, response.status_code, error, excerpt, _retry_after(response))

    def _permitted(self, url: str) -> bool:
        parts = urlsplit(url)
        try:
            found = socket.getaddrinfo(parts.hostname, parts.port or 443, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            return False
        return all(may_reach(str(entry[4][0]), self._allowed) for entry in found)


def _read(response: requests.Response, deadline: float) -> str:
    taken = b""
    for piece in response.iter_content(2048):
        taken += piece
        if len(taken) >= MOST_RESPONSE_BYTES or time.monotonic() > deadline:
            break
    text = taken[:EXCERPT].decode("utf-8", "replace")
    return "".join(character if character.isprintable() or character == "\n" else "\ufffd" for character in text)


def _retry_after(response: requests.Response) -> float:
    value = response.headers.get("retry-after", "")
    return float(value) if value.isdigit() else 0.0
