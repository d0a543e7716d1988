"""An attempt: one try at one server. Columns only; never a query."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import SmallInteger, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from common.db.models.base import Base


class Attempt(Base):
    __tablename__ = "attempts"
    message_id: Mapped[UUID] = mapped_column(primary_key=True)
    epoch: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(SmallInteger)
    source_id: Mapped[UUID | None]
    state: Mapped[str] = mapped_column(server_default=text("'started'"))
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    stage: Mapped[str | None]
    code: Mapped[int | None] = mapped_column(SmallInteger)
    enhanced: Mapped[str | None]
    reply: Mapped[str | None]
    category: Mapped[str | None]
    mx: Mapped[str | None]
    ip: Mapped[str | None]
    tls: Mapped[str | None]
    transcript: Mapped[Any | None] = mapped_column(JSONB)
    provider: Mapped[str | None]
    tls_reason: Mapped[str | None]
    rule: Mapped[str | None]
