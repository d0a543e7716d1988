"""A webhook (the subscription), its secrets, health, deliveries and attempts. Columns only; never a query."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import REAL, ForeignKey, SmallInteger, Text, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from common.db.models.base import Base

_NOW = text("now()")


class Webhook(Base):
    __tablename__ = "webhooks"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id"))
    environment: Mapped[str] = mapped_column(server_default=text("'live'"))
    url: Mapped[str]
    event_types: Mapped[list[str] | None] = mapped_column(ARRAY(Text))
    state: Mapped[str] = mapped_column(server_default=text("'enabled'"))
    created_at: Mapped[datetime] = mapped_column(server_default=_NOW)
    description: Mapped[str] = mapped_column(server_default=text("''"))
    tags: Mapped[list[str] | None] = mapped_column(ARRAY(Text))
    domains: Mapped[list[str] | None] = mapped_column(ARRAY(Text))
    headers_sealed: Mapped[bytes | None]
    ordering: Mapped[str] = mapped_column(server_default=text("'none'"))
    max_in_flight: Mapped[int] = mapped_column(SmallInteger, server_default=text("10"))
    requests_per_second: Mapped[float | None] = mapped_column(REAL)
    max_attempts: Mapped[int] = mapped_column(SmallInteger, server_default=text("12"))
    signing_key_sealed: Mapped[bytes | None]
    public_key: Mapped[str | None]
    disabled_reason: Mapped[str | None]
    disabled_at: Mapped[datetime | None]
    verified_at: Mapped[datetime | None]
    updated_at: Mapped[datetime] = mapped_column(server_default=_NOW)


class WebhookSecret(Base):
    __tablename__ = "webhook_secrets"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    webhook_id: Mapped[UUID] = mapped_column(ForeignKey("webhooks.id", ondelete="CASCADE"))
    sealed: Mapped[bytes]
    created_at: Mapped[datetime] = mapped_column(server_default=_NOW)
    expires_at: Mapped[datetime | None]


class WebhookHealth(Base):
    """Changed with every batch of attempts; apart from `webhooks`, which every event reads."""

    __tablename__ = "webhook_health"
    webhook_id: Mapped[UUID] = mapped_column(ForeignKey("webhooks.id", ondelete="CASCADE"), primary_key=True)
    breaker: Mapped[str] = mapped_column(server_default=text("'closed'"))
    open_until: Mapped[datetime | None]
    opens: Mapped[int] = mapped_column(server_default=text("0"))
    probes: Mapped[int] = mapped_column(server_default=text("0"))
    window_started_at: Mapped[datetime | None]
    window_attempts: Mapped[int] = mapped_column(server_default=text("0"))
    window_failures: Mapped[int] = mapped_column(server_default=text("0"))
    failing_since: Mapped[datetime | None]
    failed_events: Mapped[int] = mapped_column(server_default=text("0"))
    warned_at: Mapped[datetime | None]
    last_success_at: Mapped[datetime | None]
    last_failure_at: Mapped[datetime | None]
    last_error: Mapped[str | None]
    typical_ms: Mapped[int | None]
    allowance: Mapped[int | None] = mapped_column(SmallInteger)
    next_slot_at: Mapped[datetime | None]
    ticket_at: Mapped[datetime | None]


class WebhookDelivery(Base):
    __tablename__ = "webhook_deliveries"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    webhook_id: Mapped[UUID]  # no foreign key: an event that is written never waits for a webhook that is removed
    account_id: Mapped[UUID]
    event_id: Mapped[UUID]
    message_id: Mapped[UUID | None]
    seq: Mapped[int | None]
    type: Mapped[str]
    payload: Mapped[str]
    state: Mapped[str] = mapped_column(server_default=text("'waiting'"))
    attempt_no: Mapped[int] = mapped_column(SmallInteger, server_default=text("0"))
    next_attempt_at: Mapped[datetime]
    ticket_at: Mapped[datetime | None]
    ticket_count: Mapped[int] = mapped_column(SmallInteger, server_default=text("1"))
    lease_until: Mapped[datetime | None]
    lease_epoch: Mapped[int] = mapped_column(server_default=text("0"))
    created_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    replay_id: Mapped[UUID | None]
    parked: Mapped[bool] = mapped_column(server_default=text("false"))
    lane: Mapped[UUID | None]


class WebhookAttempt(Base):
    __tablename__ = "webhook_attempts"
    delivery_id: Mapped[UUID] = mapped_column(ForeignKey("webhook_deliveries.id", ondelete="CASCADE"), primary_key=True)
    epoch: Mapped[int] = mapped_column(primary_key=True)
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    status: Mapped[int | None] = mapped_column(SmallInteger)
    error: Mapped[str | None]
    response: Mapped[str | None]
    number: Mapped[int] = mapped_column(SmallInteger, server_default=text("0"))
    ip: Mapped[str | None]
    dns_ms: Mapped[float | None] = mapped_column(REAL)
    connect_ms: Mapped[float | None] = mapped_column(REAL)
    tls_ms: Mapped[float | None] = mapped_column(REAL)
    first_byte_ms: Mapped[float | None] = mapped_column(REAL)
    total_ms: Mapped[float | None] = mapped_column(REAL)


class RemovedWebhook(Base):
    """A webhook that is gone and whose deliveries go in batches."""

    __tablename__ = "removed_webhooks"
    webhook_id: Mapped[UUID] = mapped_column(primary_key=True)
    removed_at: Mapped[datetime] = mapped_column(server_default=_NOW)
