"""An entry of the audit log: who changed what. Never updated. Columns only; never a query."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from common.db.models.base import Base


class AuditEntry(Base):
    """`account_id` is the author's account; null for a command of the installation."""

    __tablename__ = "audit_entries"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    account_id: Mapped[UUID | None]
    environment: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=text("clock_timestamp()"))
    author_kind: Mapped[str]
    author: Mapped[str]
    key_id: Mapped[UUID | None]
    user_id: Mapped[UUID | None]
    action: Mapped[str]
    route: Mapped[str]
    object_id: Mapped[str | None]
    request_id: Mapped[str | None]
    changes: Mapped[Any] = mapped_column(JSONB, server_default=text("'{}'"))
