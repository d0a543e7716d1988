"""The token in an unsubscribe URL: account, message, recipient and scope, with an HMAC (RFC 8058 3.2).

It proves itself, so that it works after the message's rows are gone. It names the recipient readably
to whoever holds the URL, which is the recipient. Never here: what unsubscribing does.
"""

import base64
import binascii
import hmac
from dataclasses import dataclass
from uuid import UUID

_VERSION = b"\x01"
_TAG = 12


@dataclass(frozen=True, slots=True)
class Unsubscription:
    """Who wants no more of what. `recipient` is the address's comparison key; `scope` as in suppressions."""

    account_id: UUID
    message_id: UUID
    recipient: str
    scope: str = "all"


def write_token(secret: bytes, what: Unsubscription) -> str:
    """URL-safe characters only, about 1.4 times as many as the parts have octets."""
    scope = what.scope.encode()
    if len(scope) > 255:
        raise ValueError("a scope has at most 255 octets")
    body = b"".join(
        (_VERSION, what.account_id.bytes, what.message_id.bytes, bytes([len(scope)]), scope, what.recipient.encode())
    )
    return base64.urlsafe_b64encode(_tag(secret, body) + body).decode().rstrip("=")


def read_token(secret: bytes, token: str) -> Unsubscription | None:
    """What the token says, or None for one that this installation did not write."""
    try:
        whole = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    tag, body = whole[:_TAG], whole[_TAG:]
    if not hmac.compare_digest(tag, _tag(secret, body)) or body[:1] != _VERSION:
        return None
    end = 34 + body[33]
    found = Unsubscription(UUID(bytes=body[1:17]), UUID(bytes=body[17:33]), body[end:].decode(), body[34:end].decode())
    return found if write_token(secret, found) == token else None


def _tag(secret: bytes, body: bytes) -> bytes:
    return hmac.digest(secret, b"unsubscribe" + body, "sha256")[:_TAG]
