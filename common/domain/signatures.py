"""Webhook signatures: Standard Webhooks, v1 (HMAC-SHA-256) and v1a (Ed25519) over id.timestamp.body."""

import base64
import hmac
from collections.abc import Sequence

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

PREFIX = "whsec_"
PUBLIC_PREFIX = "whpk_"


def sign(secret: str, webhook_id: str, timestamp: int, body: bytes) -> str:
    """The signature by one secret, written as whsec_<base64>."""
    key = base64.b64decode(secret.removeprefix(PREFIX))
    return "v1," + base64.b64encode(hmac.digest(key, _signed(webhook_id, timestamp, body), "sha256")).decode()


def sign_all(secrets: Sequence[str], key: bytes | None, webhook_id: str, timestamp: int, body: bytes) -> str:
    """The value of `webhook-signature`: one for each secret, newest first, then one by the raw Ed25519 key."""
    found = [sign(secret, webhook_id, timestamp, body) for secret in secrets]
    if key is not None:
        signature = Ed25519PrivateKey.from_private_bytes(key).sign(_signed(webhook_id, timestamp, body))
        found.append("v1a," + base64.b64encode(signature).decode())
    return " ".join(found)


def _signed(webhook_id: str, timestamp: int, body: bytes) -> bytes:
    return f"{webhook_id}.{timestamp}.".encode() + body
