"""Errors of the verbs in SMTP's words: reply code, enhanced code, what to do (delivery.md 7; RFC 3463).

Never here: when they are said.
"""

from aiosmtpd.smtp import AuthResult

from common.domain.errors import DomainError
from common.services.relaying import Relayed

REFUSED = AuthResult(success=False, handled=False, message="535 5.7.8 the password must be an API key of this service")
TOO_OFTEN = AuthResult(success=False, handled=False, message="421 4.7.0 too many failed attempts; wait a minute")
FULL = "451 4.3.0 it cannot be accepted now; nothing was kept, try again"
_ONE_LINE = 8

_CODES = {
    "expired_api_key": "535 5.7.8",
    "invalid_api_key": "535 5.7.8",
    "account_paused": "451 4.7.1",
    "rate_limited": "451 4.7.1",
    "sender_not_verified": "550 5.7.1",
    "idempotency_in_flight": "451 4.5.0",
    "idempotency_key_reused": "554 5.5.0",
    "unavailable": "451 4.3.0",
}


def reply_of(error: DomainError, *, at_login: bool = False) -> str:
    """One line. What can be tried again is 4yz."""
    code = _CODES.get(error.code)
    if code is None:
        code = "451 4.3.0" if error.retryable else "535 5.7.8" if at_login else "550 5.7.1"
        if error.status == 422:
            code = "550 5.6.0"
    places = "; ".join(f"{each.field} {each.message}" for each in error.errors[:3])
    text = " ".join(f"{error.detail} {places}".split())
    return f"{code} {text.encode('ascii', 'replace').decode()}"[:500]


def taken(relayed: Relayed) -> str:
    """250 with the id of every message, in the order of the recipients."""
    again = " (duplicate)" if relayed.replayed else ""
    groups = [relayed.ids[at : at + _ONE_LINE] for at in range(0, len(relayed.ids), _ONE_LINE)]
    lines = [f"2.0.0 Ok queued as {' '.join(each)}{again}" for each in groups]
    return "\r\n".join([f"250-{each}" for each in lines[:-1]] + [f"250 {lines[-1]}"])
