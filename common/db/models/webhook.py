"""A webhook (the subscription), its deliveries and their attempts. Columns only; never a query."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, SmallInteger, Text, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from common.db.models.base import Base


class Webhook(Base):
    __tablename__ = "webhooks"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id"))
    environment: Mapped[str] = mapped_column(server_default=text("'live'"))
    url: Mapped[str]
    secret: Mapped[str]
    event_types: Mapped[list[str] | None] = mapped_column(ARRAY(Text))
    state: Mapped[str] = mapped_column(server_default=text("'enabled'"))
    created_at: Mapped[datetime] = mapped_column(server_default=text("now()"))


class WebhookDelivery(Base):
    __tablename__ = "webhook_deliveries"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    webhook_id: Mapped[UUID] = mapped_column(ForeignKey("webhooks.id", ondelete="CASCADE"))
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


class WebhookAttempt(Base):
    __tablename__ = "webhook_attempts"
    delivery_id: Mapped[UUID] = mapped_column(ForeignKey("webhook_deliveries.id", ondelete="CASCADE"), primary_key=True)
    epoch: Mapped[int] = mapped_column(primary_key=True)
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    status: Mapped[int | None] = mapped_column(SmallInteger)
    error: Mapped[str | None]
    response: Mapped[str | None]
