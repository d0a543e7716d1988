"""Standard Webhooks for receivers: sign and verify. Never here: the calls that manage webhooks (client.py)."""

import base64
import binascii
import hmac
import json
import secrets
import time
from collections.abc import Mapping
from typing import Any

PREFIX = "whsec_"
TOLERANCE_SECONDS = 300


class InvalidSignature(ValueError):
    """The request was not signed with this secret, was changed, or is too old."""


def make_secret() -> str:
    """A new secret: `whsec_` and base64 of 32 random bytes."""
    return PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def sign(secret: str, webhook_id: str, timestamp: int, body: bytes) -> str:
    """The value of `webhook-signature` for one secret."""
    key = base64.b64decode(secret.removeprefix(PREFIX))
    signed = f"{webhook_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(key, signed, "sha256")).decode()


def verify(secret: str, headers: Mapping[str, str], body: bytes, *, now: float | None = None) -> Any:
    """The event in a delivery, whose raw body this must be. Raises InvalidSignature.

    `now` is Unix seconds, for tests.
    """
    given = {name.lower(): value for name, value in headers.items()}
    try:
        webhook_id, timestamp = given["webhook-id"], int(given["webhook-timestamp"])
        expected = sign(secret, webhook_id, timestamp, body)
        signatures = given["webhook-signature"].split()
    except (KeyError, ValueError, binascii.Error) as error:
        raise InvalidSignature("a webhook header or the secret is missing or malformed") from error
    if abs((time.time() if now is None else now) - timestamp) > TOLERANCE_SECONDS:
        raise InvalidSignature("the delivery is over five minutes off: is this machine's clock right?")
    if not any(hmac.compare_digest(expected.encode(), each.encode()) for each in signatures):
        raise InvalidSignature("no signature fits: is it the raw body, and the right secret?")
    return json.loads(body)
