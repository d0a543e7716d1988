"""A sender domain, its DKIM keys and the senders in it. Columns only; never a query."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from common.db.models.base import Base


class Domain(Base):
    __tablename__ = "domains"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id"))
    name: Mapped[str]
    state: Mapped[str] = mapped_column(server_default=text("'pending'"))
    created_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    verified_at: Mapped[datetime | None]
    declared: Mapped[bool] = mapped_column(server_default=text("false"))
    default_sender: Mapped[str | None]
    return_path: Mapped[str] = mapped_column(server_default=text("'bounce'"))
    return_path_seen: Mapped[bool] = mapped_column(server_default=text("false"))
    streams: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'"))
    findings: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    checked_at: Mapped[datetime | None]
    check_count: Mapped[int] = mapped_column(server_default=text("0"))
    next_check_at: Mapped[datetime | None]
    state_since: Mapped[datetime] = mapped_column(server_default=text("now()"))


class DomainKey(Base):
    """The private half is sealed; a retired key has none any more."""

    __tablename__ = "domain_keys"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    domain_id: Mapped[UUID] = mapped_column(ForeignKey("domains.id"))
    selector: Mapped[str]
    algorithm: Mapped[str]
    public_key: Mapped[str]
    private_key: Mapped[bytes | None]
    state: Mapped[str] = mapped_column(server_default=text("'pending'"))
    created_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    activated_at: Mapped[datetime | None]
    retiring_at: Mapped[datetime | None]


class Sender(Base):
    __tablename__ = "senders"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id"))
    domain_id: Mapped[UUID] = mapped_column(ForeignKey("domains.id"))
    email: Mapped[str]
    email_key: Mapped[str]
    name: Mapped[str | None]
    reply_to: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
