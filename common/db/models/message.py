"""A message: its hot state, and apart from it what it says. Columns only; never a query."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Identity, SmallInteger, Text
from sqlalchemy import text as sql_text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from common.db.models.base import Base


class Message(Base):
    __tablename__ = "messages"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    account_id: Mapped[UUID]
    queue_position: Mapped[int] = mapped_column(BigInteger, Identity(always=True))
    next_attempt_at: Mapped[datetime]
    ticket_at: Mapped[datetime | None]
    lease_until: Mapped[datetime | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    scheduled_time: Mapped[datetime | None]
    lease_owner: Mapped[UUID | None]
    lease_epoch: Mapped[int] = mapped_column(server_default=sql_text("0"))
    event_seq: Mapped[int] = mapped_column(server_default=sql_text("1"))
    ticket_count: Mapped[int] = mapped_column(SmallInteger, server_default=sql_text("1"))
    attempt_no: Mapped[int] = mapped_column(SmallInteger, server_default=sql_text("0"))
    unknown_count: Mapped[int] = mapped_column(SmallInteger, server_default=sql_text("0"))
    crash_count: Mapped[int] = mapped_column(SmallInteger, server_default=sql_text("0"))
    tier: Mapped[int] = mapped_column(SmallInteger)
    held: Mapped[bool] = mapped_column(server_default=sql_text("false"))
    policy_version: Mapped[int] = mapped_column(server_default=sql_text("1"))
    source_id: Mapped[UUID | None]
    environment: Mapped[str]
    status: Mapped[str]
    phase: Mapped[str] = mapped_column(server_default=sql_text("'idle'"))
    delivery_guarantee: Mapped[str | None]
    in_doubt: Mapped[str | None]
    retry_preset: Mapped[str | None]
    recipient: Mapped[str]
    recipient_key: Mapped[str]
    recipient_domain: Mapped[str]
    path: Mapped[str | None]
    hold_reason: Mapped[str | None]
    accepted_at: Mapped[datetime | None]
    delivered_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    delivery: Mapped[Any | None] = mapped_column(JSONB)
    paced: Mapped[str | None]
    pace_note: Mapped[str | None]
    paced_at: Mapped[datetime | None]
    stream: Mapped[str | None]
    topic: Mapped[str | None]
    rule: Mapped[str | None]
    pool: Mapped[str | None]
    tls: Mapped[str | None]
    decision: Mapped[Any | None] = mapped_column(JSONB)
    hold_id: Mapped[UUID | None]
    held_at: Mapped[datetime | None]
    supersede_key: Mapped[str | None]
    superseded_by: Mapped[UUID | None]
    skip_seconds: Mapped[float | None]


class MessageContent(Base):
    __tablename__ = "message_contents"
    message_id: Mapped[UUID] = mapped_column(primary_key=True)
    sender: Mapped[Any] = mapped_column(JSONB)
    recipient_name: Mapped[str | None]
    subject: Mapped[str]
    html: Mapped[str | None]
    text: Mapped[str | None]
    template_id: Mapped[UUID | None]
    template_slug: Mapped[str | None]
    template_version: Mapped[int | None]
    template_data: Mapped[Any | None] = mapped_column(JSONB)
    locale: Mapped[str | None]
    cc: Mapped[Any | None] = mapped_column(JSONB)
    bcc: Mapped[Any | None] = mapped_column(JSONB)
    reply_to: Mapped[Any | None] = mapped_column(JSONB)
    headers: Mapped[Any | None] = mapped_column(JSONB)
    attachments: Mapped[Any | None] = mapped_column(JSONB)
    mime: Mapped[bytes | None]
    metadata_: Mapped[Any | None] = mapped_column("metadata", JSONB)
    tags: Mapped[list[str] | None] = mapped_column(ARRAY(Text))
    idempotency_key: Mapped[str | None]
    key_id: Mapped[UUID | None]
    request_id: Mapped[str | None]
    sensitive: Mapped[bool] = mapped_column(server_default=sql_text("false"))
    purged_at: Mapped[datetime | None]
    batch_id: Mapped[UUID | None]
    original_id: Mapped[UUID | None]
    channel: Mapped[str | None]
    traceparent: Mapped[str | None]
