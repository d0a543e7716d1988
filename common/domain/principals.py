"""Who is calling: the key, its account and what it may do."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

SCOPES = (
    "messages:send",
    "messages:read",
    "messages:cancel",
    "templates:read",
    "templates:write",
    "suppressions:read",
    "suppressions:write",
    "webhooks:read",
    "webhooks:write",
    "domains:read",
    "domains:write",
    "sources:read",
    "sources:write",
    "policy:read",
    "policy:write",
    "queues:read",
    "queues:write",
    "analytics:read",
    "audit:read",
    "keys:manage",
    "users:manage",
    "admin",
)


@dataclass(frozen=True, slots=True)
class Principal:
    """An authenticated key. `None` in a restriction means unrestricted; `admin` includes every scope.

    `requests_per_minute` is the account's limit, `key_requests_per_minute` the key's own inside it.
    """

    key_id: UUID
    account_id: UUID
    environment: str
    scopes: frozenset[str]
    sender_domains: frozenset[str] | None
    templates: frozenset[str] | None
    cidrs: tuple[str, ...] | None
    default_sender: str | None
    requests_per_minute: int
    require_idempotency: bool
    paused: bool
    expires_at: datetime | None
    streams: frozenset[str] | None = None
    tags: frozenset[str] | None = None
    key_requests_per_minute: int | None = None

    def may(self, scope: str) -> bool:
        return scope in self.scopes or "admin" in self.scopes
