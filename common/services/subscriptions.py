"""Webhook subscriptions: make, list, change, remove. Their secrets are webhook_secrets.py, switching them on
and off webhook_switches.py, deliveries to them webhooks.py.
"""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import Connection

from common.clock import rfc3339
from common.config import Settings, current_settings
from common.db.keyset import Page, Turn, read_page
from common.db.session import as_json, rows, run
from common.domain.egress import Refused, read_networks, read_url, refusal
from common.domain.errors import FieldError, InvalidFields, NotFound
from common.domain.ids import encode, new_id
from common.domain.principals import Principal
from common.domain.webhooks import MOST_WEBHOOKS
from common.sealing import seal, unseal
from common.services import webhook_retention, webhook_secrets

_SELECT = """
SELECT w.*, h.breaker, h.open_until, h.failing_since, h.typical_ms, h.last_success_at, h.last_failure_at, h.last_error,
       (SELECT json_agg(json_build_object('created_at', s.created_at, 'expires_at', s.expires_at) ORDER BY s.id DESC)
          FROM webhook_secrets s
         WHERE s.webhook_id = w.id AND (s.expires_at IS NULL OR s.expires_at > now())) AS secrets
  FROM webhooks w LEFT JOIN webhook_health h ON h.webhook_id = w.id
 WHERE w.account_id = %s AND w.environment = %s"""

_CHANGEABLE = (
    "url",
    "description",
    "event_types",
    "tags",
    "domains",
    "ordering",
    "max_in_flight",
    "requests_per_second",
    "max_attempts",
)
_EMPTY = {"description": "", "ordering": "none", "max_in_flight": 10, "max_attempts": 12}
"""What a column holds when its field was left out; the others are null then, which is no limit."""


def _moment(moment: Any) -> str | None:
    return rfc3339(moment) if moment else None


def _shown(row: Any) -> dict[str, Any]:
    return {
        "id": encode("whk", row.id),
        **{name: getattr(row, name) for name in _CHANGEABLE},
        "header_names": sorted(open_headers(current_settings(), row.id, row.headers_sealed)),
        "public_key": row.public_key,
        "environment": row.environment,
        "state": row.state,
        "disabled_reason": row.disabled_reason,
        "disabled_at": _moment(row.disabled_at),
        "verified_at": _moment(row.verified_at),
        "created_at": rfc3339(row.created_at),
        "updated_at": rfc3339(row.updated_at),
        "secrets": webhook_secrets.shown(row.secrets or []),
        "health": {
            "breaker": row.breaker or "closed",
            "open_until": _moment(row.open_until),
            "failing_since": _moment(row.failing_since),
            "typical_ms": row.typical_ms,
            "last_success_at": _moment(row.last_success_at),
            "last_failure_at": _moment(row.last_failure_at),
            "last_error": row.last_error,
        },
    }


def open_headers(settings: Settings, webhook_id: UUID, sealed: bytes | None) -> dict[str, str]:
    """The custom headers of a webhook."""
    if sealed is None:
        return {}
    found: dict[str, str] = orjson.loads(unseal(settings, bytes(sealed), f"webhook headers {webhook_id}"))
    return found


def _refuse_url(settings: Settings, principal: Principal, url: str) -> None:
    """A courtesy, so that a mistake shows at once: the guard decides at every attempt. Raises InvalidFields."""
    plain = settings.webhook_http or principal.environment == "test"
    try:
        reason = refusal(read_url(url), read_networks(settings.egress_allow), plain=plain)
    except Refused as error:
        reason = str(error)
    if reason is not None:
        raise InvalidFields([FieldError("url", "invalid_format", reason)])


_COUNT = "SELECT count(*) AS n FROM webhooks WHERE account_id = %s"

_WRITE = """
INSERT INTO webhooks (id, account_id, environment, url, description, event_types, tags, domains, ordering,
                      max_in_flight, requests_per_second, max_attempts)
SELECT x.* FROM json_to_record(%s) AS x(id uuid, account_id uuid, environment text, url text, description text,
       event_types text[], tags text[], domains text[], ordering text, max_in_flight smallint,
       requests_per_second real, max_attempts smallint)
"""


def subscribe(connection: Connection, principal: Principal, fields: Mapping[str, Any]) -> dict[str, Any]:
    """A new webhook; its `secret` is in this answer and in no other. Raises InvalidFields.

    `fields` has `url` and any of description, event_types, tags, domains, headers, ordering, max_in_flight,
    requests_per_second, max_attempts and ed25519; what is left out does not limit.
    """
    settings, webhook_id = current_settings(), new_id()
    _refuse_url(settings, principal, fields["url"])
    if rows(connection, _COUNT, principal.account_id)[0].n >= MOST_WEBHOOKS:
        problem = f"would be the account's webhook number {MOST_WEBHOOKS + 1}: remove one first"
        raise InvalidFields([FieldError("url", "too_many", problem)])
    row = {name: fields.get(name, _EMPTY.get(name)) for name in _CHANGEABLE}
    row |= {"id": webhook_id, "account_id": principal.account_id, "environment": principal.environment}
    run(connection, _WRITE, as_json(row))
    run(connection, "INSERT INTO webhook_health (webhook_id) VALUES (%s)", webhook_id)
    if fields.get("headers"):
        _seal_headers(connection, settings, webhook_id, fields["headers"])
    if fields.get("ed25519"):
        webhook_secrets.add_key_pair(connection, settings, webhook_id)
    secret = webhook_secrets.add(connection, settings, webhook_id)
    return get(connection, principal, webhook_id) | {"secret": secret}


def _seal_headers(
    connection: Connection, settings: Settings, webhook_id: UUID, headers: Mapping[str, str] | None
) -> None:
    sealed = seal(settings, orjson.dumps(headers), f"webhook headers {webhook_id}") if headers else None
    run(connection, "UPDATE webhooks SET headers_sealed = %s WHERE id = %s", sealed, webhook_id)


def find(connection: Connection, principal: Principal, *, limit: int, turn: Turn | None = None) -> Page:
    """The webhooks of this key's environment, newest first."""
    whose = (principal.account_id, principal.environment)
    return read_page(connection, _SELECT, whose, _shown, limit=limit, turn=turn, order=("w.created_at", "w.id"))


def get(connection: Connection, principal: Principal, webhook_id: UUID) -> dict[str, Any]:
    """One webhook. Raises NotFound."""
    found = rows(connection, f"{_SELECT} AND w.id = %s", principal.account_id, principal.environment, webhook_id)
    if not found:
        raise NotFound("There is no webhook with this id.")
    return _shown(found[0])


def lock(connection: Connection, principal: Principal, webhook_id: UUID) -> Any:
    """The row of a webhook that is about to be changed. Raises NotFound."""
    found = rows(
        connection,
        "SELECT * FROM webhooks WHERE id = %s AND account_id = %s AND environment = %s FOR NO KEY UPDATE",
        webhook_id,
        principal.account_id,
        principal.environment,
    )
    if not found:
        raise NotFound("There is no webhook with this id.")
    return found[0]


_CHANGE = """
UPDATE webhooks SET url = x.url, description = x.description, event_types = x.event_types, tags = x.tags,
       domains = x.domains, ordering = x.ordering, max_in_flight = x.max_in_flight,
       requests_per_second = x.requests_per_second, max_attempts = x.max_attempts, updated_at = clock_timestamp(),
       verified_at = CASE WHEN webhooks.url = x.url THEN webhooks.verified_at END
  FROM json_to_record(%s) AS x(url text, description text, event_types text[], tags text[], domains text[],
       ordering text, max_in_flight smallint, requests_per_second real, max_attempts smallint)
 WHERE webhooks.id = %s
"""


def change(connection: Connection, principal: Principal, webhook_id: UUID, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Change what `fields` names; None makes it as if it had been left out. Raises NotFound, InvalidFields.

    What waits is posted to the new address with the new headers; which events it is told counts from now on.
    """
    settings, row = current_settings(), lock(connection, principal, webhook_id)
    if "url" in fields and fields["url"] != row.url:
        _refuse_url(settings, principal, fields["url"])
    given = {name: _EMPTY.get(name) if value is None else value for name, value in fields.items()}
    wanted = {name: given.get(name, getattr(row, name)) for name in _CHANGEABLE}
    run(connection, _CHANGE, as_json(wanted), webhook_id)
    if "headers" in fields:
        _seal_headers(connection, settings, webhook_id, fields["headers"])
    return get(connection, principal, webhook_id)


def unsubscribe(connection: Connection, principal: Principal, webhook_id: UUID) -> None:
    """Remove a webhook and what waits for it; its log goes in the background. Raises NotFound."""
    lock(connection, principal, webhook_id)
    webhook_retention.remove(connection, webhook_id)
