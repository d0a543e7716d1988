"""An account: the tenant. Columns only; never a query."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import SmallInteger, text
from sqlalchemy.orm import Mapped, mapped_column

from common.db.models.base import Base


class Account(Base):
    __tablename__ = "accounts"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    requests_per_minute: Mapped[int | None]
    default_sender: Mapped[str | None]
    default_source_id: Mapped[UUID | None]
    delivery_guarantee: Mapped[str | None]
    retry_preset: Mapped[str | None]
    contact_address: Mapped[str | None]
    policy_version: Mapped[int] = mapped_column(server_default=text("1"))
    paused_at: Mapped[datetime | None]
    canary_version: Mapped[int | None]
    canary_percent: Mapped[int | None] = mapped_column(SmallInteger)
