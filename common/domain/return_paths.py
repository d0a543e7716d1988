"""The address that bounces return to: a local part that names its message and proves that we wrote it (VERP).

`b` and 39 letters and digits: base32 of the message's id and a 64-bit HMAC. Lower case, for some
servers change case; no `+` or `=`, for some refuse them. `u…` is the same for unsubscribe mail.
Never here: what a bounce means.
"""

import base64
import binascii
import hmac
import re
from uuid import UUID

BOUNCE, UNSUBSCRIBE = "b", "u"
_LOCAL = re.compile(r"[bu][a-z2-7]{39}\Z")


def write_local_part(secret: bytes, kind: str, message_id: UUID) -> str:
    """40 characters for `message_id`. `kind` is BOUNCE or UNSUBSCRIBE."""
    token = message_id.bytes + _tag(secret, kind, message_id.bytes)
    return kind + base64.b32encode(token).decode().rstrip("=").lower()


def read_local_part(secret: bytes, local_part: str) -> tuple[str, UUID] | None:
    """The kind and the message, or None for what this installation did not write."""
    lowered = local_part.lower()
    if not _LOCAL.match(lowered):
        return None
    try:
        token = base64.b32decode(lowered[1:].upper() + "=")
    except binascii.Error:
        return None
    if not hmac.compare_digest(_tag(secret, lowered[0], token[:16]), token[16:]):
        return None
    # base32's last character has two bits that say nothing: only one spelling is ours.
    message_id = UUID(bytes=token[:16])
    return (lowered[0], message_id) if write_local_part(secret, lowered[0], message_id) == lowered else None


def _tag(secret: bytes, kind: str, message: bytes) -> bytes:
    return hmac.digest(secret, b"return path " + kind.encode() + message, "sha256")[:8]
