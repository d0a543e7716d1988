"""Webhook subscriptions: make, list, remove. Deliveries to them are services/webhooks.py."""

import base64
import secrets
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from common.clock import rfc3339
from common.config import current_settings
from common.db.session import rows, run
from common.domain.errors import FieldError, InvalidFields, NotFound
from common.domain.ids import encode, new_id
from common.domain.principals import Principal
from common.sealing import seal

MOST = 50
_COLUMNS = "id, url, event_types, environment, state, created_at"


def _shown(row: Any) -> dict[str, Any]:
    return {
        "id": encode("whk", row.id),
        "url": row.url,
        "event_types": row.event_types,
        "environment": row.environment,
        "state": row.state,
        "created_at": rfc3339(row.created_at),
    }


def subscribe(
    connection: Connection, principal: Principal, *, url: str, event_types: Sequence[str] | None
) -> dict[str, Any]:
    """A new webhook; its `secret` is in this answer and in no other. `event_types` None means all."""
    listed = rows(connection, "SELECT count(*) AS n FROM webhooks WHERE account_id = %s", principal.account_id)
    if listed[0].n >= MOST:
        raise InvalidFields([FieldError("url", "too_many", f"would be the account's webhook number {MOST + 1}")])
    secret = "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
    webhook_id = new_id()
    made = rows(
        connection,
        "INSERT INTO webhooks (id, account_id, environment, url, event_types)"
        f" VALUES (%s, %s, %s, %s, %s) RETURNING {_COLUMNS}",
        webhook_id, principal.account_id, principal.environment, url,
        None if event_types is None else list(event_types),
    )  # fmt: skip
    run(connection, "INSERT INTO webhook_health (webhook_id) VALUES (%s)", webhook_id)
    run(
        connection,
        "INSERT INTO webhook_secrets (id, webhook_id, sealed) VALUES (%s, %s, %s)",
        new_id(), webhook_id, seal(current_settings(), secret.encode(), f"webhook {webhook_id}"),
    )  # fmt: skip
    return {**_shown(made[0]), "secret": secret}


def find(connection: Connection, principal: Principal) -> list[dict[str, Any]]:
    """The webhooks of this key's environment, newest first."""
    found = rows(
        connection,
        f"SELECT {_COLUMNS} FROM webhooks WHERE account_id = %s AND environment = %s ORDER BY id DESC",
        principal.account_id,
        principal.environment,
    )
    return [_shown(row) for row in found]


def unsubscribe(connection: Connection, principal: Principal, webhook_id: UUID) -> None:
    """Remove a webhook and what waits for it. Raises NotFound."""
    touched = run(
        connection,
        "DELETE FROM webhooks WHERE id = %s AND account_id = %s AND environment = %s",
        webhook_id,
        principal.account_id,
        principal.environment,
    )
    if not touched:
        raise NotFound("There is no webhook with this id.")
