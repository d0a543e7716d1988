"""The TLS handshake: what is asked for, what was agreed, and what went wrong in the words of RFC 8460.

Never here: which policy holds for a domain (delivery/tls.py).
"""

import ssl
import threading
from collections import OrderedDict
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from workers.delivery.smtp.certificates import matches
from workers.delivery.smtp.channel import Channel, described
from workers.delivery.smtp.target import Demand, Target

MOST_SESSIONS = 2000


@dataclass(frozen=True, slots=True)
class Agreed:
    """`version` is TLSv1.2 or TLSv1.3; `verified`: the peer proved who it is."""

    version: str
    verified: bool
    reason: str


class Failed(Exception):
    """No TLS. `kind` is a result type of RFC 8460 section 4.3."""

    def __init__(self, text: str, kind: str) -> None:
        super().__init__(text)
        self.kind = kind


@lru_cache
def context_for(verified: bool) -> ssl.SSLContext:
    """Made once: reading the trusted certificates takes longer than a handshake."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if verified:
        context.load_default_certs()
    else:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def encrypt(channel: Channel, target: Target, seconds: float) -> Agreed:
    """Encrypt as the target demands. Raises Failed."""
    wanted = target.wanted
    verified = wanted.level in ("required", "implicit")
    try:
        context = context_for(verified)
        sock = channel.encrypt(context, target.host, _tickets.get(_key(target), context), seconds)
    except ssl.SSLCertVerificationError as error:
        raise Failed(f"the certificate of {target.host}: {error.verify_message}", _kind_of(error)) from error
    except OSError as error:
        raise Failed(described(error), "validation-failure") from error
    if wanted.level == "dane":
        problem = matches(_chain_of(sock), wanted.tlsa, (target.host, *wanted.names))
        if problem is not None:
            raise Failed(problem, "validation-failure")
        verified = True
    return Agreed(sock.version() or "TLS", verified, _reason(wanted, verified))


def _reason(wanted: Demand, verified: bool) -> str:
    return f"{'verified' if verified else 'not verified'}: {wanted.reason}"


def _kind_of(error: ssl.SSLCertVerificationError) -> str:
    if error.verify_code == 10:
        return "certificate-expired"
    return "certificate-host-mismatch" if error.verify_code in (62, 64) else "certificate-not-trusted"


def _chain_of(sock: ssl.SSLSocket) -> list[bytes]:
    """DER certificates, the server's own first. The method is public only from Python 3.13."""
    inner: Any = sock._sslobj if not hasattr(sock, "get_unverified_chain") else sock  # type: ignore[attr-defined]
    found = inner.get_unverified_chain() or []
    return [each if isinstance(each, bytes) else ssl.PEM_cert_to_DER_cert(each.public_bytes()) for each in found]


class _Tickets:
    """TLS sessions to resume, by what was demanded of whom."""

    def __init__(self) -> None:
        self._sessions: OrderedDict[object, tuple[ssl.SSLContext, ssl.SSLSession]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: object, context: ssl.SSLContext) -> ssl.SSLSession | None:
        with self._lock:
            found = self._sessions.get(key)
        return found[1] if found is not None and found[0] is context else None

    def keep(self, key: object, context: ssl.SSLContext, session: ssl.SSLSession) -> None:
        with self._lock:
            self._sessions[key] = (context, session)
            self._sessions.move_to_end(key)
            while len(self._sessions) > MOST_SESSIONS:
                self._sessions.popitem(last=False)


_tickets = _Tickets()


def keep_ticket(channel: Channel, target: Target) -> None:
    """Remember the session of a channel that is about to be closed: a TLS 1.3 ticket arrives behind the
    handshake."""
    sock = channel.secured
    if sock is not None and sock.session is not None and sock.session.has_ticket:
        _tickets.keep(_key(target), sock.context, sock.session)


def _key(target: Target) -> object:
    return target.host, target.reuse_key
