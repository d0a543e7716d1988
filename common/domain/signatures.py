"""Webhook signatures: Standard Webhooks, scheme v1 (HMAC-SHA-256 over id.timestamp.body)."""

import base64
import hmac

PREFIX = "whsec_"


def sign(secret: str, webhook_id: str, timestamp: int, body: bytes) -> str:
    """The value of `webhook-signature` for one secret, written as whsec_<base64>."""
    key = base64.b64decode(secret.removeprefix(PREFIX))
    signed = f"{webhook_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(key, signed, "sha256")).decode()
