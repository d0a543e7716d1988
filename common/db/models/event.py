"""An event of a message's timeline. Never updated. Columns only; never a query."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from common.db.models.base import Base


class Event(Base):
    __tablename__ = "events"
    id: Mapped[UUID]
    message_id: Mapped[UUID] = mapped_column(primary_key=True)
    account_id: Mapped[UUID]
    seq: Mapped[int] = mapped_column(primary_key=True)
    type: Mapped[str]
    timestamp: Mapped[datetime]
    data: Mapped[Any] = mapped_column(JSONB)
