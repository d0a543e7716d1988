"""The secrets that sign what a webhook is told: add, rotate with overlap, open. Sealed at rest, shown once.

Never here: signing itself (domain/signatures.py).
"""

import base64
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Connection

from common.clock import rfc3339
from common.config import Settings
from common.db.session import rows, run
from common.domain.errors import Conflict
from common.domain.ids import new_id
from common.domain.signatures import PREFIX, PUBLIC_PREFIX
from common.domain.webhooks import MOST_SECRETS
from common.sealing import seal, unseal


def add(connection: Connection, settings: Settings, webhook_id: UUID) -> str:
    """A new secret for a webhook, as `whsec_` and base64 of 32 random bytes."""
    secret = PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()
    run(
        connection,
        "INSERT INTO webhook_secrets (id, webhook_id, sealed) VALUES (%s, %s, %s)",
        new_id(), webhook_id, seal(settings, secret.encode(), _owner(webhook_id)),
    )  # fmt: skip
    return secret


def add_key_pair(connection: Connection, settings: Settings, webhook_id: UUID) -> None:
    """An Ed25519 key pair beside the secret, for receivers that should not be able to sign."""
    key = Ed25519PrivateKey.generate()
    public = PUBLIC_PREFIX + base64.b64encode(key.public_key().public_bytes_raw()).decode()
    sealed = seal(settings, key.private_bytes_raw(), _owner(webhook_id))
    run(
        connection, "UPDATE webhooks SET signing_key_sealed = %s, public_key = %s WHERE id = %s",
        sealed, public, webhook_id,
    )  # fmt: skip


_OVERLAP = """
UPDATE webhook_secrets SET expires_at = least(expires_at, now() + make_interval(secs => %s)) WHERE webhook_id = %s
"""
_LIVING = (
    "SELECT count(*) AS n FROM webhook_secrets WHERE webhook_id = %s AND (expires_at IS NULL OR expires_at > now())"
)


def rotate(connection: Connection, settings: Settings, webhook_id: UUID, overlap_seconds: int) -> str:
    """A new secret; those before sign beside it for `overlap_seconds` more. The caller holds the webhook's row.

    Raises Conflict when more than three would sign at once.
    """
    run(connection, "DELETE FROM webhook_secrets WHERE webhook_id = %s AND expires_at <= now()", webhook_id)
    if overlap_seconds and rows(connection, _LIVING, webhook_id)[0].n >= MOST_SECRETS:
        raise Conflict(
            f"{MOST_SECRETS} secrets sign already: wait until one expires, or rotate with `overlap_seconds` 0."
        )
    run(connection, _OVERLAP, overlap_seconds, webhook_id)
    return add(connection, settings, webhook_id)


def shown(found: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The living secrets of a row, newest first, without themselves."""
    return [{name: _moment(each[name]) for name in ("created_at", "expires_at")} for each in found]


def _moment(text: str | None) -> str | None:
    return None if text is None else rfc3339(datetime.fromisoformat(text))


@lru_cache(maxsize=4096)
def open_secret(settings: Settings, webhook_id: UUID, sealed: bytes) -> bytes:
    """A secret or a signing key, remembered: opening it for every delivery would cost more than signing."""
    return unseal(settings, sealed, _owner(webhook_id))


def _owner(webhook_id: UUID) -> str:
    return f"webhook {webhook_id}"
