"""Policies: versions, drafts and canaries; and what routing by them knows of places and paths. Columns only.

`account_id` is null for what holds for the whole installation.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Double, ForeignKey, SmallInteger, Text, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from common.db.models.base import Base

_NOW, _ZERO = text("now()"), text("0")


class Policy(Base):
    __tablename__ = "policies"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    account_id: Mapped[UUID | None] = mapped_column(ForeignKey("accounts.id"))
    version: Mapped[int]
    document: Mapped[Any] = mapped_column(JSONB)
    author: Mapped[str]
    key_id: Mapped[UUID | None]
    reason: Mapped[str]
    restores: Mapped[int | None]
    created_at: Mapped[datetime] = mapped_column(server_default=_NOW)


class PolicyDraft(Base):
    __tablename__ = "policy_drafts"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    account_id: Mapped[UUID | None] = mapped_column(ForeignKey("accounts.id"))
    document: Mapped[Any] = mapped_column(JSONB)
    author: Mapped[str]
    updated_at: Mapped[datetime] = mapped_column(server_default=_NOW)


class PolicyCanary(Base):
    __tablename__ = "policy_canaries"
    account_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id"), primary_key=True)
    version: Mapped[int]
    percent: Mapped[int] = mapped_column(SmallInteger)
    guardrails: Mapped[Any] = mapped_column(JSONB)
    started_at: Mapped[datetime] = mapped_column(server_default=_NOW)
    ends_at: Mapped[datetime]


class RecipientPlace(Base):
    __tablename__ = "recipient_places"
    domain: Mapped[str] = mapped_column(primary_key=True)
    provider: Mapped[str | None]
    hosts: Mapped[list[str]] = mapped_column(ARRAY(Text))
    seen_at: Mapped[datetime] = mapped_column(server_default=_NOW)


class PathHealth(Base):
    __tablename__ = "path_health"
    source_id: Mapped[UUID] = mapped_column(primary_key=True)
    place: Mapped[str] = mapped_column(primary_key=True)
    good: Mapped[float] = mapped_column(Double, server_default=_ZERO)
    bad: Mapped[float] = mapped_column(Double, server_default=_ZERO)
    blocked: Mapped[float] = mapped_column(Double, server_default=_ZERO)
    failures: Mapped[int] = mapped_column(server_default=_ZERO)
    failed_at: Mapped[datetime | None]
    updated_at: Mapped[datetime] = mapped_column(server_default=_NOW)
    typical_ms: Mapped[float | None] = mapped_column(Double)


class WarmupDay(Base):
    __tablename__ = "warmup_days"
    source_id: Mapped[UUID] = mapped_column(primary_key=True)
    place: Mapped[str] = mapped_column(primary_key=True)
    day: Mapped[int] = mapped_column(primary_key=True)
    routed: Mapped[int]
